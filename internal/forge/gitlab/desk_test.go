package gitlab

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/forge/gitlab/minilab"
)

func TestOpenMergeRequests(t *testing.T) {
	s := newStage(t)
	first, second := s.ask("one", "requests/1.yaml"), s.ask("two", "requests/2.yaml")
	closed, merged := s.ask("three", "requests/3.yaml"), s.ask("four", "requests/4.yaml")
	must(t, s.lab.Close(repo, closed, "alice"))
	s.merge(merged, "merge")
	s.push("carol", "develop", map[string]string{"x": "y"})
	elsewhere := s.ask("five", "requests/5.yaml")
	must(t, s.lab.Retarget(repo, elsewhere, "alice", "develop"))
	g := s.client()
	list, err := g.OpenPulls(t.Context())
	must(t, err)
	if len(list) != 2 || list[0].Number != first || list[1].Number != second || list[0].State != "open" || !list[0].MergedAt.IsZero() || list[0].MergeCommit != "" {
		t.Fatalf("got %+v", list)
	}
	before := list[0].UpdatedAt
	s.later(time.Minute)
	must(t, s.lab.Comment(repo, first, "bob", "why?"))
	if list, err = g.OpenPulls(t.Context()); err != nil || !list[0].UpdatedAt.After(before) {
		t.Errorf("a comment does not show: %v, %+v", err, list)
	}
	if p := s.pull(g, closed); p.State != "closed" || !p.MergedAt.IsZero() || p.Commits != 1 {
		t.Errorf("closed: %+v", p)
	}
	if _, err := g.Pull(t.Context(), 99); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("no such number: %v", err)
	}
}

func TestWhatAMergeRequestChanges(t *testing.T) {
	s := newStage(t)
	long := strings.Repeat("a line\n", 50)
	s.push("carol", "main", map[string]string{"gone.yaml": "gone\n", "old name.yaml": long, "changed.yaml": "1\n"})
	commit, err := s.lab.Push(repo, "alice", minilab.Change{
		Branch: "ask", Remove: []string{"gone.yaml", "old name.yaml"},
		Write: map[string]string{"requests/new.yaml": "new\n", "requests/näme #1.yaml": long, "changed.yaml": "2\n"},
	})
	must(t, err)
	_, err = s.lab.Push(repo, "alice", minilab.Change{Branch: "ask", Mode: "120000", Write: map[string]string{"link": "requests/new.yaml"}})
	must(t, err)
	n := s.open("alice", "ask")
	g := s.client()
	got, err := g.Changed(t.Context(), n)
	must(t, err)
	want := map[string]string{
		"requests/new.yaml": forge.FileAdded, "gone.yaml": forge.FileRemoved, "requests/näme #1.yaml": forge.FileRenamed,
		"changed.yaml": forge.FileModified, "link": forge.FileOther,
	}
	if len(got) != len(want) {
		t.Errorf("%d files", len(got))
	}
	for _, f := range got {
		if f.Kind != want[f.Path] || (f.Blob == "") != (f.Kind == forge.FileRemoved) || (f.OldPath == "old name.yaml") != (f.Kind == forge.FileRenamed) {
			t.Errorf("got %+v", f)
		}
		if f.Path == "requests/new.yaml" {
			body, err := g.ReadBlob(t.Context(), f.Blob, 4)
			if err != nil || string(body) != "new\n" {
				t.Errorf("blob: %q, %v", body, err)
			}
			if _, err := g.ReadBlob(t.Context(), f.Blob, 3); !errors.Is(err, forge.ErrTooMany) {
				t.Errorf("too large a blob: %v", err)
			}
		}
	}
	if _, err := g.BlobAt(t.Context(), commit, "requests"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := g.BlobAt(t.Context(), commit, "../x"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a way up: %v", err)
	}
}

func TestABlobWithOtherBytes(t *testing.T) {
	s := newStage(t)
	s.instead("/raw", 200, "other")
	if _, err := s.client().ReadBlob(t.Context(), strings.Repeat("a", 40), 100); !errors.Is(err, forge.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// A list that is cut, not yet made or of another head than it seems says nothing.
func TestAChangeThatIsNotListedWhole(t *testing.T) {
	tests := map[string]struct {
		from, to string
		want     error
	}{
		"more than GitLab lists":  {`"changes_count":"2"`, `"changes_count":"3"`, forge.ErrTooMany},
		"more than GitLab counts": {`"changes_count":"2"`, `"changes_count":"1000+"`, forge.ErrTooMany},
		"not compared yet":        {`"changes_count":"2"`, `"changes_count":null`, forge.ErrUnavailable},
		"compared with less":      {`"head_sha":"`, `"head_sha":"0`, forge.ErrUnavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.push("alice", "ask", map[string]string{file: "1\n", "README.md": "2\n"})
			n := s.open("alice", "ask")
			g := s.client(func(c *Config) { c.HTTPTransport = &editing{from: tt.from, to: tt.to, next: s.tr} })
			if got, err := g.Changed(t.Context(), n); !errors.Is(err, tt.want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestAChangeThatMovesWhileItIsRead(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	moved := false
	s.lab.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/diffs") && !moved {
			moved = true
			s.push("alice", "ask", map[string]string{file: "swapped\n"})
		}
		return false
	})
	if got, err := s.client().Changed(t.Context(), n); !errors.Is(err, forge.ErrUnavailable) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTheStatusOfACommit(t *testing.T) {
	s := newStage(t)
	commit := s.push("alice", "ask", map[string]string{file: "1\n"})
	g := s.client()
	set := func(st forge.Status) { t.Helper(); must(t, g.SetStatus(t.Context(), commit, st)) }
	is := func(state, text string, times int) {
		t.Helper()
		if gotState, gotText, _, n := s.lab.Status(repo, commit, "tenure"); gotState != state || gotText != text || n != times {
			t.Errorf("%s %q after %d, want %s %q after %d", gotState, gotText, n, state, text, times)
		}
	}
	set(forge.Status{State: forge.StatusPending, Description: "waits\nfor bob", URL: "https://tenure.example.com/"})
	is("pending", "waits for bob", 1)
	set(forge.Status{State: forge.StatusPending, Description: "waits\nfor bob", URL: "https://tenure.example.com/"})
	is("pending", "waits for bob", 1)
	set(forge.Status{State: forge.StatusPending, Description: "waits for carol"})
	is("pending", "waits for carol", 1)
	set(forge.Status{State: forge.StatusError, Description: strings.Repeat("é", 300)})
	is("failed", strings.Repeat("é", 254)+"…", 2)
	set(forge.Status{State: forge.StatusSuccess, Description: "granted"})
	set(forge.Status{State: forge.StatusSuccess, Description: "granted"})
	is("success", "granted", 3)
	if err := g.SetStatus(t.Context(), strings.Repeat("a", 40), forge.Status{State: forge.StatusSuccess}); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("an unknown commit: %v", err)
	}
	if err := g.SetStatus(t.Context(), "main", forge.Status{State: forge.StatusSuccess}); err == nil {
		t.Error("the name of a branch was taken for a commit")
	}
}

func TestOneCommentWithAKey(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	g := s.client()
	put := func(body string) { t.Helper(); must(t, g.PutComment(t.Context(), n, "outlook", body)) }
	forged := "<!-- tenure:outlook -->\nall is well"
	must(t, s.lab.Comment(repo, n, "dave", forged))
	put("first")
	put("first")
	put("second")
	must(t, s.lab.Comment(repo, n, s.bot.Login, "<!-- tenure:outlook -->\na twin's"))
	put("third")
	must(t, g.PutComment(t.Context(), n, "other", "mine, too"))
	got := s.lab.Comments(repo, n)
	want := []string{forged, "<!-- tenure:outlook -->\nthird", "<!-- tenure:other -->\nmine, too"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := g.PutComment(t.Context(), n, "a b", ""); err == nil {
		t.Error("a key with a space was taken")
	}
}
