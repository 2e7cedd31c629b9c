package intake

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
)

// present is what is told to others; it must be known.
func (w *world) present() Present {
	w.t.Helper()
	p, ok := w.in.Present()
	if !ok {
		w.t.Fatal("nothing is known to be in force")
	}
	return p
}

func TestPresentSaysWhichFilesAreInForce(t *testing.T) {
	w := strictWorld(t, chained)
	w.restart()
	if _, ok := w.in.Present(); ok {
		t.Fatal("something is in force before anybody looked")
	}
	w.pass()
	refused := group("leads", "mallory")
	c := w.commit(with(with(with(with(chained, leads, refused), "people/zoe.yaml", "kind: [Person"), "requests/a.yaml", request("alice", "1h")), "README.md", "Hello"))
	w.brought(leads, c, w.commits[0], 1)
	w.pass()
	p := w.present()
	if p.Head != c || p.Diverged || p.Repo != 7 || p.Trusted == nil || p.Rules == nil || p.Branch == nil {
		t.Errorf("%+v", p)
	}
	if got := p.Branch.Groups["leads"].Members; got[0] != "mallory" {
		t.Errorf("on the branch leads has %v", got)
	}
	if got := p.Trusted.Groups["leads"].Members; got[0] == "mallory" {
		t.Errorf("in force leads has %v", got)
	}
	if len(p.Files) != len(chained)+2 {
		t.Errorf("files: %v", p.Files)
	}
	for path, want := range map[string]Standing{
		leads:               {Blob: blob(refused)},
		"people/zoe.yaml":   {Blob: blob("kind: [Person")},
		"people/alice.yaml": {Blob: blob(chained["people/alice.yaml"]), InForce: true},
	} {
		if got := p.Files[path]; got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
	asked := p.Files["requests/a.yaml"]
	if asked.Blob != blob(request("alice", "1h")) || asked.InForce || asked.Request == nil || asked.Request.Subjects[0] != "alice" || !asked.FirstMerged.IsZero() {
		t.Errorf("%+v", asked)
	}
	if len(p.Held) != 1 || p.Held[0].Granted || p.Held[0].Path != "requests/a.yaml" {
		t.Errorf("held: %+v", p.Held)
	}
	w.commit(chained)
	w.pass()
	if later := w.present(); len(later.Files) != len(chained) || len(later.Held) != 0 || later.Branch != nil {
		t.Errorf("%+v", later)
	}
	if len(p.Files) != len(chained)+2 || len(p.Held) != 1 {
		t.Error("what was handed out has changed")
	}
}

// proves gives a version of a request a verdict, as evidence would.
func (w *world) proves(path string, i int, merged time.Time, proven bool) {
	w.t.Helper()
	next := w.in.view.clone()
	rec := *next.records[path]
	rec.Versions = slices.Clone(rec.Versions)
	rec.Versions[i].Evidence = &forge.Evidence{Pull: &forge.PullRequest{Number: i + 1, MergedAt: merged}}
	rec.Versions[i].Verdict = &policy.Verdict{Proven: proven, Final: true}
	next.records[path] = &rec
	if _, err := w.in.decide(w.t.Context(), next, ledger.IntakeBatch{}); err != nil {
		w.t.Fatal(err)
	}
}

func TestPresentSaysWhereAProvenWindowIsCountedFrom(t *testing.T) {
	w := newWorld(t, base)
	const path = "requests/a.yaml"
	w.commit(with(base, path, request("alice", "1h")))
	w.pass()
	w.proves(path, 0, w.now, true)
	if f := w.present().Files[path]; !f.InForce || !f.FirstMerged.Equal(w.now) {
		t.Errorf("%+v", f)
	}
	w.commit(with(base, path, request("alice", "2h")))
	w.pass()
	w.proves(path, 1, w.now.Add(time.Minute), false)
	f := w.present().Files[path]
	if f.InForce || !f.FirstMerged.Equal(w.now) || f.Request.Duration != 2*time.Hour {
		t.Errorf("an edit that nobody approved: %+v", f)
	}
	w.commit(with(base, path, request("alice", "1h")))
	w.pass()
	if f = w.present().Files[path]; !f.InForce {
		t.Errorf("back to what was proven: %+v", f)
	}
	w.commit(with(base, path, "kind: [AccessRequest"))
	w.pass()
	if f = w.present().Files[path]; f.InForce || f.Request != nil || !f.FirstMerged.Equal(w.now) {
		t.Errorf("broken: %+v", f)
	}
}

func TestPresentSaysThatTheBranchIsNotFollowed(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	good := w.present()
	all := w.commits
	w.commits = all[:1]
	w.pass()
	if p := w.present(); !p.Diverged || p.Head != good.Head || len(p.Held) != 1 {
		t.Errorf("%+v", p)
	}
	w.restart()
	w.pass()
	if p := w.present(); !p.Diverged || p.Head != good.Head || len(p.Files) != len(good.Files) || w.in.Deactivated("alice") {
		t.Errorf("after a restart: %+v", p)
	}
	w.commits = all
	w.pass()
	if p := w.present(); p.Diverged {
		t.Errorf("%+v", p)
	}
}

func TestWithoutTheLeaseNothingIsKnownToBeInForce(t *testing.T) {
	w := newWorld(t, base)
	w.pass()
	w.present()
	if err := w.in.lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.commit(with(base, "people/carol.yaml", person("carol")))
	if _, err := w.in.Pass(t.Context()); !errors.Is(err, ledger.ErrLostLease) {
		t.Fatalf("the pass says %v", err)
	}
	if _, ok := w.in.Present(); ok {
		t.Error("what another reader may have changed is still told")
	}
}

func TestWhatCouldNotBeWrittenIsNotTold(t *testing.T) {
	w := newWorld(t, base)
	w.pass()
	before := w.present()
	w.in.cfg.Ledger = full{w.led}
	w.commit(with(base, "people/carol.yaml", person("carol")))
	if _, err := w.in.Pass(t.Context()); !errors.Is(err, errFull) {
		t.Fatalf("the pass says %v", err)
	}
	if p := w.present(); p.Head != before.Head || p.Trusted.People["carol"] != nil {
		t.Errorf("%+v", p)
	}
}

var errFull = errors.New("the disk is full")

// full is a ledger that takes nothing in.
type full struct{ *ledger.Ledger }

func (full) TakeIn(context.Context, *ledger.Lease, ledger.IntakeBatch) error { return errFull }
