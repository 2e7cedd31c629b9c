package gitea

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tenure-dev/tenure/internal/forge"
)

const (
	// perPage is how many entries of a list are asked for; a server may give fewer.
	perPage = 50
	// maxPages bounds a list: a longer one is not read at all.
	maxPages = 2000
)

// read sends a GET for what the SDK does not know or leaves out.
func (g *Client) read(ctx context.Context, what, path string, query url.Values, out any) (http.Header, error) {
	u := g.base.String() + "/api/v1" + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, fmt.Errorf("gitea: %s: %w", what, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "tenure")
	resp, err := g.http.Do(req)
	if err != nil {
		return nil, g.unsent(ctx, what, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, g.unsent(ctx, what, err)
	}
	if resp.StatusCode/100 != 2 {
		var e struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(body, &e)
		return nil, g.refused(what, resp.StatusCode, e.Message)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return nil, fmt.Errorf("gitea: %s: %w: its answer cannot be read", what, forge.ErrUnavailable)
	}
	return resp.Header, nil
}

// pages hands the pages of a list to f until f has seen enough or the list ends.
// How many entries a page has is the server's choice.
func pages[T any](ctx context.Context, g *Client, what, path string, query url.Values, f func([]T) (more bool)) error {
	q := url.Values{"limit": {strconv.Itoa(perPage)}}
	for k, v := range query {
		q[k] = v
	}
	seen := 0
	for n := 1; n <= maxPages; n++ {
		q.Set("page", strconv.Itoa(n))
		var page []T
		h, err := g.read(ctx, what, path, q, &page)
		if err != nil {
			return err
		}
		if len(page) == 0 || !f(page) {
			return nil
		}
		seen += len(page)
		if total, err := strconv.Atoi(h.Get("X-Total-Count")); err == nil && seen >= total {
			return nil
		}
	}
	return fmt.Errorf("gitea: %s: more than %d pages: %w", what, maxPages, forge.ErrTooMany)
}

// all reads a list whole.
func all[T any](ctx context.Context, g *Client, what, path string, query url.Values) ([]T, error) {
	var out []T
	err := pages(ctx, g, what, path, query, func(page []T) bool {
		out = append(out, page...)
		return true
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// repoPath is the path of the access repository in the API.
func (g *Client) repoPath() string { return repoPath(g.owner, g.name) }

func repoPath(owner, name string) string {
	return "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name)
}
