package stage

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
)

// TargetFile returns what a file target's system reads; empty: no file yet.
func (s *Stage) TargetFile(target string) string {
	s.T.Helper()
	text, err := os.ReadFile(s.file("targets/" + target))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	s.must(err)
	return string(text)
}

// Rows lists who a file target lists, as "group,account", sorted.
func (s *Stage) Rows(target string) []string {
	s.T.Helper()
	var out []string
	for line := range strings.Lines(s.TargetFile(target)) {
		if line = strings.TrimSpace(line); line != "" && line != "group,account" {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

// Place writes rows to a target's file by another hand than the reconciler's.
func (s *Stage) Place(target string, rows ...string) {
	s.T.Helper()
	s.must(os.WriteFile(s.file("targets/"+target), []byte(strings.Join(append([]string{"group,account"}, rows...), "\n")+"\n"), 0o640))
}

// Lists fails the test unless a target lists exactly these rows.
func (s *Stage) Lists(target string, rows ...string) {
	s.T.Helper()
	slices.Sort(rows)
	if got := s.Rows(target); !slices.Equal(got, rows) {
		s.T.Fatalf("at %s %s lists %q, want %q", s.Now().Format(time.DateTime), target, got, rows)
	}
}

// Result is what the last look at the branch found; it must have succeeded.
func (s *Stage) Result() intake.Result {
	s.T.Helper()
	r := s.Daemon.Status()
	if r == nil {
		s.T.Fatal("the reconciler has not looked at the branch yet")
	}
	return *r
}

// Expect fails the test unless a target lists exactly these rows, and the ledger
// holds exactly the same.
func (s *Stage) Expect(target string, rows ...string) {
	s.T.Helper()
	s.Lists(target, rows...)
	slices.Sort(rows)
	var held []string
	for _, h := range s.Holds(target) {
		held = append(held, strings.TrimPrefix(h.Entitlement, "group=")+","+h.Account)
	}
	slices.Sort(held)
	if !slices.Equal(held, rows) {
		s.T.Fatalf("at %s the ledger holds %q on %s, want %q", s.Now().Format(time.DateTime), held, target, rows)
	}
}

// Holds returns what the ledger holds on a target; empty: on all.
func (s *Stage) Holds(target string) []grants.Hold {
	s.T.Helper()
	ctx, cancel := s.ctx()
	defer cancel()
	out, err := s.Daemon.Ledger.Holds(ctx, target)
	s.must(err)
	return out
}

// Events returns the ledger's events of the kinds; none given: all.
func (s *Stage) Events(kinds ...string) []ledger.Event {
	s.T.Helper()
	ctx, cancel := s.ctx()
	defer cancel()
	out, err := s.Daemon.Ledger.Events(ctx, ledger.Filter{Kinds: kinds})
	s.must(err)
	return out
}

// Row returns the newest request of a path; ok is false when the ledger has none.
func (s *Stage) Row(path string) (r ledger.Request, ok bool) {
	s.T.Helper()
	ctx, cancel := s.ctx()
	defer cancel()
	rows, err := s.Daemon.Ledger.RequestByPath(ctx, path)
	s.must(err)
	if len(rows) == 0 {
		return r, false
	}
	return rows[0], true
}

// Explanation is what the ledger says about a request file: what the command
// explain prints.
type Explanation struct {
	Request ledger.Request
	Record  policy.Record
	Checks  []grants.Check // of the decision and of every version
	Waiting []string       // why versions are not judged yet
}

// Explain reads the explanation of a path.
func (s *Stage) Explain(path string) Explanation {
	s.T.Helper()
	row, ok := s.Row(path)
	if !ok {
		s.T.Fatalf("the ledger has not seen %s", path)
	}
	e := Explanation{Request: row, Checks: slices.Clone(row.Decision.Checks)}
	s.must(json.Unmarshal(row.Body, &e.Record))
	for _, v := range e.Record.Versions {
		if v.Verdict != nil {
			e.Checks = append(e.Checks, v.Verdict.Checks...)
		} else if v.Problem != "" && !v.Broken {
			e.Waiting = append(e.Waiting, v.Problem)
		}
	}
	return e
}

// Failed returns the details of the checks that are not OK, and why versions wait,
// one a line.
func (e Explanation) Failed() string {
	var out []string
	for _, c := range e.Checks {
		if !c.OK {
			out = append(out, c.Rule+": "+c.Detail)
		}
	}
	slices.Sort(out)
	return strings.Join(append(slices.Compact(out), e.Waiting...), "\n")
}

// Denied fails the test unless the request at a path is not granted, nothing was
// ever granted to anybody because of it, and its explanation says why: a failed
// check with this text.
func (s *Stage) Denied(path, why string) {
	s.T.Helper()
	e := s.Explain(path)
	if e.Request.Decision.Granted {
		s.T.Fatalf("%s is granted: %+v", path, e.Request.Decision)
	}
	for _, ev := range s.Events(ledger.EventGrantIntended, ledger.EventGranted, ledger.EventRenewed) {
		if ev.Request == e.Request.ID {
			s.T.Fatalf("%s was granted: %+v", path, ev)
		}
	}
	s.Says(path, why)
}

// Says fails the test unless the explanation of a path has a failed check with
// this text.
func (s *Stage) Says(path, why string) {
	s.T.Helper()
	if got := s.Explain(path).Failed(); !strings.Contains(got, why) {
		s.T.Fatalf("the explanation of %s does not say %q; it says:\n%s", path, why, got)
	}
}

// Granted fails the test unless the request at a path is granted, and returns its
// decision.
func (s *Stage) Granted(path string) grants.Decision {
	s.T.Helper()
	e := s.Explain(path)
	if !e.Request.Decision.Granted {
		s.T.Fatalf("%s is not granted:\n%s", path, e.Failed())
	}
	return e.Request.Decision
}
