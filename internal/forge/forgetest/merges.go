package forgetest

import (
	"maps"
	"slices"

	"github.com/tenure-dev/tenure/internal/forge"
)

// merges are the ways to merge an approved pull request.
var merges = []scenario{
	{"approved and merged by a merge commit", func(w *world) { w.merged("merge") }},
	{"approved and squashed", func(w *world) { w.merged("squash") }},
	{"approved and rebased", func(w *world) { w.merged("rebase") }},
	{"several commits rebased, the first of which brought the file", func(w *world) {
		w.push(change{by: "alice", branch: "ask", write: map[string]string{file: request("first")}})
		for _, path := range []string{"a.md", "b.md", "c.md", "d.md", "e.md", "f.md", "g.md"} {
			w.commitOnto("ask", path)
		}
		n := w.open("alice", Pull{Title: "Ask for access", Head: "ask"})
		w.approve("bob", n)
		w.push(change{by: "dave", branch: Branch, write: map[string]string{"README.md": "meanwhile\n"}})
		before := w.tip("alice", Branch)
		w.merge(n, "rebase")
		if ev := w.proven(file, "bob"); ev.Before != before || ev.Pull.Commits != 8 {
			w.t.Errorf("before %s and %d commits; want %s and 8", ev.Before, ev.Pull.Commits, before)
		}
	}},
	{"rebased although it was up to date", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.merge(n, "rebase")
		w.proven(file, "bob")
	}},
	{"a fork", func(w *world) {
		fork := w.Fork("alice")
		w.push(change{by: "alice", repo: fork, branch: "ask", write: map[string]string{file: request("first")}})
		n := w.open("alice", Pull{Title: "Ask for access", From: fork, Head: "ask"})
		w.approve("bob", n)
		w.merge(n, "squash")
		if ev := w.proven(file, "bob"); ev.Pull.HeadRepo != fork || ev.Pull.HeadRepoID == ev.Pull.BaseRepoID {
			w.t.Errorf("head repository %q with the id %d", ev.Pull.HeadRepo, ev.Pull.HeadRepoID)
		}
	}},
	{"the branch is deleted after the merge", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.merge(n, "squash")
		w.git("push", "-q", w.Remote(w.Repo(), "bob"), ":refs/heads/ask")
		w.Tick()
		w.proven(file, "bob")
	}},
	{"the branch is pushed to after the merge", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		head := w.tip("alice", "ask")
		w.merge(n, "squash")
		w.push(change{by: "bob", branch: "ask", write: map[string]string{file: request("later")}})
		if ev := w.proven(file, "bob"); ev.Pull.HeadSHA != head {
			w.t.Errorf("final head %s, want %s", ev.Pull.HeadSHA, head)
		}
	}},
}

// merged has a request approved and merged after the branch has moved on, and
// compares all of the evidence with what was done.
func (w *world) merged(method string) {
	n := w.ask()
	w.approve("bob", n)
	approved := w.Now()
	before := w.push(change{by: "dave", branch: Branch, write: map[string]string{"README.md": "meanwhile\n"}})
	w.merge(n, method)
	ev := w.proven(file, "bob")
	p := ev.Pull
	if ev.Before != before || p.MergeCommit != w.tip("alice", Branch) || ev.Introduction.Commit != p.MergeCommit {
		w.t.Errorf("before %s, merge commit %s; want %s and %s", ev.Before, p.MergeCommit, before, w.tip("alice", Branch))
	}
	if p.Number != n || p.Commits != 1 || p.BaseRef != Branch || p.HeadRef != "ask" || p.HeadRepo != w.Repo() || p.HeadSHA != w.tip("alice", "ask") || p.State != "closed" {
		w.t.Errorf("pull request: %+v", p)
	}
	if !p.Author.Same(w.Person("alice")) || !p.Author.IsUser() || !ev.Reviews[0].Reviewer.Same(w.Person("bob")) {
		w.t.Errorf("author %+v, reviews %+v", p.Author, ev.Reviews)
	}
	if !p.MergedAt.After(approved.Add(-1)) || !ev.BaseChange.IsZero() || ev.HeadBlob != ev.Introduction.Blob {
		w.t.Errorf("times or bytes:\n%s", describe(ev))
	}
	repo, err := w.Client().Repository(w.t.Context())
	w.must(err)
	if repo.Name != w.Repo() || repo.ID == 0 || repo.ID != p.BaseRepoID || repo.Host != w.Client().Host() || repo.Now.IsZero() {
		w.t.Errorf("repository %+v", repo)
	}
}

// commitOnto pushes one file more to a branch.
func (w *world) commitOnto(branch, path string) {
	w.t.Helper()
	sha := w.commit(change{by: "alice", branch: branch, write: map[string]string{path: path + "\n"}})
	w.git("push", "-q", w.Remote(w.Repo(), "alice"), sha+":refs/heads/"+branch)
}

func paths(files []forge.FileChange) []string {
	byPath := map[string]bool{}
	for _, f := range files {
		byPath[f.Path] = true
	}
	return slices.Sorted(maps.Keys(byPath))
}
