package forgetest

import (
	"errors"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/internal/forge"
)

// desk is what is asked of open pull requests, and said on them.
var desk = []scenario{
	{"open pull requests into the branch", func(w *world) {
		c := w.Client()
		w.move(change{by: "dave", branch: "playground"}, w.first)
		n := w.ask()
		w.push(change{by: "alice", branch: "other", write: map[string]string{"other.md": "other\n"}})
		elsewhere := w.open("alice", Pull{Title: "Elsewhere", Head: "other", Base: "playground"})
		list := func() (out []int) {
			w.t.Helper()
			pulls, err := c.OpenPulls(w.t.Context())
			w.must(err)
			for _, p := range pulls {
				if p.State != "open" || !p.MergedAt.IsZero() || p.MergeCommit != "" {
					w.t.Errorf("listed as open: %+v", p)
				}
				out = append(out, p.Number)
			}
			return out
		}
		if got := list(); !slices.Equal(got, []int{n}) {
			w.t.Errorf("open: %v, want %d", got, n)
		}
		w.Retarget("alice", elsewhere, Branch)
		w.Tick()
		if got := list(); !slices.Equal(got, []int{n, elsewhere}) {
			w.t.Errorf("after one was retargeted: %v", got)
		}
		w.Close("alice", n)
		w.Tick()
		if got := list(); !slices.Equal(got, []int{elsewhere}) {
			w.t.Errorf("after one was closed: %v", got)
		}
		p, err := c.Pull(w.t.Context(), n)
		w.must(err)
		if p.State != "closed" || !p.Author.Same(w.Person("alice")) || p.Commits != 1 || p.HeadSHA != w.tip("alice", "ask") || p.HeadRepoID != p.BaseRepoID || p.Title == "" || p.URL == "" || p.CreatedAt.IsZero() {
			w.t.Errorf("pull request: %+v", p)
		}
		if _, err := c.Pull(w.t.Context(), 99_999); !errors.Is(err, forge.ErrNotFound) {
			w.t.Errorf("one that is not there: %v", err)
		}
	}},
	{"an open pull request follows its head", func(w *world) {
		c := w.Client()
		n := w.ask()
		before, err := c.Pull(w.t.Context(), n)
		w.must(err)
		head := w.push(change{by: "bob", branch: "ask", write: map[string]string{file: request("second")}})
		after, err := c.Pull(w.t.Context(), n)
		w.must(err)
		if after.HeadSHA != head || after.Commits != 2 || !after.UpdatedAt.After(before.UpdatedAt) {
			w.t.Errorf("after a push %+v, before it %+v", after, before)
		}
		pushes, err := forge.HeadPushes(w.t.Context(), c, after)
		w.must(err)
		var who []string
		for _, p := range pushes {
			who = append(who, p.Actor.Login+" "+p.Kind)
		}
		if want := []string{w.Person("alice").Login + " " + forge.PushCreate, w.Person("bob").Login + " " + forge.PushPush}; !slices.Equal(who, want) {
			w.t.Errorf("pushes: %q, want %q", who, want)
		}
	}},
	{"the files of a pull request", func(w *world) {
		c := w.Client()
		w.push(change{by: "dave", branch: Branch, write: map[string]string{
			"gone.yaml": "kind: Nothing\nname: what is gone has little in common\n", "edited.yaml": request("edited"), "old name.yaml": request("moved"),
		}})
		w.push(change{by: "alice", branch: "ask", write: map[string]string{
			"gone.yaml": "", "edited.yaml": request("edited twice"), "old name.yaml": "", "new/näme #1.yaml": request("moved"), file: request("first"),
		}})
		n := w.open("alice", Pull{Title: "Everything", Head: "ask"})
		w.push(change{by: "dave", branch: Branch, write: map[string]string{"meanwhile.md": "not of the pull request\n"}})
		files, err := c.Changed(w.t.Context(), n)
		w.must(err)
		head := w.tip("alice", "ask")
		blob := func(path string) string { return w.git("rev-parse", head+":"+path) }
		want := map[string]forge.FileChange{
			"gone.yaml":        {Path: "gone.yaml", Kind: forge.FileRemoved},
			"edited.yaml":      {Path: "edited.yaml", Kind: forge.FileModified, Blob: blob("edited.yaml")},
			"new/näme #1.yaml": {Path: "new/näme #1.yaml", OldPath: "old name.yaml", Kind: forge.FileRenamed, Blob: blob("new/näme #1.yaml")},
			file:               {Path: file, Kind: forge.FileAdded, Blob: blob(file)},
		}
		for _, f := range files {
			if want[f.Path] != f {
				w.t.Errorf("got %+v, want %+v", f, want[f.Path])
			}
			delete(want, f.Path)
		}
		if len(want) > 0 {
			w.t.Errorf("missing: %+v", want)
		}
	}},
	{"the bytes of a file", func(w *world) {
		c := w.Client()
		text := strings.Repeat(request("first"), 50)
		w.push(change{by: "dave", branch: Branch, write: map[string]string{file: text}})
		head := w.tip("alice", Branch)
		blob := w.git("rev-parse", head+":"+file)
		if got, err := c.BlobAt(w.t.Context(), head, file); err != nil || got != blob {
			w.t.Errorf("blob %s, %v; want %s", got, err, blob)
		}
		for _, path := range []string{"requests", "requests/none.yaml", "requests/../" + file, ""} {
			if got, err := c.BlobAt(w.t.Context(), head, path); !errors.Is(err, forge.ErrNotFound) {
				w.t.Errorf("blob of %q: %s, %v", path, got, err)
			}
		}
		if got, err := c.ReadBlob(w.t.Context(), blob, int64(len(text))); err != nil || string(got) != text {
			w.t.Errorf("%d bytes, %v; want %d", len(got), err, len(text))
		}
		if _, err := c.ReadBlob(w.t.Context(), blob, int64(len(text))-1); !errors.Is(err, forge.ErrTooMany) {
			w.t.Errorf("one byte more than allowed: %v", err)
		}
		if _, err := c.ReadBlob(w.t.Context(), strings.Repeat("1", 40), 1000); !errors.Is(err, forge.ErrNotFound) {
			w.t.Errorf("one that is not there: %v", err)
		}
	}},
	{"the status of a commit", func(w *world) {
		c := w.Client()
		w.ask()
		head := w.tip("alice", "ask")
		s := forge.Status{State: forge.StatusPending, Description: "1 approval of leads is missing", URL: "https://tenure.example.com/pull/1"}
		for range 2 {
			w.must(c.SetStatus(w.t.Context(), head, s))
		}
		if got, n := w.Status(head); got != s || n != 1 {
			w.t.Errorf("status %+v, set %d times; want %+v, once", got, n, s)
		}
		s.State, s.Description = forge.StatusSuccess, "approved"
		w.must(c.SetStatus(w.t.Context(), head, s))
		if got, n := w.Status(head); got != s || n != 2 {
			w.t.Errorf("status %+v, set %d times; want %+v, twice", got, n, s)
		}
	}},
	{"a comment is kept as it should be", func(w *world) {
		c := w.Client()
		n := w.ask()
		put := func(body string) {
			w.t.Helper()
			w.must(c.PutComment(w.t.Context(), n, "plan", body))
			got := w.Comments(n)
			if len(got) != 1 || !strings.Contains(got[0], body) {
				w.t.Fatalf("comments %q, want one with %q", got, body)
			}
		}
		put("alice would get orders_rw for 4h.")
		put("alice would get orders_rw for 4h.")
		put("alice would get nothing.")
		w.Overwrite(n, "<!-- tenure:plan -->\nalice would get everything.")
		put("alice would get nothing.")
		w.must(c.PutComment(w.t.Context(), n, "other", "Another one."))
		if got := w.Comments(n); len(got) != 2 {
			w.t.Errorf("comments: %q", got)
		}
	}},
	{"the reconciler finds what it needs", func(w *world) {
		for _, err := range w.Client().Check(w.t.Context()) {
			w.t.Error(err)
		}
	}},
}
