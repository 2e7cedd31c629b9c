package gitlab

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/forge/gitlab/minilab"
)

const ended = "requests/ended.yaml"

// expired puts a file on main and returns the request that removes it.
func (s *stage) expired(g *Client) forge.RevertRequest {
	s.t.Helper()
	commit := s.push("carol", "main", map[string]string{ended: "over\n", "requests/kept.yaml": "kept\n"})
	blob, err := g.BlobAt(s.t.Context(), commit, ended)
	must(s.t, err)
	return forge.RevertRequest{Key: "2026-11-23-a", Title: "Remove what ended", Body: "It ended.", Base: "main", Remove: map[string]string{ended: blob}}
}

func TestARevertFromOpenToMerged(t *testing.T) {
	s := newStage(t)
	g := s.client()
	r := s.expired(g)
	o, err := g.Open(t.Context(), r)
	must(t, err)
	if o.Key != r.Key || o.State != "open" || !slices.Equal(o.Paths, []string{ended}) || o.HeadSHA != s.lab.Head(repo, "tenure/revert/"+r.Key) {
		t.Fatalf("got %+v", o)
	}
	again, err := g.Open(t.Context(), r)
	must(t, err)
	if again.Number != o.Number || again.HeadSHA != o.HeadSHA {
		t.Errorf("again: %+v", again)
	}
	r.Body = "It ended, and so did another."
	if o, err = g.Open(t.Context(), r); err != nil || o.Number != again.Number {
		t.Errorf("edited: %+v, %v", o, err)
	}
	must(t, g.Merge(t.Context(), o.Number, o.HeadSHA, []string{ended}))
	if _, err := g.BlobAt(t.Context(), s.lab.Head(repo, "main"), ended); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("it is still on main: %v", err)
	}
	if _, err := g.BlobAt(t.Context(), s.lab.Head(repo, "main"), "requests/kept.yaml"); err != nil {
		t.Errorf("another file is gone: %v", err)
	}
	if s.lab.Head(repo, "tenure/revert/"+r.Key) != "" {
		t.Error("its branch is still there")
	}
	must(t, g.Merge(t.Context(), o.Number, o.HeadSHA, []string{ended}))
	found, err := g.Find(t.Context(), r.Key)
	if err != nil || len(found) != 1 || found[0].State != "merged" || !slices.Equal(found[0].Paths, []string{ended}) {
		t.Errorf("found %+v, %v", found, err)
	}
	if _, err := g.Open(t.Context(), r); !errors.Is(err, forge.ErrNothingToDo) {
		t.Errorf("with nothing left: %v", err)
	}
}

func TestARevertFollowsItsBranch(t *testing.T) {
	s := newStage(t)
	g := s.client()
	r := s.expired(g)
	o, err := g.Open(t.Context(), r)
	must(t, err)
	commit := s.push("carol", "main", map[string]string{"requests/ended-2.yaml": "over, too\n"})
	blob, err := g.BlobAt(t.Context(), commit, "requests/ended-2.yaml")
	must(t, err)
	r.Remove["requests/ended-2.yaml"] = blob
	now, err := g.Open(t.Context(), r)
	must(t, err)
	if now.Number != o.Number || now.HeadSHA == o.HeadSHA || !slices.Equal(now.Paths, []string{"requests/ended-2.yaml", ended}) {
		t.Errorf("got %+v", now)
	}
}

func TestARevertThatIsClosed(t *testing.T) {
	s := newStage(t)
	g := s.client()
	r := s.expired(g)
	o, err := g.Open(t.Context(), r)
	must(t, err)
	must(t, g.Close(t.Context(), o.Number, "It was extended."))
	must(t, g.Close(t.Context(), o.Number, "It was extended."))
	if got := s.lab.Comments(repo, o.Number); !slices.Equal(got, []string{"It was extended."}) {
		t.Errorf("comments %q", got)
	}
	if s.lab.Head(repo, "tenure/revert/"+r.Key) != "" {
		t.Error("its branch is still there")
	}
	if found, err := g.Find(t.Context(), r.Key); err != nil || len(found) != 1 || found[0].State != "closed" {
		t.Errorf("found %+v, %v", found, err)
	}
	if next, err := g.Open(t.Context(), r); err != nil || next.Number == o.Number {
		t.Errorf("opened anew: %+v, %v", next, err)
	}
}

func TestWhatIsNotMerged(t *testing.T) {
	tests := map[string]struct {
		change func(s *stage, o forge.OpenedPull)
		paths  []string
		want   error
	}{
		"somebody pushed to it": {
			change: func(s *stage, o forge.OpenedPull) {
				s.push("dave", "tenure/revert/"+o.Key, map[string]string{file: "x\n"})
			}, want: forge.ErrChanged,
		},
		"it removes something else": {paths: []string{file}, want: forge.ErrChanged},
		"it was closed": {
			change: func(s *stage, o forge.OpenedPull) { must(s.t, s.lab.Close(repo, o.Number, "dave")) }, want: forge.ErrChanged,
		},
		"somebody pushed and put it back": {
			change: func(s *stage, o forge.OpenedPull) {
				s.push("dave", "tenure/revert/"+o.Key, map[string]string{file: "x\n"})
				must(s.t, s.lab.Move(repo, "dave", map[string]string{"tenure/revert/" + o.Key: o.HeadSHA}))
			}, want: forge.ErrChanged,
		},
		"it aims at another branch, where more differs": {
			change: func(s *stage, o forge.OpenedPull) {
				_, err := s.lab.Push(repo, "dave", minilab.Change{Branch: "other", From: s.lab.Head(repo, "main") + "^", Write: map[string]string{"x": "y"}})
				must(s.t, err)
				must(s.t, s.lab.Retarget(repo, o.Number, "dave", "other"))
			}, want: forge.ErrChanged,
		},
		"GitLab will not": {change: func(s *stage, o forge.OpenedPull) {
			s.instead("/merge", http.StatusMethodNotAllowed, `{"message": "405 Method Not Allowed"}`)
		}, want: forge.ErrUnavailable},
		"GitLab says that the head moved": {change: func(s *stage, o forge.OpenedPull) {
			s.instead("/merge", http.StatusConflict, `{"message": "SHA does not match HEAD of source branch"}`)
		}, want: forge.ErrChanged},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			g := s.client()
			o, err := g.Open(t.Context(), s.expired(g))
			must(t, err)
			if tt.change != nil {
				tt.change(s, o)
			}
			if tt.paths == nil {
				tt.paths = []string{ended}
			}
			main := s.lab.Head(repo, "main")
			if err := g.Merge(t.Context(), o.Number, o.HeadSHA, tt.paths); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if s.lab.Head(repo, "main") != main {
				t.Error("main has moved")
			}
		})
	}
}

func TestOnlyItsOwnMergeRequestsAreTouched(t *testing.T) {
	s := newStage(t)
	g := s.client()
	r := s.expired(g)
	_, err := s.lab.Push(repo, "dave", minilab.Change{Branch: "tenure/revert/" + r.Key, Remove: []string{ended}})
	must(t, err)
	n := s.open("dave", "tenure/revert/"+r.Key)
	if found, err := g.Find(t.Context(), r.Key); err != nil || len(found) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
	if err := g.Close(t.Context(), n, "no"); !errors.Is(err, forge.ErrChanged) {
		t.Errorf("close: %v", err)
	}
	if err := g.Merge(t.Context(), n, s.lab.Head(repo, "tenure/revert/"+r.Key), []string{ended}); !errors.Is(err, forge.ErrChanged) {
		t.Errorf("merge: %v", err)
	}
	if _, err := g.Open(t.Context(), r); !errors.Is(err, forge.ErrChanged) {
		t.Errorf("open over somebody's branch: %v", err)
	}
	if _, err := g.Open(t.Context(), forge.RevertRequest{Key: "../main", Base: "main"}); err == nil || strings.Contains(err.Error(), "branch") {
		t.Errorf("a key that leaves the prefix: %v", err)
	}
}

// The push record is written in the background; without it nobody knows whose the
// head is.
func TestAHeadThatTheRecordDoesNotShowYetIsLeftAlone(t *testing.T) {
	s := newStage(t)
	g := s.client()
	o, err := g.Open(t.Context(), s.expired(g))
	must(t, err)
	s.lab.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/events") {
			return false
		}
		_, _ = w.Write([]byte("[]"))
		return true
	})
	if err := s.client().Merge(t.Context(), o.Number, o.HeadSHA, []string{ended}); !errors.Is(err, forge.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestARevertOfSeveralCommitsIsNotMerged(t *testing.T) {
	s := newStage(t)
	g := s.client()
	o, err := g.Open(t.Context(), s.expired(g))
	must(t, err)
	branch := "tenure/revert/" + o.Key
	s.push(s.bot.Login, branch, map[string]string{"x": "y"})
	head, err := s.lab.Push(repo, s.bot.Login, minilab.Change{Branch: branch, Remove: []string{"x"}})
	must(t, err)
	if err := g.Merge(t.Context(), o.Number, head, []string{ended}); !errors.Is(err, forge.ErrChanged) {
		t.Errorf("got %v", err)
	}
}

// unfiltered makes the server answer with more than it was asked for.
type unfiltered struct{ next http.RoundTripper }

func (u unfiltered) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	q.Del("author_id")
	q.Del("source_branch")
	r = r.Clone(r.Context())
	r.URL.RawQuery = q.Encode()
	return u.next.RoundTrip(r)
}

func TestWhatTheServerListsTooManyIsNotFound(t *testing.T) {
	s := newStage(t)
	g := s.client(func(c *Config) { c.HTTPTransport = unfiltered{s.tr} })
	r := s.expired(g)
	_, err := s.lab.Push(repo, "dave", minilab.Change{Branch: "tenure/revert/" + r.Key, Remove: []string{ended}})
	must(t, err)
	s.open("dave", "tenure/revert/"+r.Key)
	s.ask("ask", file)
	if found, err := g.Find(t.Context(), r.Key); err != nil || len(found) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
}
