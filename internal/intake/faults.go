package intake

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/schema"
)

// fault notes that a file of the branch is not in force, and why. Since when stays
// for as long as the same commit is the one that brought it.
func (in *Intake) fault(v *view, f ledger.NotInForce) {
	f.Path = listed(f.Path)
	f.Since = in.cfg.Now().UTC().Round(0)
	if known, ok := v.broken[f.Path]; ok && known.Commit == f.Commit {
		f.Since = known.Since
	}
	v.broken[f.Path] = f
}

// listed is the name by which a file is listed as not in force: its path. Git takes
// any bytes for one; what the ledger cannot store, or its index cannot take, is listed
// quoted and cut, with a sum that tells it from others.
func listed(path string) string {
	if utf8.ValidString(path) && len(path) <= schema.MaxPathBytes {
		return path
	}
	const shown = 100
	return fmt.Sprintf("%q (sha256 %.16x)", path[:min(len(path), shown)], sha256.Sum256([]byte(path)))
}

// faults lists the files of the branch that are not in force as they stand.
func (v *view) faults() []ledger.NotInForce {
	out := make([]ledger.NotInForce, 0, len(v.broken))
	for _, path := range slices.Sorted(maps.Keys(v.broken)) {
		out = append(out, v.broken[path])
	}
	return out
}

// problems are the same, for the log.
func (in *Intake) problems() []schema.Problem {
	var out []schema.Problem
	for _, f := range in.view.faults() {
		out = append(out, schema.Problem{Pos: schema.Pos{File: f.Path}, Message: f.Why})
	}
	return out
}

func pullOf(e *forge.Evidence) int {
	if e.Pull == nil {
		return 0
	}
	return e.Pull.Number
}

// words are what operators confirmed and what has not been acted on yet.
type words map[ledger.Confirmation]bool

func (in *Intake) confirmed(ctx context.Context) (words, error) {
	w, err := in.cfg.Ledger.Confirmed(ctx)
	return w, err
}

// of reports whether a commit was confirmed for a reason, at whatever head was
// accepted then: the commit is on the way that was followed since, as no word
// outlives a branch that was rewritten.
func (w words) of(why ledger.Reason, commit string) bool {
	for c := range w {
		if c.Reason == why && c.Commit == commit {
			return true
		}
	}
	return false
}

// spentBy returns the commits of a settled step whose confirmations have served.
func (w words) spentBy(u *unsettled) []string {
	var out []string
	for c := range w {
		if c.Commit == u.step.commit || slices.ContainsFunc(u.paths, func(p string) bool { return u.step.changes[p].commit == c.Commit }) {
			out = append(out, c.Commit)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
