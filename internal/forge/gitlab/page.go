package gitlab

import (
	"context"
	"fmt"
	"net/http"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

const (
	perPage  = 100    // the most that GitLab gives at once
	maxPages = 10_000 // where a list that does not end is given up
)

// all reads every page of a list. An item that comes twice, because something was
// added to the list meanwhile, is kept once.
func all[T any](ctx context.Context, g *Client, what string, id func(T) int64, get func(gl.ListOptions, ...gl.RequestOptionFunc) ([]T, *gl.Response, error)) ([]T, error) {
	var out []T
	seen := map[int64]bool{}
	err := pages(ctx, g, what, get, func(page []T) bool {
		for _, x := range page {
			if !seen[id(x)] {
				seen[id(x)] = true
				out = append(out, x)
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// pages hands every page of a list to a function, until that says false. The end
// is where GitLab says so and the page is not full: the header that names the next
// page may be lost on the way.
func pages[T any](ctx context.Context, g *Client, what string, get func(gl.ListOptions, ...gl.RequestOptionFunc) ([]T, *gl.Response, error), use func([]T) bool) error {
	for n := int64(1); n <= maxPages; n++ {
		page, resp, err := get(gl.ListOptions{Page: n, PerPage: perPage}, gl.WithContext(ctx))
		if err != nil {
			return g.failed(ctx, what, err)
		}
		if !use(page) || resp.NextPage == 0 && len(page) < perPage {
			return nil
		}
	}
	return fmt.Errorf("gitlab: %s: more than %d pages: %w", what, maxPages, forge.ErrTooMany)
}

// ask reads a page of a list below the project that the client library has no
// fitting method for.
func ask[T any](g *Client, path string, o gl.ListOptions, with []gl.RequestOptionFunc) ([]T, *gl.Response, error) {
	req, err := g.api.NewRequest(http.MethodGet, "projects/"+gl.PathEscape(g.repo)+"/"+path, &o, with)
	if err != nil {
		return nil, nil, err
	}
	var page []T
	resp, err := g.api.Do(req, &page)
	return page, resp, err
}
