package github

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/minihub"
)

const file = "requests/a.yaml"

func TestEvidenceOfEveryWayToMerge(t *testing.T) {
	for _, method := range []string{"merge", "squash", "rebase"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			n := w.ask("ask", file)
			w.push(minihub.Commit{Branch: "ask", By: "carol", Write: map[string]string{"requests/b.yaml": "b\n"}})
			w.later(time.Minute)
			w.approve(n, "bob")
			w.push(minihub.Commit{By: "carol", Write: map[string]string{"other.md": "meanwhile\n"}})
			w.later(time.Minute)
			before := w.head("main")
			m := w.merge(n, method)
			g := w.client()
			commit := m
			if method == "rebase" { // the first of its two commits brought the file
				parents, err := w.copy(g).Parents(m)
				must(t, err)
				commit = parents[0]
			}
			ev, err := w.gather(g, file, commit)
			must(t, err)
			if ev.Problem != "" || ev.Before != before {
				t.Fatalf("problem %q, before %s; want %s", ev.Problem, ev.Before, before)
			}
			p := ev.Pull
			if p.Number != n || p.MergeCommit != m || p.Commits != 2 || p.BaseRef != "main" || p.HeadRef != "ask" || p.HeadRepo != repo || p.HeadSHA != w.head("ask") {
				t.Errorf("pull request: %+v", p)
			}
			alice, _ := w.hub.User("alice")
			if want := (forge.Identity{Host: "github.com", ID: alice.ID, Login: "alice", Type: "User"}); p.Author != want {
				t.Errorf("author %+v, want %+v", p.Author, want)
			}
			if ev.HeadBlob != ev.Introduction.Blob {
				t.Errorf("blob at the head is %s, on the branch %s", ev.HeadBlob, ev.Introduction.Blob)
			}
			if len(ev.Reviews) != 1 || ev.Reviews[0].State != forge.ReviewApproved || ev.Reviews[0].Reviewer.Login != "bob" || ev.Reviews[0].SubmittedAt.Location() != time.UTC {
				t.Errorf("reviews: %+v", ev.Reviews)
			}
			var pushers []string
			for _, push := range ev.HeadPushes {
				pushers = append(pushers, push.Actor.Login+" "+push.Kind)
			}
			if got := strings.Join(pushers, ", "); got != "alice branch_creation, carol push" {
				t.Errorf("pushes to the head: %s", got)
			}
			if !ev.BaseChange.IsZero() || !p.MergedAt.After(ev.Reviews[0].SubmittedAt) || p.MergedAt.Location() != time.UTC {
				t.Errorf("times: %+v", ev)
			}
		})
	}
}

func TestEvidenceOfAMergeQueue(t *testing.T) {
	w := newWorld(t)
	n1, n2 := w.ask("one", file), w.ask("two", "requests/b.yaml")
	before := w.head("main")
	must(t, w.hub.QueueMerge(repo, n1, n2))
	w.later(time.Minute)
	g := w.client()
	p1, err := w.hub.Pull(repo, n1)
	must(t, err)
	p2, err := w.hub.Pull(repo, n2)
	must(t, err)
	for _, tt := range []struct{ path, commit, before string }{{file, p1.MergeCommit, before}, {"requests/b.yaml", p2.MergeCommit, p1.MergeCommit}} {
		ev, err := w.gather(g, tt.path, tt.commit)
		must(t, err)
		if ev.Problem != "" || ev.Before != tt.before {
			t.Errorf("%s: problem %q, before %s; want %s", tt.path, ev.Problem, ev.Before, tt.before)
		}
	}
}

func TestPushesProveNothing(t *testing.T) {
	tests := map[string]struct {
		push    func(w *world, n int) string // returns the commit of the introduction
		problem string
	}{
		"direct push": {func(w *world, _ int) string {
			return w.push(minihub.Commit{By: "alice", Write: map[string]string{file: "kind: AccessRequest\n"}})
		}, "pushed directly"},
		"force push": {func(w *world, _ int) string {
			return w.push(minihub.Commit{By: "alice", From: "main", Force: true, Write: map[string]string{file: "kind: AccessRequest\n"}})
		}, "pushed directly"},
		"the head of an approved pull request, pushed": {func(w *world, n int) string {
			must(w.t, w.hub.MoveBranch(repo, "main", w.head("ask"), "alice"))
			return w.head("main")
		}, "merged indirectly"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			n := w.ask("ask", file)
			w.approve(n, "bob")
			commit := tt.push(w, n)
			w.later(time.Minute)
			ev, err := w.gather(w.client(), file, commit)
			must(t, err)
			if !strings.Contains(ev.Problem, tt.problem) {
				t.Errorf("problem %q, want %q", ev.Problem, tt.problem)
			}
		})
	}
}

func TestHeadContainedInAnotherPullRequestIsNotMistakenForIt(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	w.push(minihub.Commit{Branch: "stacked", From: "ask", By: "carol", Write: map[string]string{"requests/b.yaml": "b\n"}})
	stacked, err := w.hub.OpenPull(repo, "carol", minihub.PullRequest{Title: "Both", Head: "stacked"})
	must(t, err)
	w.later(time.Minute)
	m := w.merge(stacked, "merge")
	if p, err := w.hub.Pull(repo, n); err != nil || !p.Merged {
		t.Fatalf("the contained pull request is not marked merged: %+v, %v", p, err)
	}
	ev, err := w.gather(w.client(), file, m)
	must(t, err)
	if ev.Problem != "" || ev.Pull.Number != stacked {
		t.Errorf("problem %q, pull request %+v", ev.Problem, ev.Pull)
	}
}

func TestEvidenceOfAFork(t *testing.T) {
	w := newWorld(t)
	dave := w.hub.AddUser("dave")
	fork, err := w.hub.Fork(repo, "dave")
	must(t, err)
	_, err = w.hub.Push(fork.FullName, minihub.Commit{Branch: "ask", By: "dave", Write: map[string]string{file: "kind: AccessRequest\n"}})
	must(t, err)
	w.later(time.Minute)
	n, err := w.hub.OpenPull(repo, "dave", minihub.PullRequest{Title: "Ask", Head: "dave:ask"})
	must(t, err)
	w.later(time.Minute)
	m := w.merge(n, "squash")
	ev, err := w.gather(w.client(), file, m)
	must(t, err)
	if ev.Problem != "" || ev.Pull.HeadRepo != "dave/access" || len(ev.HeadPushes) != 1 || ev.HeadPushes[0].Actor.ID != dave.ID {
		t.Errorf("evidence: %+v", ev)
	}
	must(t, w.hub.SetPrivate(fork.FullName, true))
	if ev, err = w.gather(w.client(), file, m); err != nil || ev.HeadPushes != nil {
		t.Errorf("a fork that may not be read: %v, %+v", err, ev.HeadPushes)
	}
	must(t, w.hub.DeleteRepo(fork.FullName))
	if ev, err = w.gather(w.client(), file, m); err != nil || ev.HeadPushes != nil || ev.Pull.HeadRepoID != 0 || ev.HeadBlob == "" {
		t.Errorf("a fork that is gone: %v, %+v", err, ev)
	}
}

func TestReviewsThatWereRepointedKeepTheirTime(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	w.approve(n, "bob")
	approved := w.clock().Add(-time.Minute)
	w.push(minihub.Commit{Branch: "ask", By: "alice", Write: map[string]string{file: "kind: AccessRequest\n# more\n"}})
	swapped := w.clock()
	w.later(time.Minute)
	must(t, w.hub.RepointReviews(repo, n))
	ev, err := w.gather(w.client(), file, w.merge(n, "squash"))
	must(t, err)
	r, last := ev.Reviews[0], ev.HeadPushes[len(ev.HeadPushes)-1]
	if r.Commit != ev.Pull.HeadSHA {
		t.Fatalf("the review was not re-pointed: %+v", r)
	}
	if !r.SubmittedAt.Equal(approved) || !last.At.Equal(swapped) || !last.At.After(r.SubmittedAt) || last.After != ev.Pull.HeadSHA {
		t.Errorf("the record does not show that the head changed after the approval: %+v, %+v", r, last)
	}
}

func TestBaseChangeIsSeen(t *testing.T) {
	w := newWorld(t)
	must(t, w.hub.MoveBranch(repo, "other", w.head("main"), "bob"))
	n := w.ask("ask", file)
	must(t, w.hub.Retarget(repo, n, "alice", "other"))
	w.later(time.Minute)
	must(t, w.hub.Retarget(repo, n, "alice", "main"))
	back := w.clock()
	w.later(time.Minute)
	ev, err := w.gather(w.client(), file, w.merge(n, "merge"))
	must(t, err)
	if !ev.BaseChange.Equal(back) {
		t.Errorf("base changed at %s, want %s", ev.BaseChange, back)
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	for i := range 230 {
		_, err := w.hub.Review(repo, n, "bob", "COMMENT", fmt.Sprintf("comment %d", i))
		must(t, err)
	}
	w.approve(n, "carol")
	for i := range 120 {
		w.push(minihub.Commit{By: "bob", Write: map[string]string{"README.md": fmt.Sprint(i)}})
	}
	g := w.client()
	reviews, err := g.Reviews(t.Context(), n)
	must(t, err)
	if len(reviews) != 231 || reviews[230].State != forge.ReviewApproved {
		t.Errorf("%d reviews", len(reviews))
	}
	pushes, err := g.Pushes(t.Context(), repo, "main")
	must(t, err)
	if len(pushes) != 121 || pushes[0].Kind != forge.PushCreate || pushes[120].After != w.head("main") {
		t.Errorf("%d pushes", len(pushes))
	}
	for i := 1; i < len(pushes); i++ {
		if pushes[i].Before != pushes[i-1].After {
			t.Fatalf("the record has a gap at %d", i)
		}
	}
	w.hub.ResetRequests()
	w.push(minihub.Commit{By: "bob", Write: map[string]string{"README.md": "last"}})
	again, err := g.Pushes(t.Context(), repo, "main")
	must(t, err)
	if len(again) != 122 || again[121].After != w.head("main") || again[0] != pushes[0] {
		t.Errorf("%d pushes after one more", len(again))
	}
	if c := w.hub.Count("GET /repos/{owner}/{repo}/activity"); c != 1 {
		t.Errorf("one push more cost %d requests", c)
	}
	other, err := g.Pushes(t.Context(), repo, "ask")
	must(t, err)
	if len(other) != 1 || other[0].Ref != "ask" {
		t.Errorf("record of another branch: %+v", other)
	}
}

func TestBlobAt(t *testing.T) {
	w := newWorld(t)
	odd := "requests/ä #1%?/c:d.yaml"
	c := w.push(minihub.Commit{By: "bob", Write: map[string]string{odd: "odd\n", "d/e.yaml": "e\n"}})
	g := w.client()
	r := w.copy(g)
	for _, path := range []string{odd, "d/e.yaml"} {
		want, err := r.Lookup(c, path)
		must(t, err)
		if got, err := g.BlobAt(t.Context(), c, path); err != nil || got != want.Blob {
			t.Errorf("%s: %s, %v; want %s", path, got, err, want.Blob)
		}
	}
	for _, path := range []string{"none.yaml", "d", "d/", "../x", "d/../d/e.yaml", ""} {
		if got, err := g.BlobAt(t.Context(), c, path); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%q: %s, %v", path, got, err)
		}
	}
	if _, err := g.BlobAt(t.Context(), strings.Repeat("1", 40), "d/e.yaml"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("an unknown commit: %v", err)
	}
}

func TestGhostHasNoNumber(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	w.approve(n, "bob")
	w.merge(n, "merge")
	must(t, w.hub.DeleteUser("bob"))
	reviews, err := w.client().Reviews(t.Context(), n)
	must(t, err)
	if len(reviews) != 1 || reviews[0].Reviewer.ID != 0 || reviews[0].Reviewer.IsUser() {
		t.Errorf("a review of a deleted account: %+v", reviews)
	}
}

func TestRepository(t *testing.T) {
	w := newWorld(t)
	g := w.client()
	want, _ := w.hub.Repo(repo)
	r, err := g.Repository(t.Context())
	must(t, err)
	if r.ID != want.ID || r.Name != repo || r.Host != "github.com" || !r.Now.Equal(w.clock()) || r.Now.Location() != time.UTC {
		t.Errorf("got %+v", r)
	}
	w.later(time.Hour)
	if r, err = g.Repository(t.Context()); err != nil || !r.Now.Equal(w.clock()) {
		t.Errorf("an answer from the cache tells the time of before: %+v, %v", r, err)
	}
	must(t, w.hub.RenameRepo(repo, "entry"))
	if r, err = g.Repository(t.Context()); err != nil || r.Name != "acme/entry" || r.ID != want.ID {
		t.Errorf("a renamed repository: %+v, %v", r, err)
	}
}
