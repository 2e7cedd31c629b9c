package gitea_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
)

// rows lists who the target lists, as "group,account".
func (w *world) rows() []string {
	w.t.Helper()
	text, err := os.ReadFile(w.file("targets/bastion"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	w.must(err)
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line != "group,account" {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) lists(rows ...string) bool {
	w.t.Helper()
	return slices.Equal(w.rows(), rows)
}

// denied fails the test unless the request at a path was judged and not granted,
// nobody ever held anything by it, and the explanation says why.
func (w *world) denied(path, why string) {
	w.t.Helper()
	var row ledger.Request
	var rec policy.Record
	w.passUntil("a judgement on "+path, func() bool {
		found := w.requests(path)
		if len(found) == 0 {
			return false
		}
		row, rec = found[0], policy.Record{}
		w.must(json.Unmarshal(row.Body, &rec))
		return !slices.ContainsFunc(rec.Versions, func(v policy.Version) bool { return v.Verdict == nil && !v.Broken })
	})
	if row.Decision.Granted || len(w.rows()) != 0 {
		w.t.Fatalf("%s is granted: %+v; the target lists %q", path, row.Decision, w.rows())
	}
	for _, e := range w.events(ledger.EventGrantIntended, ledger.EventGranted) {
		if e.Request == row.ID {
			w.t.Fatalf("%s was granted: %+v", path, e)
		}
	}
	var said []string
	for _, v := range rec.Versions {
		if v.Verdict == nil {
			said = append(said, v.Problem)
			continue
		}
		for _, c := range v.Verdict.Checks {
			if !c.OK {
				said = append(said, c.Rule+": "+c.Detail)
			}
		}
	}
	if all := strings.Join(said, "\n"); !strings.Contains(all, why) {
		w.t.Errorf("the explanation of %s does not say %q:\n%s", path, why, all)
	}
}

func (w *world) events(kinds ...string) []ledger.Event {
	w.t.Helper()
	ctx, cancel := w.ctx()
	defer cancel()
	out, err := w.d.Ledger.Events(ctx, ledger.Filter{Kinds: kinds})
	w.must(err)
	return out
}

// said returns the reconciler's comment on a pull request; empty: it said nothing.
func (w *world) said(pull int) string {
	w.t.Helper()
	var list []struct {
		Body string `json:"body"`
		User struct {
			Login string `json:"login"`
		} `json:"user"`
	}
	w.s.Admin(w.t, "GET", w.path("/issues/%d/comments", pull), nil, &list)
	var own []string
	for _, c := range list {
		if c.User.Login == bot {
			own = append(own, c.Body)
		}
	}
	if len(own) > 1 {
		w.t.Errorf("pull request %d has %d comments of the reconciler's", pull, len(own))
	}
	return strings.Join(own, "\n")
}

// mustSay fails the test unless the comment has all of these words.
func (w *world) mustSay(pull int, words ...string) {
	w.t.Helper()
	text := w.said(pull)
	for _, s := range words {
		if !strings.Contains(text, s) {
			w.t.Errorf("the comment on pull request %d does not say %q:\n%s", pull, s, text)
		}
	}
}

type pullRequest struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	State string `json:"state"`
	Head  struct {
		SHA string `json:"sha"`
	} `json:"head"`
	Merged   bool `json:"merged"`
	MergedBy struct {
		Login string `json:"login"`
	} `json:"merged_by"`
}

func (w *world) pull(n int) pullRequest {
	w.t.Helper()
	var p pullRequest
	w.s.Admin(w.t, "GET", w.path("/pulls/%d", n), nil, &p)
	return p
}

// status returns how Gitea sums up the statuses of a pull request's head, and the
// description of the reconciler's.
func (w *world) status(n int) (state, description string) {
	w.t.Helper()
	var all struct {
		State    string `json:"state"`
		Statuses []struct {
			Context     string `json:"context"`
			Description string `json:"description"`
		} `json:"statuses"`
	}
	w.s.Admin(w.t, "GET", w.path("/commits/%s/status", w.pull(n).Head.SHA), nil, &all)
	for _, s := range all.Statuses {
		if s.Context == forge.StatusContext {
			return all.State, s.Description
		}
	}
	return "", ""
}

// page returns the HTML of a pull request as people who are not signed in see it.
func (w *world) page(n int) string {
	w.t.Helper()
	var p struct {
		URL string `json:"html_url"`
	}
	w.s.Admin(w.t, "GET", w.path("/pulls/%d", n), nil, &p)
	resp, err := http.Get(p.URL)
	w.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	w.must(err)
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("GET %s: HTTP %d: %s", p.URL, resp.StatusCode, text)
	}
	return string(text)
}

// requests returns what the ledger has at a path.
func (w *world) requests(path string) []ledger.Request {
	w.t.Helper()
	ctx, cancel := w.ctx()
	defer cancel()
	out, err := w.d.Ledger.RequestByPath(ctx, path)
	w.must(err)
	return out
}

// end is when the only hold ends.
func (w *world) end() time.Time {
	w.t.Helper()
	ctx, cancel := w.ctx()
	defer cancel()
	holds, err := w.d.Ledger.Holds(ctx, "bastion")
	w.must(err)
	if len(holds) != 1 {
		w.t.Fatalf("holds: %+v", holds)
	}
	return holds[0].Until
}

// content is a file of a branch.
func (w *world) content(branch, path string) string {
	w.t.Helper()
	var file struct {
		Content []byte `json:"content"` // base64
	}
	w.s.Admin(w.t, "GET", w.path("/contents/%s?ref=%s", path, branch), nil, &file)
	return string(file.Content)
}
