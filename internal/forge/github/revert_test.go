package github

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/minihub"
)

func commentOf(s string) *gh.IssueComment { return &gh.IssueComment{Body: &s} }

// expired is a world whose branch holds three request files.
func expired(t *testing.T) (*world, *Client, forge.RevertRequest) {
	t.Helper()
	w := newWorld(t)
	w.push(minihub.Commit{By: "bob", Write: map[string]string{"requests/a.yaml": "a\n", "requests/b.yaml": "b\n", "requests/c.yaml": "c\n"}})
	g := w.client()
	r := forge.RevertRequest{Key: "orders-20261123", Title: "Remove expired access", Body: "a and b have ended.", Base: "main", Remove: map[string]string{}}
	for _, p := range []string{"requests/a.yaml", "requests/b.yaml"} {
		blob, err := g.BlobAt(t.Context(), w.head("main"), p)
		must(t, err)
		r.Remove[p] = blob
	}
	w.later(time.Minute)
	return w, g, r
}

func pulls(t *testing.T, w *world) []minihub.Pull {
	t.Helper()
	p, err := w.hub.Pulls(repo)
	must(t, err)
	return p
}

func (w *world) has(commit, path string) bool {
	w.t.Helper()
	_, err := w.copy(w.client()).Lookup(commit, path)
	return err == nil
}

func TestOpenTwiceIsOnePullRequest(t *testing.T) {
	w, g, r := expired(t)
	first, err := g.Open(t.Context(), r)
	must(t, err)
	if want := []string{"requests/a.yaml", "requests/b.yaml"}; first.State != "open" || first.Key != r.Key || !slices.Equal(first.Paths, want) || first.HeadSHA != w.head("tenure/revert/"+r.Key) {
		t.Errorf("opened %+v", first)
	}
	w.push(minihub.Commit{By: "bob", Write: map[string]string{"other.md": "the branch moves on\n"}})
	second, err := g.Open(t.Context(), r)
	must(t, err)
	if second.Number != first.Number || second.HeadSHA != first.HeadSHA || len(pulls(t, w)) != 1 {
		t.Errorf("again: %+v, %d pull requests", second, len(pulls(t, w)))
	}
	found, err := g.Find(t.Context(), r.Key)
	must(t, err)
	if len(found) != 1 || found[0].Number != first.Number || !slices.Equal(found[0].Paths, first.Paths) {
		t.Errorf("found %+v", found)
	}
	if found, err := g.Find(t.Context(), "another"); err != nil || len(found) != 0 {
		t.Errorf("another key: %+v, %v", found, err)
	}
}

func TestOpenUpdatesTheOpenOne(t *testing.T) {
	w, g, r := expired(t)
	first, err := g.Open(t.Context(), r)
	must(t, err)
	delete(r.Remove, "requests/b.yaml") // was extended meanwhile
	r.Title, r.Body = "Remove one file", "only a"
	second, err := g.Open(t.Context(), r)
	must(t, err)
	if second.Number != first.Number || second.HeadSHA == first.HeadSHA || !slices.Equal(second.Paths, []string{"requests/a.yaml"}) {
		t.Errorf("updated to %+v", second)
	}
	if p := pulls(t, w)[0]; p.Title != "Remove one file" || p.HeadSHA != second.HeadSHA {
		t.Errorf("the hub has %+v", p)
	}
}

func TestOpenLeavesOutWhatIsGoneOrHasOtherBytes(t *testing.T) {
	w, g, r := expired(t)
	w.push(minihub.Commit{By: "bob", Write: map[string]string{"requests/a.yaml": "changed\n"}})
	p, err := g.Open(t.Context(), r)
	must(t, err)
	if !slices.Equal(p.Paths, []string{"requests/b.yaml"}) {
		t.Errorf("removes %v", p.Paths)
	}
	w.push(minihub.Commit{By: "bob", Remove: []string{"requests/b.yaml"}})
	if _, err := g.Open(t.Context(), r); !errors.Is(err, forge.ErrNothingToDo) {
		t.Errorf("nothing left: %v", err)
	}
}

func TestOpenSurvivesALostAnswerAtEveryStep(t *testing.T) {
	for _, step := range []string{"/git/trees", "/git/commits", "/git/refs", "/pulls"} {
		w, g, r := expired(t)
		lost := false
		w.hub.Fail(func(req *http.Request) *minihub.Failure {
			if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, step) && !lost {
				lost = true
				return &minihub.Failure{Late: true, Status: http.StatusBadGateway}
			}
			return nil
		})
		if _, err := g.Open(t.Context(), r); !errors.Is(err, forge.ErrUnavailable) || !lost {
			t.Errorf("%s: %v", step, err)
		}
		if _, err := g.Open(t.Context(), r); err != nil {
			t.Errorf("after a lost answer of %s: %v", step, err)
		}
		if n := len(pulls(t, w)); n != 1 {
			t.Errorf("after a lost answer of %s: %d pull requests", step, n)
		}
	}
}

func TestTwinsOpenOnePullRequest(t *testing.T) {
	w, g, r := expired(t)
	twin := w.client()
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, c := range []*Client{g, twin} {
		wg.Go(func() { _, errs[i] = c.Open(t.Context(), r) })
	}
	wg.Wait()
	if n := len(pulls(t, w)); n != 1 {
		t.Errorf("%d pull requests: %v", n, errs)
	}
	if p, err := g.Open(t.Context(), r); err != nil || len(p.Paths) != 2 {
		t.Errorf("afterwards: %+v, %v", p, err)
	}
}

func TestPullRequestClosedByAPersonIsFoundAndNotReopened(t *testing.T) {
	w, g, r := expired(t)
	p, err := g.Open(t.Context(), r)
	must(t, err)
	must(t, w.hub.ClosePull(repo, p.Number, "bob"))
	found, err := g.Find(t.Context(), r.Key)
	must(t, err)
	if len(found) != 1 || found[0].State != "closed" || found[0].Number != p.Number {
		t.Errorf("found %+v", found)
	}
}

func TestPullRequestOfSomebodyElseIsNotOurs(t *testing.T) {
	w, g, r := expired(t)
	w.push(minihub.Commit{Branch: "tenure/revert/" + r.Key, By: "alice", Remove: []string{"requests/c.yaml"}})
	n, err := w.hub.OpenPull(repo, "alice", minihub.PullRequest{Title: "Remove expired access", Head: "tenure/revert/" + r.Key})
	must(t, err)
	if found, err := g.Find(t.Context(), r.Key); err != nil || len(found) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
	head := w.head("tenure/revert/" + r.Key)
	if _, err := g.Open(t.Context(), r); !errors.Is(err, forge.ErrChanged) || w.head("tenure/revert/"+r.Key) != head {
		t.Errorf("somebody else's branch was taken: %v", err)
	}
	if err := g.Merge(t.Context(), n, head, []string{"requests/c.yaml"}); !errors.Is(err, forge.ErrChanged) {
		t.Errorf("somebody else's pull request was merged: %v", err)
	}
	if err := g.Close(t.Context(), n, "x"); !errors.Is(err, forge.ErrChanged) {
		t.Errorf("somebody else's pull request was closed: %v", err)
	}
}

func TestCloseCommentsOnceAndDeletesTheBranch(t *testing.T) {
	w, g, r := expired(t)
	p, err := g.Open(t.Context(), r)
	must(t, err)
	for range 2 {
		must(t, g.Close(t.Context(), p.Number, "The access was extended."))
	}
	if got := pulls(t, w)[0]; got.State != "closed" || got.Merged {
		t.Errorf("the hub has %+v", got)
	}
	if _, err := w.hub.Head(repo, "tenure/revert/"+r.Key); err == nil {
		t.Error("the branch is still there")
	}
	comments, _, err := g.api.Issues.ListComments(t.Context(), "acme", "access", p.Number, nil)
	must(t, err)
	if len(comments) != 1 {
		t.Errorf("%d comments", len(comments))
	}
	next, err := g.Open(t.Context(), r)
	must(t, err)
	if next.Number == p.Number || next.State != "open" {
		t.Errorf("opened anew: %+v", next)
	}
	if found, err := g.Find(t.Context(), r.Key); err != nil || len(found) != 2 || found[0].Number != next.Number {
		t.Errorf("newest first: %+v, %v", found, err)
	}
}

func TestMergeRemovesExactlyTheFiles(t *testing.T) {
	w, g, r := expired(t)
	p, err := g.Open(t.Context(), r)
	must(t, err)
	w.push(minihub.Commit{By: "bob", Write: map[string]string{"other.md": "meanwhile\n"}})
	for range 2 { // the second time as after a lost answer
		must(t, g.Merge(t.Context(), p.Number, p.HeadSHA, p.Paths))
	}
	head := w.head("main")
	for path, there := range map[string]bool{"requests/a.yaml": false, "requests/b.yaml": false, "requests/c.yaml": true, "other.md": true} {
		if w.has(head, path) != there {
			t.Errorf("%s is there: %v", path, !there)
		}
	}
	if found, err := g.Find(t.Context(), r.Key); err != nil || found[0].State != "merged" {
		t.Errorf("found %+v, %v", found, err)
	}
	if _, err := w.hub.Head(repo, "tenure/revert/"+r.Key); err == nil {
		t.Error("the branch is still there")
	}
}

func TestMergeIsRefusedWhenAnythingIsNotAsOpened(t *testing.T) {
	branch := "tenure/revert/orders-20261123"
	tests := map[string]struct {
		change func(w *world, p *forge.OpenedPull)
	}{
		"a push by somebody else": {change: func(w *world, _ *forge.OpenedPull) {
			w.push(minihub.Commit{Branch: branch, By: "alice", Write: map[string]string{"roles/x.yaml": "x\n"}})
		}},
		"a push by somebody else, with its new head": {change: func(w *world, p *forge.OpenedPull) {
			p.HeadSHA = w.push(minihub.Commit{Branch: branch, By: "alice", Remove: []string{"requests/c.yaml"}})
		}},
		"the same change, force-pushed by somebody else": {change: func(w *world, p *forge.OpenedPull) {
			p.HeadSHA = w.push(minihub.Commit{Branch: branch, From: "main", Force: true, By: "alice", Remove: []string{"requests/a.yaml", "requests/b.yaml"}})
		}},
		"another head is expected": {change: func(_ *world, p *forge.OpenedPull) { p.HeadSHA = strings.Repeat("1", 40) }},
		"more files are expected":  {change: func(_ *world, p *forge.OpenedPull) { p.Paths = append(p.Paths, "requests/c.yaml") }},
		"fewer files are expected": {change: func(_ *world, p *forge.OpenedPull) { p.Paths = p.Paths[:1] }},
		"other files are expected": {change: func(_ *world, p *forge.OpenedPull) { p.Paths = []string{"requests/a.yaml", "requests/c.yaml"} }},
		"it was closed":            {change: func(w *world, p *forge.OpenedPull) { must(w.t, w.hub.ClosePull(repo, p.Number, "bob")) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, g, r := expired(t)
			p, err := g.Open(t.Context(), r)
			must(t, err)
			before := w.head("main")
			tt.change(w, &p)
			if err := g.Merge(t.Context(), p.Number, p.HeadSHA, p.Paths); !errors.Is(err, forge.ErrChanged) {
				t.Errorf("got %v", err)
			}
			if w.head("main") != before {
				t.Error("the branch moved")
			}
		})
	}
}

func TestMergeThatWaitsForReviewsIsTriedAgain(t *testing.T) {
	w, g, r := expired(t)
	p, err := g.Open(t.Context(), r)
	must(t, err)
	must(t, w.hub.ProtectBranch(repo, "main", minihub.Protection{Approvals: 1}))
	if err := g.Merge(t.Context(), p.Number, p.HeadSHA, p.Paths); !errors.Is(err, forge.ErrUnavailable) {
		t.Errorf("a review is missing: %v", err)
	}
	w.approve(p.Number, "bob")
	must(t, g.Merge(t.Context(), p.Number, p.HeadSHA, p.Paths))
}

func TestKeysThatAreNoBranchNamesAreRefused(t *testing.T) {
	_, g, r := expired(t)
	for _, k := range []string{"", "a/b", "..", "a b", "-x", "a.lock", "é", strings.Repeat("k", 200)} {
		r.Key = k
		if _, err := g.Open(t.Context(), r); err == nil {
			t.Errorf("%q was accepted", k)
		}
	}
}
