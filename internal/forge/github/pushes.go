package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
)

// pushCacheLists bounds how many branches the records are kept of.
const pushCacheLists = 16

// pushEntry is an entry of the record; go-github v60 has no type for it.
type pushEntry struct {
	ID        int64     `json:"id"`
	Before    string    `json:"before"`
	After     string    `json:"after"`
	Ref       string    `json:"ref"`
	Timestamp time.Time `json:"timestamp"`
	Type      string    `json:"activity_type"`
	Actor     *gh.User  `json:"actor"`
}

// pushCache keeps the records that were read whole, newest first. A record only
// grows, so that the next reading ends at the first entry that is known. Without
// it, every introduction would cost all pages of the branch's record.
type pushCache struct {
	mu    sync.Mutex
	lists map[string][]pushEntry
	order []string
}

func (c *pushCache) get(key string) []pushEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lists[key]
}

func (c *pushCache) put(key string, list []pushEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.order, key); i >= 0 {
		c.order = slices.Delete(c.order, i, i+1)
	}
	c.order = append(c.order, key)
	c.lists[key] = list
	for len(c.order) > pushCacheLists {
		delete(c.lists, c.order[0])
		c.order = c.order[1:]
	}
}

// Pushes implements forge.Reader from GitHub's repository activity. The record of
// another repository that may not be read is ErrNotFound.
func (g *Client) Pushes(ctx context.Context, repo, branch string) ([]forge.Push, error) {
	m := repoName.FindStringSubmatch(repo)
	if m == nil {
		return nil, fmt.Errorf("github: repository %q: %w", repo, forge.ErrNotFound)
	}
	list, err := g.record(ctx, m[1], m[2], branch)
	if err != nil {
		return nil, err
	}
	out := make([]forge.Push, 0, len(list))
	for _, e := range slices.Backward(list) {
		out = append(out, forge.Push{
			Actor: g.identity(e.Actor), At: e.Timestamp.UTC(), Ref: strings.TrimPrefix(e.Ref, "refs/heads/"),
			Before: e.Before, After: e.After, Kind: e.Type,
		})
	}
	return out, nil
}

func (g *Client) record(ctx context.Context, owner, name, branch string) ([]pushEntry, error) {
	what := fmt.Sprintf("push record of %s in %s/%s", branch, owner, name)
	ref := "refs/heads/" + branch
	key := owner + "/" + name + "\n" + ref
	known := g.pushes.get(key)
	var fresh []pushEntry
	query := url.Values{"ref": {ref}, "direction": {"desc"}, "per_page": {fmt.Sprint(perPage)}}
	for {
		req, err := g.api.NewRequest(http.MethodGet, fmt.Sprintf("repos/%s/%s/activity?%s", owner, name, query.Encode()), nil)
		if err != nil {
			return nil, fmt.Errorf("github: %s: %w", what, err)
		}
		var page []pushEntry
		resp, err := g.api.Do(ctx, req, &page)
		if err != nil {
			return nil, g.noRecord(owner, name, resp, g.failed(ctx, what, err))
		}
		for _, e := range page {
			if len(known) > 0 && e.ID == known[0].ID {
				list := append(fresh, known...)
				g.pushes.put(key, list)
				return list, nil
			}
			if e.Ref == ref { // whatever the server makes of the filter
				fresh = append(fresh, e)
			}
		}
		if resp.After == "" || len(page) == 0 {
			// The end was reached without meeting what was known: the branch's
			// record is another one now, and this is all of it.
			g.pushes.put(key, fresh)
			return fresh, nil
		}
		query.Set("after", resp.After)
	}
}

// noRecord tells apart what is not to be had from what may come: rights in a
// fork are not ours to repair.
func (g *Client) noRecord(owner, name string, resp *gh.Response, err error) error {
	own := strings.EqualFold(owner, g.owner) && strings.EqualFold(name, g.name)
	limited := resp != nil && (resp.Header.Get("Retry-After") != "" || resp.Header.Get("X-RateLimit-Remaining") == "0")
	if !own && !limited && resp != nil && resp.StatusCode == http.StatusForbidden && !errors.Is(err, forge.ErrNotFound) {
		return fmt.Errorf("github: %s/%s: its push record may not be read: %w", owner, name, forge.ErrNotFound)
	}
	return err
}
