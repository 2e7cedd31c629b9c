package github

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/minihub"
)

func numbers(pulls []forge.PullRequest) []int {
	var out []int
	for _, p := range pulls {
		out = append(out, p.Number)
	}
	return out
}

func (w *world) openPulls(g *Client) []forge.PullRequest {
	w.t.Helper()
	pulls, err := g.OpenPulls(w.t.Context())
	must(w.t, err)
	return pulls
}

func TestOpenPullsAreThoseIntoTheWatchedBranch(t *testing.T) {
	w := newWorld(t)
	must(t, w.hub.MoveBranch(repo, "release", w.head("main"), "bob"))
	one, two := w.ask("one", file), w.ask("two", "requests/b.yaml")
	elsewhere := w.ask("elsewhere", "requests/c.yaml")
	must(t, w.hub.Retarget(repo, elsewhere, "alice", "release"))
	closed, merged := w.ask("closed", "requests/d.yaml"), w.ask("merged", "requests/e.yaml")
	must(t, w.hub.ClosePull(repo, closed, "alice"))
	w.merge(merged, "squash")
	for branch, want := range map[string][]int{"main": {one, two}, "": {one, two}, "release": {elsewhere}, "none": nil} {
		g := w.client(func(c *Config) { c.Branch = branch })
		if got := numbers(w.openPulls(g)); !slices.Equal(got, want) {
			t.Errorf("branch %q: %v, want %v", branch, got, want)
		}
	}
	g := w.client(func(c *Config) { c.Branch = "main" })
	must(t, w.hub.Retarget(repo, elsewhere, "alice", "main"))
	must(t, w.hub.ReopenPull(repo, closed, "alice"))
	if got := numbers(w.openPulls(g)); !slices.Equal(got, []int{one, two, elsewhere, closed}) {
		t.Errorf("after one was retargeted and one reopened: %v", got)
	}
}

func TestAnOpenPullSaysWhatItIs(t *testing.T) {
	w := newWorld(t)
	created := w.clock().Add(time.Minute)
	n := w.ask("ask", file)
	g := w.client(func(c *Config) { c.Branch = "main" })
	alice, _ := w.hub.User("alice")
	id, _ := w.hub.Repo(repo)
	want := forge.PullRequest{
		Number: n, Title: "Ask for " + file, URL: fmt.Sprintf("%s/%s/pull/%d", w.url, repo, n), State: "open",
		Author:     forge.Identity{Host: "github.com", ID: alice.ID, Login: "alice", Type: "User"},
		BaseRepoID: id.ID, BaseRef: "main", HeadRepoID: id.ID, HeadRepo: repo, HeadRef: "ask", HeadSHA: w.head("ask"),
		CreatedAt: created, UpdatedAt: created,
	}
	if got := w.openPulls(g); len(got) != 1 || got[0] != want {
		t.Errorf("in the list: %+v\nwant %+v", got, want)
	}
	want.Commits = 1
	if got, err := g.Pull(t.Context(), n); err != nil || got != want {
		t.Errorf("by itself: %+v, %v\nwant %+v", got, err, want)
	}
	m := w.merge(n, "squash")
	if got, err := g.Pull(t.Context(), n); err != nil || got.State != "closed" || got.MergeCommit != m || got.MergedAt.IsZero() {
		t.Errorf("merged: %+v, %v", got, err)
	}
	if _, err := g.Pull(t.Context(), 99); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
}

func TestUpdatedAtMovesWithEverythingThatPeopleSee(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	other := w.ask("other", "requests/b.yaml")
	g := w.client(func(c *Config) { c.Branch = "main" })
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"a review", func() error { return w.hub.Approve(repo, n, "bob") }},
		{"a comment", func() error { return w.hub.Comment(repo, n, "carol", "why?") }},
		{"an edited comment", func() error {
			return w.hub.EditComment(repo, w.comments(n)[0].ID, "carol", "why now?")
		}},
		{"a push", func() error {
			_, err := w.hub.Push(repo, minihub.Commit{Branch: "ask", By: "alice", Write: map[string]string{file: "more\n"}})
			return err
		}},
		{"an edit of the text", func() error { return w.hub.EditPull(repo, n, "alice", "Another title", "why") }},
		{"closing", func() error { return w.hub.ClosePull(repo, n, "alice") }},
		{"reopening", func() error { return w.hub.ReopenPull(repo, n, "alice") }},
	} {
		w.later(time.Minute)
		must(t, step.do())
		p, err := g.Pull(t.Context(), n)
		must(t, err)
		if !p.UpdatedAt.Equal(w.clock()) || p.UpdatedAt.Location() != time.UTC {
			t.Errorf("%s: updated at %s, want %s", step.name, p.UpdatedAt, w.clock())
		}
	}
	list := w.openPulls(g)
	if len(list) != 2 || !list[0].UpdatedAt.Equal(w.clock()) || list[0].HeadSHA != w.head("ask") {
		t.Errorf("the list says %+v", list)
	}
	if q, err := g.Pull(t.Context(), other); err != nil || !q.UpdatedAt.Equal(q.CreatedAt) {
		t.Errorf("the other one: %+v, %v", q, err)
	}
}

func TestAnIdlePollCostsOneConditionalRequest(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	g := w.client(func(c *Config) { c.Branch = "main" })
	first := w.openPulls(g)
	w.later(time.Minute)
	w.hub.ResetRequests()
	if again := w.openPulls(g); !slices.Equal(again, first) {
		t.Errorf("unchanged, and yet %+v", again)
	}
	// The newest first: one more changes the first page, also when it is full.
	const query = "base=main&direction=desc&per_page=100&sort=created&state=open"
	if r := w.hub.Requests(); len(r) != 1 || !r[0].Conditional || r[0].Status != http.StatusNotModified || r[0].Query != query {
		t.Errorf("an idle poll cost %+v", r)
	}
	w.push(minihub.Commit{Branch: "ask", By: "alice", Write: map[string]string{file: "more\n"}})
	if got := w.openPulls(g); len(got) != 1 || got[0].Number != n || got[0].HeadSHA != w.head("ask") {
		t.Errorf("after a push: %+v", got)
	}
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWhatWasNotAskedForIsNotTaken(t *testing.T) {
	w := newWorld(t)
	must(t, w.hub.MoveBranch(repo, "release", w.head("main"), "bob"))
	n := w.ask("ask", file)
	elsewhere := w.ask("elsewhere", "requests/c.yaml")
	must(t, w.hub.Retarget(repo, elsewhere, "alice", "release"))
	must(t, w.hub.ClosePull(repo, w.ask("closed", "requests/d.yaml"), "alice"))
	g := w.client(func(c *Config) {
		c.Branch = "main"
		c.HTTPTransport = roundTrip(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.URL.RawQuery = "state=all" // a server that takes no filter
			return w.tr.RoundTrip(r)
		})
	})
	if got := numbers(w.openPulls(g)); !slices.Equal(got, []int{n}) {
		t.Errorf("got %v, want %d", got, n)
	}
}

func TestAHugePullRequestIsNotListedAtAll(t *testing.T) {
	requests := 0
	g := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		requests++
		fmt.Fprint(w, `{"number":1,"changed_files":3001}`)
	})
	if _, err := g.Changed(t.Context(), 1); !errors.Is(err, forge.ErrTooMany) || requests != 1 {
		t.Errorf("%v after %d requests", err, requests)
	}
}

// many opens pull requests from branches that all have the same head.
func (w *world) many(n int) []int {
	w.t.Helper()
	head := w.push(minihub.Commit{Branch: "many", By: "alice", Write: map[string]string{file: "a\n"}})
	var out []int
	for i := range n {
		branch := fmt.Sprintf("many-%d", i)
		must(w.t, w.hub.MoveBranch(repo, branch, head, "alice"))
		number, err := w.hub.OpenPull(repo, "alice", minihub.PullRequest{Title: branch, Head: branch})
		must(w.t, err)
		out = append(out, number)
	}
	return out
}

func TestOpenPullsOfSeveralPages(t *testing.T) {
	w := newWorld(t)
	want := w.many(101)
	g := w.client(func(c *Config) { c.Branch = "main" })
	if got := numbers(w.openPulls(g)); !slices.Equal(got, want) {
		t.Errorf("%d of %d pull requests", len(got), len(want))
	}

	// One of the first page is closed after that page was read: one of the second
	// page moves to the first, where nobody looks again.
	gone, requests := want[100], 0
	w.hub.Fail(func(r *http.Request) *minihub.Failure {
		if requests++; requests == 2 {
			must(t, w.hub.ClosePull(repo, gone, "alice"))
		}
		return nil
	})
	if got := numbers(w.openPulls(w.client(func(c *Config) { c.Branch = "main" }))); !slices.Equal(got, want[:100]) {
		t.Errorf("%d of %d pull requests after one was closed while the list was read", len(got), 100)
	}
	w.hub.Fail(nil)

	g = w.client(func(c *Config) { c.Branch = "main" })
	w.openPulls(g)
	must(t, w.hub.ReopenPull(repo, gone, "alice"))
	if got := numbers(w.openPulls(g)); !slices.Equal(got, want) {
		t.Errorf("%d of %d pull requests after one came to a full page", len(got), len(want))
	}
}

func TestAListThatNeverHoldsStillIsUnavailable(t *testing.T) {
	n := 0
	g := stub(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		if r.URL.Query().Get("page") == "" {
			w.Header().Set("Link", `<http://`+r.Host+r.URL.Path+`?page=2>; rel="next"`)
		}
		fmt.Fprintf(w, `[{"number":%d,"state":"open","base":{"ref":"main"}}]`, n)
	})
	g.branch = "main"
	if got, err := g.OpenPulls(t.Context()); !errors.Is(err, forge.ErrUnavailable) || got != nil || n != 2*maxReadings {
		t.Errorf("after %d requests: %v, %v", n, got, err)
	}
}

func TestChangedComparesWithWhereItBranchedOff(t *testing.T) {
	w := newWorld(t)
	long := "kind: AccessRequest\nsubject: alice\nroles: [orders-db-writer]\nduration: 4h\nreason: a long line that makes the two versions alike\n"
	w.push(minihub.Commit{By: "bob", Write: map[string]string{"old.yaml": long, "edit.yaml": "1\n", "gone.yaml": "gone\n"}})
	w.push(minihub.Commit{
		Branch: "ask", By: "alice", Remove: []string{"old.yaml", "gone.yaml"},
		Write: map[string]string{file: "new\n", "new.yaml": long + "more\n", "edit.yaml": "2\n"},
	})
	n, err := w.hub.OpenPull(repo, "alice", minihub.PullRequest{Title: "Ask", Head: "ask"})
	must(t, err)
	w.push(minihub.Commit{By: "bob", Write: map[string]string{"edit.yaml": "3\n", "later.md": "not of the pull request\n"}})
	g := w.client()
	got, err := g.Changed(t.Context(), n)
	must(t, err)
	var want []forge.FileChange
	for _, c := range []forge.FileChange{
		{Path: "edit.yaml", Kind: forge.FileModified}, {Path: "gone.yaml", Kind: forge.FileRemoved},
		{Path: "new.yaml", OldPath: "old.yaml", Kind: forge.FileRenamed}, {Path: file, Kind: forge.FileAdded},
	} {
		if c.Kind != forge.FileRemoved {
			c.Blob, err = g.BlobAt(t.Context(), w.head("ask"), c.Path)
			must(t, err)
		}
		want = append(want, c)
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes %+v\nwant %+v", got, want)
	}
	if _, err := g.Changed(t.Context(), 99); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a pull request that is not there: %v", err)
	}
}

func TestAChangeThatForgesNameOtherwiseIsOther(t *testing.T) {
	for _, status := range []string{"changed", "copied", "unchanged", "", "Added"} {
		if c := fileChange(filed(status)); c.Kind != forge.FileOther || c.Blob == "" {
			t.Errorf("%q is %+v", status, c)
		}
	}
}

func TestChangedReadsEveryPage(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{}
	for i := range 101 {
		files[fmt.Sprintf("requests/%03d.yaml", i)] = fmt.Sprintf("number: %d\n", i)
	}
	w.push(minihub.Commit{Branch: "ask", By: "alice", Write: files})
	n, err := w.hub.OpenPull(repo, "alice", minihub.PullRequest{Title: "Ask", Head: "ask"})
	must(t, err)
	got, err := w.client().Changed(t.Context(), n)
	must(t, err)
	if len(got) != 101 || got[100].Path != "requests/100.yaml" || got[100].Kind != forge.FileAdded {
		t.Errorf("%d files", len(got))
	}
	w.hub.LimitFiles(100)
	if got, err := w.client().Changed(t.Context(), n); !errors.Is(err, forge.ErrTooMany) || got != nil {
		t.Errorf("the forge lists one file less than there are: %d, %v", len(got), err)
	}
}

func TestChangedIsOfOneHead(t *testing.T) {
	for name, change := range map[string]func(w *world, n int){
		"a push": func(w *world, _ int) {
			w.push(minihub.Commit{Branch: "ask", By: "alice", Write: map[string]string{file: "other bytes\n"}})
		},
		"another base": func(w *world, n int) { must(w.t, w.hub.Retarget(repo, n, "alice", "release")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			must(t, w.hub.MoveBranch(repo, "release", w.head("main"), "bob"))
			n := w.ask("ask", file)
			g := w.client()
			requests := 0
			w.hub.Fail(func(*http.Request) *minihub.Failure {
				if requests++; requests == 3 { // the pull request, its files, the pull request
					change(w, n)
				}
				return nil
			})
			if got, err := g.Changed(t.Context(), n); !errors.Is(err, forge.ErrUnavailable) || got != nil {
				t.Errorf("while the files were read: %+v, %v", got, err)
			}
			if got, err := g.Changed(t.Context(), n); err != nil || len(got) != 1 {
				t.Errorf("afterwards: %+v, %v", got, err)
			}
		})
	}
}
