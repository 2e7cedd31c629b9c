package github

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	gh "github.com/google/go-github/v60/github"
)

// GraphQL is used for reading where REST cannot tell: REST names the highest
// permission of a collaborator, wherever it is from, and lists the members of child
// teams among a team's. Cursors also make its pages safe against changes.

// refusal is an error in an answer of GraphQL, whose status is always 200.
type refusal struct{ kind, text string }

func (e *refusal) Error() string {
	text := "GraphQL: " + e.text
	if e.kind == "FORBIDDEN" || e.kind == "INSUFFICIENT_SCOPES" {
		text += " (the credentials lack a right; doctor names it)"
	}
	return text
}

// page is where a list goes on.
type page struct {
	HasNextPage bool   `json:"hasNextPage"`
	EndCursor   string `json:"endCursor"`
}

// about is what every query asks of the organisation.
type about struct {
	Login    string `json:"login"`
	CanAdmin bool   `json:"viewerCanAdminister"`
}

// user is an account in an answer.
type user struct {
	Login string `json:"login"`
	ID    int64  `json:"databaseId"`
}

// query sends one query. What is not there is null in its answer and no error; any
// other error spoils the whole answer.
func (c *connector) query(ctx context.Context, text string, variables map[string]any, out any) (http.Header, error) {
	var head http.Header
	err := c.reading(ctx, func() error {
		r, err := c.way.REST.NewRequest(http.MethodPost, c.graphqlPath(), map[string]any{"query": text, "variables": variables})
		if err != nil {
			return err
		}
		r.Header["X-Idempotency-Key"] = nil // it only reads: a kept connection that died is no reason to fail
		var answer struct {
			Data   json.RawMessage `json:"data"`
			Errors []struct {
				Type    string `json:"type"`
				Message string `json:"message"`
			} `json:"errors"`
		}
		var resp *gh.Response
		if resp, err = c.way.REST.Do(ctx, r, &answer); err != nil {
			return err
		}
		head = resp.Header
		for _, e := range answer.Errors {
			if e.Type != "NOT_FOUND" {
				return &refusal{kind: e.Type, text: strings.Join(strings.Fields(e.Message), " ")}
			}
		}
		if len(answer.Data) == 0 || string(answer.Data) == "null" {
			return &refusal{text: "the answer holds no data"}
		}
		if err := json.Unmarshal(answer.Data, out); err != nil {
			return &refusal{text: "the answer cannot be read"}
		}
		return nil
	})
	return head, err
}

// graphqlPath is beside the REST API: /graphql, or /api/graphql of an Enterprise
// server, whose REST API is at /api/v3.
func (c *connector) graphqlPath() string {
	if strings.HasSuffix(c.way.REST.BaseURL.Path, "/v3/") {
		return "../graphql"
	}
	return "graphql"
}

// found demands that the organisation is the one of the settings.
func (c *connector) found(o *about) error {
	if o == nil {
		return fmt.Errorf("organisation %q is not there, or the credentials may not see it", c.set.Organization)
	}
	if o.Login != c.set.Organization {
		return fmt.Errorf("organisation %q is %q now; write its new name in setting organization", c.set.Organization, o.Login)
	}
	return nil
}
