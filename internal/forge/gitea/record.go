package gitea

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
)

const (
	// maxRecords bounds of how many repositories (forks) the records are kept.
	maxRecords = 16
	// maxReadings bounds how often a list that does not hold still is read.
	maxReadings = 4
)

// entry is a push as the repository's activity tells it.
type entry struct {
	forge.Push
	commits int      // how many it brought
	listed  []string // the newest of them
}

// record is what was read of one repository's activity: all of it, oldest first.
type record struct {
	activities []activity
	seen       map[int64]bool
}

// activity is one entry that tells of a branch, or of the merge of a pull request.
// Of the others only the number is kept, to know whether something is missing.
type activity struct {
	id      int64
	at      time.Time
	ref     string // branch; empty: a merge
	pull    int    // of a merge
	deleted bool
	actor   forge.Identity
	content string
}

// recordCache keeps the activity that was read. It only grows, so that the next
// reading ends where the last one began.
type recordCache struct {
	mu    sync.Mutex
	lists map[string]*record
	order []string
}

// Pushes implements forge.Reader from the activity of the repository. An entry of
// the access repository is a merge when exactly one pull request says that Gitea
// merged it so, then and by the same account.
func (g *Client) Pushes(ctx context.Context, repo, branch string) ([]forge.Push, error) {
	owner, name, ok := splitRepo(repo)
	if !ok {
		return nil, fmt.Errorf("gitea: repository %q: %w", repo, forge.ErrNotFound)
	}
	byCommit := map[string][]merge{}
	if strings.EqualFold(owner, g.owner) && strings.EqualFold(name, g.name) {
		if _, err := g.settled(ctx); err != nil {
			return nil, err
		}
		merges, err := g.merges(ctx)
		if err != nil {
			return nil, err
		}
		for _, m := range merges {
			byCommit[m.commit] = append(byCommit[m.commit], m)
		}
	}
	list, err := g.record(ctx, owner, name)
	if err != nil {
		return nil, err
	}
	by := mergers(list)
	var out []forge.Push
	for _, e := range pushes(list) {
		if e.Ref != branch {
			continue
		}
		if ms := byCommit[e.After]; e.Kind == forge.PushPush && len(ms) == 1 && ms[0].byButton(e.Push, by[ms[0].number]) {
			e.Kind = forge.PushMerge
		}
		out = append(out, e.Push)
	}
	return out, nil
}

// record reads the activity of a repository, oldest first.
func (g *Client) record(ctx context.Context, owner, name string) ([]activity, error) {
	me, err := g.whoami(ctx)
	if err != nil {
		return nil, err
	}
	g.records.mu.Lock()
	defer g.records.mu.Unlock()
	key := strings.ToLower(owner + "/" + name)
	what := fmt.Sprintf("activity of %s/%s", owner, name)
	for range maxReadings {
		old := g.records.lists[key]
		r, whole, err := g.activity(ctx, what, owner, name, old, me)
		if err != nil {
			if own := key == strings.ToLower(g.owner+"/"+g.name); !own && errors.Is(err, errForbidden) {
				return nil, fmt.Errorf("gitea: %s may not be read: %w", what, forge.ErrNotFound)
			}
			return nil, err
		}
		if !whole { // it moved while it was read, or it is another one now
			delete(g.records.lists, key)
			continue
		}
		g.records.put(key, r)
		return r.activities, nil
	}
	return nil, fmt.Errorf("gitea: %s: %w: it changes faster than it can be read", what, forge.ErrUnavailable)
}

func (c *recordCache) put(key string, r *record) {
	if i := slices.Index(c.order, key); i >= 0 {
		c.order = slices.Delete(c.order, i, i+1)
	}
	c.order = append(c.order, key)
	c.lists[key] = r
	for len(c.order) > maxRecords {
		delete(c.lists, c.order[0])
		c.order = c.order[1:]
	}
}

// activity reads what is new since the last reading. whole: as many entries are
// known as there are. Those of one second have no order in Gitea's pages, so that
// one can slip through between two of them.
func (g *Client) activity(ctx context.Context, what, owner, name string, old *record, me int64) (r *record, whole bool, err error) {
	r = &record{seen: map[int64]bool{}}
	var since time.Time
	if old != nil {
		r.activities = slices.Clone(old.activities)
		for id := range old.seen {
			r.seen[id] = true
		}
		if n := len(old.activities); n > 0 {
			since = old.activities[n-1].at
		}
	}
	total := -1
	q := url.Values{"limit": {strconv.Itoa(perPage)}}
	for n := 1; ; n++ {
		if n > maxPages {
			return nil, false, fmt.Errorf("gitea: %s: more than %d pages: %w", what, maxPages, forge.ErrTooMany)
		}
		q.Set("page", strconv.Itoa(n))
		var page []sdk.Activity
		h, err := g.read(ctx, what, repoPath(owner, name)+"/activities/feeds", q, &page)
		if err != nil {
			return nil, false, err
		}
		if total, err = strconv.Atoi(h.Get("X-Total-Count")); err != nil {
			return nil, false, fmt.Errorf("gitea: %s: %w: its answer does not count them", what, forge.ErrUnavailable)
		}
		past := false
		for _, a := range page {
			past = past || a.Created.Before(since)
			if r.seen[a.ID] {
				continue
			}
			r.seen[a.ID] = true
			if x, ok := told(a); ok {
				x.actor = identity(g.host, a.ActUser, me)
				r.activities = append(r.activities, x)
			}
		}
		if len(page) == 0 || past || len(r.seen) >= total {
			break
		}
	}
	slices.SortFunc(r.activities, func(a, b activity) int { return cmp.Compare(a.id, b.id) })
	return r, len(r.seen) == total, nil
}

// told keeps the entries that tell of a branch or of a merge.
func told(a sdk.Activity) (x activity, ok bool) {
	x = activity{id: a.ID, at: a.Created.UTC()}
	switch a.OpType {
	case "commit_repo", "delete_branch":
		x.ref, ok = strings.CutPrefix(a.RefName, "refs/heads/")
		x.deleted, x.content = a.OpType == "delete_branch", a.Content
		return x, ok && x.ref != ""
	case "merge_pull_request", "auto_merge_pull_request":
		number, _, _ := strings.Cut(a.Content, "|")
		n, err := strconv.Atoi(number)
		x.pull = n
		return x, err == nil && n > 0
	}
	return x, false
}

// mergers returns who merged which pull request; 0: not to be told.
func mergers(list []activity) map[int]int64 {
	out := map[int]int64{}
	for _, a := range list {
		if a.pull == 0 {
			continue
		}
		if who, ok := out[a.pull]; ok && who != a.actor.ID {
			out[a.pull] = 0
			continue
		}
		out[a.pull] = a.actor.ID
	}
	return out
}

// content is what Gitea writes down of the commits of a push.
type content struct {
	Commits    []struct{ Sha1 string }
	HeadCommit *struct{ Sha1 string }
	CompareURL string
	Len        int
}

var compared = regexp.MustCompile(`/compare/([0-9a-f]{40})\.\.\.([0-9a-f]{40})$`)

// pushes makes a record of pushes out of activities, oldest first. A new branch is
// told in two entries, of which the first has no content.
//
// Each entry names where the branch was before. When that is not where the entry
// before left it, a push is missing, such as one of somebody whose activity is not
// shown; it stands in the record as a push of nobody known.
func pushes(list []activity) []entry {
	var out []entry
	last := map[string]string{}  // branch → where it is; "": not known
	created := map[string]bool{} // the next entry with content belongs to a creation
	begun := map[string]bool{}
	for _, a := range list {
		if a.ref == "" {
			continue
		}
		e := entry{Push: forge.Push{Actor: a.actor, At: a.at, Ref: a.ref, Kind: forge.PushPush}}
		switch {
		case a.deleted:
			e.Kind, e.Before = forge.PushDelete, last[a.ref]
			last[a.ref], begun[a.ref], created[a.ref] = "", false, false
		case a.content == "":
			created[a.ref] = true
			continue
		default:
			var c content
			if json.Unmarshal([]byte(a.content), &c) != nil {
				c = content{}
			}
			e.commits = c.Len
			for _, x := range c.Commits {
				e.listed = append(e.listed, x.Sha1)
			}
			if c.HeadCommit != nil {
				e.After = c.HeadCommit.Sha1
			}
			if created[a.ref] {
				e.Kind = forge.PushCreate
			} else if m := compared.FindStringSubmatch(c.CompareURL); m != nil && m[2] == e.After {
				e.Before = m[1]
			}
			if begun[a.ref] && (e.Kind == forge.PushCreate || e.Before != last[a.ref]) {
				out = append(out, entry{Push: forge.Push{
					Actor: forge.Identity{Host: a.actor.Host}, At: a.at, Ref: a.ref, Before: last[a.ref], After: e.Before, Kind: forge.PushPush,
				}})
			}
			last[a.ref], begun[a.ref], created[a.ref] = e.After, true, false
		}
		out = append(out, e)
	}
	return out
}
