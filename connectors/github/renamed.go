package github

import (
	"context"
	"errors"
	"fmt"
)

const teamsQuery = `query ($org: String!, $after: String) {
  organization(login: $org) {
    login
    viewerCanAdminister
    teams(first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { databaseId slug }
    }
  }
}`

// slugOf is what a team is called now; empty: it is gone.
func (c *connector) slugOf(ctx context.Context, id int64) (string, error) {
	for after := any(nil); ; {
		var a struct {
			Organization *struct {
				about
				Teams *struct {
					Page  *page `json:"pageInfo"`
					Nodes []*struct {
						ID   int64  `json:"databaseId"`
						Slug string `json:"slug"`
					} `json:"nodes"`
				} `json:"teams"`
			} `json:"organization"`
		}
		if _, err := c.query(ctx, teamsQuery, map[string]any{"org": c.set.Organization, "after": after}, &a); err != nil {
			return "", err
		}
		if a.Organization == nil {
			return "", c.found(nil)
		}
		if err := c.found(&a.Organization.about); err != nil {
			return "", err
		}
		in := a.Organization.Teams
		if in == nil || in.Page == nil || in.Nodes == nil {
			return "", errors.New("GitHub answers without a list of teams")
		}
		for _, t := range in.Nodes {
			if t == nil || t.ID == 0 || checkSlug(t.Slug) != nil {
				return "", errors.New("GitHub lists a team without saying which")
			}
			if t.ID == id {
				return t.Slug, nil
			}
		}
		if !in.Page.HasNextPage {
			return "", nil
		}
		if in.Page.EndCursor == "" || any(in.Page.EndCursor) == after {
			return "", fmt.Errorf("GitHub's list of teams does not go on after %d", len(in.Nodes))
		}
		after = in.Page.EndCursor
	}
}
