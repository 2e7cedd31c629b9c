package forgetest

import (
	"errors"
	"slices"

	"github.com/tenure-dev/tenure/internal/forge"
)

// reverts are the reconciler's own pull requests.
var reverts = []scenario{
	{"a revert is opened, found and opened again", func(w *world) {
		c, r := w.Client(), w.expired("one.yaml", "two.yaml")
		if found, err := c.Find(w.t.Context(), r.Key); err != nil || len(found) != 0 {
			w.t.Fatalf("found before it was opened: %+v, %v", found, err)
		}
		o := w.openRevert(c, r)
		if o.State != "open" || o.Key != r.Key || !slices.Equal(o.Paths, []string{"requests/one.yaml", "requests/two.yaml"}) || o.URL == "" {
			w.t.Errorf("opened: %+v", o)
		}
		again := w.openRevert(c, r)
		found, err := c.Find(w.t.Context(), r.Key)
		w.must(err)
		if again.Number != o.Number || again.HeadSHA != o.HeadSHA || len(found) != 1 || found[0].Number != o.Number || found[0].HeadSHA != o.HeadSHA {
			w.t.Errorf("opened again %+v, found %+v; want %+v", again, found, o)
		}
		files, err := c.Changed(w.t.Context(), o.Number)
		w.must(err)
		if !slices.Equal(paths(files), o.Paths) || files[0].Kind != forge.FileRemoved || files[0].Blob != "" {
			w.t.Errorf("it changes %+v", files)
		}
	}},
	{"a revert is updated", func(w *world) {
		c, r := w.Client(), w.expired("one.yaml", "two.yaml")
		delete(r.Remove, "requests/two.yaml")
		o := w.openRevert(c, r)
		all := w.expired("one.yaml", "two.yaml")
		all.Title = "Remove two expired requests"
		u := w.openRevert(c, all)
		if u.Number != o.Number || u.HeadSHA == o.HeadSHA || len(u.Paths) != 2 {
			w.t.Errorf("updated: %+v, was %+v", u, o)
		}
		if p, err := c.Pull(w.t.Context(), u.Number); err != nil || p.Title != all.Title || p.Commits != 1 || p.HeadSHA != u.HeadSHA {
			w.t.Errorf("pull request: %+v, %v", p, err)
		}
	}},
	{"a revert leaves out what has other bytes, and is not opened for nothing", func(w *world) {
		c, r := w.Client(), w.expired("one.yaml", "two.yaml")
		w.push(change{by: "bob", branch: Branch, write: map[string]string{"requests/one.yaml": "extended\n"}})
		if o := w.openRevert(c, r); !slices.Equal(o.Paths, []string{"requests/two.yaml"}) {
			w.t.Errorf("opened: %+v", o)
		}
		r.Key, r.Remove = "another", map[string]string{"requests/one.yaml": r.Remove["requests/one.yaml"], "requests/none.yaml": r.Remove["requests/one.yaml"]}
		if _, err := c.Open(w.t.Context(), r); !errors.Is(err, forge.ErrNothingToDo) {
			w.t.Errorf("for nothing: %v", err)
		}
	}},
	{"a revert is closed with a comment, once", func(w *world) {
		c := w.Client()
		o := w.openRevert(c, w.expired("one.yaml"))
		for range 2 {
			w.must(c.Close(w.t.Context(), o.Number, "The request was extended."))
			w.Tick()
		}
		found, err := c.Find(w.t.Context(), o.Key)
		w.must(err)
		if len(found) != 1 || found[0].State != "closed" {
			w.t.Errorf("found %+v", found)
		}
		if got := w.Comments(o.Number); !slices.Equal(got, []string{"The request was extended."}) {
			w.t.Errorf("comments: %q", got)
		}
		if _, err := w.tryGit("fetch", "-q", w.Remote(w.Repo(), "bob"), "refs/heads/tenure/revert/"+o.Key); err == nil {
			w.t.Error("its branch is still there")
		}
		if n := w.openRevert(c, w.expired("one.yaml")).Number; n == o.Number {
			w.t.Errorf("the closed one was opened again")
		}
	}},
	{"a revert is merged with its hash, once", func(w *world) {
		c := w.Client()
		o := w.openRevert(c, w.expired("one.yaml", "two.yaml"))
		for range 2 {
			w.must(c.Merge(w.t.Context(), o.Number, o.HeadSHA, o.Paths))
			w.Tick()
		}
		w.tip("bob", Branch)
		if out := w.git("ls-tree", "-r", "--name-only", "FETCH_HEAD", "requests"); out != "" {
			w.t.Errorf("still there: %s", out)
		}
		if found, err := c.Find(w.t.Context(), o.Key); err != nil || len(found) != 1 || found[0].State != "merged" {
			w.t.Errorf("found %+v, %v", found, err)
		}
	}},
	{"a revert with another hash, other paths or another's commit is not merged", func(w *world) {
		c := w.Client()
		o := w.openRevert(c, w.expired("one.yaml"))
		refuse := func(what, sha string, paths []string) {
			w.t.Helper()
			if err := c.Merge(w.t.Context(), o.Number, sha, paths); !errors.Is(err, forge.ErrChanged) {
				w.t.Errorf("%s: %v", what, err)
			}
		}
		refuse("another hash", w.first, o.Paths)
		refuse("other paths", o.HeadSHA, []string{"requests/two.yaml"})
		branch := "tenure/revert/" + o.Key
		mine := w.push(change{by: "alice", branch: branch, write: map[string]string{file: request("slipped in")}})
		refuse("its old hash after a push of somebody else", o.HeadSHA, o.Paths)
		refuse("somebody else's hash", mine, append(o.Paths, file))
		w.move(change{by: "alice", branch: branch, force: true}, o.HeadSHA)
		refuse("its own hash, which somebody else put back", o.HeadSHA, o.Paths)
		if _, err := c.Open(w.t.Context(), w.expired("one.yaml")); !errors.Is(err, forge.ErrChanged) {
			w.t.Errorf("opened over somebody else's commit: %v", err)
		}
	}},
	{"what somebody else opened is not closed, merged or found", func(w *world) {
		c, r := w.Client(), w.expired("one.yaml")
		w.push(change{by: "alice", branch: "tenure/revert/" + r.Key, write: map[string]string{"requests/one.yaml": ""}})
		n := w.open("alice", Pull{Title: r.Title, Head: "tenure/revert/" + r.Key})
		head := w.tip("alice", "tenure/revert/"+r.Key)
		if err := c.Merge(w.t.Context(), n, head, []string{"requests/one.yaml"}); !errors.Is(err, forge.ErrChanged) {
			w.t.Errorf("merge: %v", err)
		}
		if err := c.Close(w.t.Context(), n, "no"); !errors.Is(err, forge.ErrChanged) {
			w.t.Errorf("close: %v", err)
		}
		if found, err := c.Find(w.t.Context(), r.Key); err != nil || len(found) != 0 {
			w.t.Errorf("found %+v, %v", found, err)
		}
	}},
}

// expired puts files below requests/ on the branch, where they are not there yet,
// and asks for their removal.
func (w *world) expired(names ...string) forge.RevertRequest {
	w.t.Helper()
	r := forge.RevertRequest{Key: "3f2a-orders", Title: "Remove expired requests", Body: "They have ended.", Base: Branch, Remove: map[string]string{}}
	write := map[string]string{}
	at := w.tip("bob", Branch)
	for _, name := range names {
		if _, err := w.tryGit("cat-file", "-e", at+":requests/"+name); err != nil {
			write["requests/"+name] = request(name)
		}
	}
	if len(write) > 0 {
		at = w.push(change{by: "bob", branch: Branch, write: write})
	}
	for _, name := range names {
		r.Remove["requests/"+name] = w.git("rev-parse", at+":requests/"+name)
	}
	return r
}

func (w *world) openRevert(c forge.Client, r forge.RevertRequest) forge.OpenedPull {
	w.t.Helper()
	o, err := c.Open(w.t.Context(), r)
	w.must(err)
	w.Tick()
	return o
}
