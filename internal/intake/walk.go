package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/source"
	"github.com/tenure-dev/tenure/schema"
)

// step is what one commit changed. Commits that leave the tree broken are folded
// into the first one after them that does not.
type step struct {
	commit  string
	changes map[string]change // by path
}

type change struct {
	commit string        // the last commit that touched the path
	entry  *source.Entry // nil: deleted
	old    *source.Entry // what stood there before that commit; nil: nothing
}

// walk moves v from its head to head, commit by commit on the first-parent
// history. It stops before commits that leave a broken tree with nothing good
// after them.
func (in *Intake) walk(v *view, head string, confirmed words, b *ledger.IntakeBatch) error {
	from := v.head
	if from == "" {
		if err := in.start(v, b); err != nil {
			return err
		}
		from = in.cfg.TrustFrom
	}
	if from == head {
		return nil
	}
	commits, err := in.cfg.Source.FirstParents(from, head)
	if err != nil {
		return err
	}
	held := step{changes: map[string]change{}}
	var broken []string // commits of held that leave a broken tree
	why := ""           // the last of them does
	for _, commit := range commits {
		changes, err := in.cfg.Source.Changes(commit)
		if err != nil {
			return fmt.Errorf("changes of %s: %w", commit, err)
		}
		held.commit = commit
		for _, c := range changes {
			held.changes[c.Path] = change{commit, c.New, c.Old}
		}
		why = in.emptied(v, held)
		if why != "" && !confirmed[ledger.Confirmation{Reason: ledger.Emptied, Commit: commit, Head: v.head}] {
			in.cfg.Log.Error("broken input: the last good state stays; if it is meant, run `reconciler confirm`", "commit", commit, "why", why)
			broken = append(broken, commit)
			continue
		}
		delete(v.broken, "")
		in.apply(v, held, b)
		v.head = commit
		// What is in force at the broken ones is said only now: until a good commit
		// follows, an operator may confirm them.
		if queued := in.queue(v, held, broken, b); why != "" && !queued {
			b.Spent = append(b.Spent, commit)
		}
		broken = nil
		held = step{changes: map[string]change{}}
	}
	if len(broken) > 0 {
		in.fault(v, ledger.NotInForce{Commit: held.commit, Why: fmt.Sprintf("commit %s: %s", held.commit, why), Waits: ledger.Emptied})
	}
	return nil
}

// start takes the configuration of the commit where the chain of trust starts.
// Its requests are known, and prove nothing.
func (in *Intake) start(v *view, b *ledger.IntakeBatch) error {
	entries, err := in.cfg.Source.Files(in.cfg.TrustFrom)
	if err != nil {
		return fmt.Errorf("trust.from: %w", err)
	}
	s := step{commit: in.cfg.TrustFrom, changes: map[string]change{}}
	for _, e := range entries {
		s.changes[e.Path] = change{commit: in.cfg.TrustFrom, entry: &e}
	}
	in.apply(v, s, b)
	in.enforce(v, s.only(in.configured(v, s)))
	for _, rec := range v.records {
		in.refuse(rec, "the file was on the branch before the chain of trust starts (trust.from), which trusts no requests; ask again with a new file")
	}
	v.head = in.cfg.TrustFrom
	b.States = append(b.States, ledger.ConfigState{Commit: in.cfg.TrustFrom, Files: maps.Clone(v.config)})
	return nil
}

// rebase takes in a head that an operator confirmed although it does not descend
// from the accepted one. Its configuration is trusted by that confirmation; its
// new request bytes are not.
func (in *Intake) rebase(v *view, head string, b *ledger.IntakeBatch) error {
	entries, err := in.cfg.Source.Files(head)
	if err != nil {
		return fmt.Errorf("files of the confirmed head: %w", err)
	}
	s := step{commit: head, changes: map[string]change{}}
	present := map[string]bool{}
	for _, e := range entries {
		present[e.Path] = true
		if v.config[e.Path] != e.Blob {
			s.changes[e.Path] = change{commit: head, entry: &e}
		}
	}
	for _, path := range slices.Concat(slices.Collect(maps.Keys(v.config)), v.paths()) {
		if !present[path] {
			s.changes[path] = change{commit: head}
		}
	}
	before := maps.Clone(v.records)
	clear(v.broken)
	in.apply(v, s, b)
	v.queue, v.unsettled = nil, false
	in.enforce(v, s.only(in.configured(v, s)))
	for path, rec := range v.records {
		if rec != before[path] { // a new version; the others keep what they have proven
			in.refuse(rec, "the bytes came with a rewritten branch that an operator confirmed; no pull request proves them")
		}
	}
	v.head = head
	if err := in.readBranch(v); err != nil {
		return err
	}
	in.run = nil // what was in force before a commit may be another state now
	b.States = append(b.States, ledger.ConfigState{Commit: head, Files: maps.Clone(v.config), Replace: true})
	return nil
}

// refuse marks the last version of a record as never to be proven.
func (in *Intake) refuse(rec *policy.Record, why string) {
	rec.Versions[len(rec.Versions)-1].Verdict = refusal(why)
}

func refusal(why string) *policy.Verdict {
	return &policy.Verdict{Final: true, Checks: []grants.Check{{Rule: "introduction", Detail: why}}}
}

// emptied says why a step would leave a broken tree: no person where there were
// some, or no request where there were several. Taking the only request away is
// a plain early return, and requests that have ended are tidied up.
func (in *Intake) emptied(v *view, s step) string {
	people, requests, lost := 0, len(v.records), 0
	before := 0
	for path, blob := range v.config {
		n := countPeople(in.files.get(path, blob))
		before += n
		if _, touched := s.changes[path]; !touched {
			people += n
		}
	}
	for path, c := range s.changes {
		rec, known := v.records[path]
		if c.entry == nil {
			if known {
				requests--
				if !in.over(v, rec) {
					lost++
				}
			}
			continue
		}
		if !schema.IsDocument(path) {
			continue
		}
		f := in.files.entry(*c.entry)
		switch {
		case f.Broken():
			if blob, ok := v.config[path]; ok {
				people += countPeople(in.files.get(path, blob)) // its last good version stays
			}
		case requestOf(f) != nil:
			if !known {
				requests++
			}
		default:
			people += countPeople(f)
		}
	}
	switch {
	case before > 0 && people == 0:
		return "it leaves no person where there were some"
	case lost > 1 && requests == 0:
		return "it leaves no request where there were several"
	}
	return ""
}

// over reports whether a request has ended, so that nothing is lost with its file.
func (in *Intake) over(v *view, rec *policy.Record) bool {
	row, stored := v.rows[rec.ID]
	if !stored {
		return false
	}
	end := row.Decision.Ends()
	return !row.EndedAt.IsZero() || row.Decision.Granted && !end.IsZero() && !in.cfg.Now().Before(end)
}

// paths returns the paths of a step: deletions first, then the rest by name.
func (s step) paths() []string {
	return slices.SortedFunc(maps.Keys(s.changes), func(x, y string) int {
		dx, dy := s.changes[x].entry == nil, s.changes[y].entry == nil
		switch {
		case dx && !dy:
			return -1
		case dy && !dx:
			return 1
		}
		return strings.Compare(x, y)
	})
}

// apply brings the requests of one step into the view. Its configuration has to
// be trusted first.
func (in *Intake) apply(v *view, s step, b *ledger.IntakeBatch) {
	for _, path := range s.paths() {
		c := s.changes[path]
		delete(v.broken, listed(path))
		if c.entry == nil {
			in.drop(v, path, c.commit, b)
			delete(v.branch, path)
			delete(v.files, path)
			continue
		}
		if schema.IsDocument(path) {
			in.take(v, path, c, b)
			in.stand(v, path, *c.entry)
		}
	}
}

// take brings one new or changed file into the view.
func (in *Intake) take(v *view, path string, c change, b *ledger.IntakeBatch) {
	f := in.files.entry(*c.entry)
	intro := forge.Introduction{Path: path, Blob: c.entry.Blob, Commit: c.commit}
	rec := v.records[path]
	switch {
	case f.Broken():
		in.fault(v, ledger.NotInForce{Path: path, Commit: c.commit, Why: firstProblem(f)})
		if rec != nil {
			v.records[path] = withVersion(rec, policy.Version{Introduction: intro, SeenAt: in.cfg.Now(), Broken: true, Problem: firstProblem(f)})
		}
	case requestOf(f) != nil:
		if rec == nil {
			rec = &policy.Record{ID: fmt.Sprintf("%s@%.12s", path, c.commit), Path: path}
			if c.old != nil {
				// Its bytes were not in force, and a pull request shows only what it
				// changes in them: nobody was asked about the rest.
				rec.Versions = []policy.Version{{
					Introduction: forge.Introduction{Path: path, Blob: c.old.Blob}, SeenAt: in.cfg.Now(),
					Broken: true, Problem: "what stood here before was not a valid request",
				}}
			}
		} else if rec.Versions[len(rec.Versions)-1].Blob == intro.Blob {
			return // came and went inside a broken stretch
		}
		v.records[path] = withVersion(rec, policy.Version{Introduction: intro, SeenAt: in.cfg.Now()})
	default:
		in.drop(v, path, c.commit, b)
	}
}

// drop ends the life of a request file, if there is one at the path.
func (in *Intake) drop(v *view, path, commit string, b *ledger.IntakeBatch) {
	rec := v.records[path]
	if rec == nil {
		return
	}
	gone := *rec
	gone.GoneIn, gone.GoneAt = commit, in.cfg.Now()
	delete(v.records, path)
	row, stored := v.rows[rec.ID]
	if !stored {
		return // came and went between two polls: it never held anything
	}
	row.Body, _ = json.Marshal(gone) // records always encode
	b.Requests = append(b.Requests, row)
}

// refuseReturned refuses requests whose introduction was seen to go away before: a
// branch that was moved back and forth again brings the same commits once more.
func (in *Intake) refuseReturned(ctx context.Context, v *view) error {
	for path, rec := range v.records {
		if old := in.view.records[path]; old != nil && old.ID == rec.ID {
			continue
		}
		rows, err := in.cfg.Ledger.RequestByPath(ctx, path)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(rows, func(r ledger.Request) bool { return r.ID == rec.ID }) {
			for i := range rec.Versions { // these are not shared yet
				rec.Versions[i].Verdict = refusal("this file was on the branch by the same commit before, and was taken away; ask again with a new file")
			}
		}
	}
	return nil
}

// passOver marks the versions that a later one of the same look at the branch
// replaced: nobody saw them stand there.
func passOver(before, after *view) {
	for path, rec := range after.records {
		known := 0
		if old := before.records[path]; old != nil && old.ID == rec.ID {
			known = len(old.Versions)
		}
		for i := known; i < len(rec.Versions)-1; i++ {
			rec.Versions[i].Passed = true // these are not shared yet
		}
	}
}

func withVersion(rec *policy.Record, ver policy.Version) *policy.Record {
	c := *rec
	c.Versions = append(slices.Clone(rec.Versions), ver)
	return &c
}

func firstProblem(f *schema.File) string {
	for _, p := range f.Problems {
		if !p.Warning {
			return fmt.Sprintf("line %d, column %d: %s", p.Pos.Line, p.Pos.Column, p.Message)
		}
	}
	return ""
}
