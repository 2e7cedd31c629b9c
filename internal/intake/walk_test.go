package intake

import (
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/source"
)

func TestAnIdlePollReadsNothing(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	reads := w.reads
	for range 3 {
		w.pass()
	}
	if w.reads != reads {
		t.Errorf("%d blobs were read by polls with nothing new", w.reads-reads)
	}
}

func TestANewCommitCostsItsChangesOnly(t *testing.T) {
	w := newWorld(t, base)
	w.pass()
	reads := w.reads
	w.commit(with(base, "people/carol.yaml", person("carol")))
	w.pass()
	if w.reads != reads+1 {
		t.Errorf("%d blobs were read for one new file", w.reads-reads)
	}
}

func TestABrokenConfigurationFileKeepsItsLastGoodVersion(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "people/alice.yaml", "kind: [Person"))
	r := w.pass()
	if !slices.Contains(w.inForce(), "people/alice.yaml") || w.in.view.config["people/alice.yaml"] != blob(person("alice")) {
		t.Errorf("in force: %v", w.in.view.config)
	}
	if len(r.Problems) != 1 || r.Problems[0].Pos.File != "people/alice.yaml" {
		t.Errorf("problems: %v", r.Problems)
	}
	w.restart()
	w.pass()
	if w.in.view.config["people/alice.yaml"] != blob(person("alice")) {
		t.Error("the last good version was lost by a restart")
	}
}

func TestANameThatIsTakenIsNotTakenOver(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "people/aaa.yaml", person("alice")+"email: mallory@example.com\n"))
	r := w.pass()
	if slices.Contains(w.inForce(), "people/aaa.yaml") {
		t.Fatal("a second file took over a name")
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "people/alice.yaml already") {
		t.Errorf("problems: %v", r.Problems)
	}
}

func TestADocumentCanMoveToAnotherFileInOneCommit(t *testing.T) {
	all := map[string]string{"people/staff.yaml": person("alice") + "---\n" + person("bob")}
	w := newWorld(t, all)
	w.commit(map[string]string{"people/alice.yaml": person("alice"), "people/staff.yaml": person("bob")})
	if r := w.pass(); len(r.Problems) != 0 {
		t.Fatalf("problems: %v", r.Problems)
	}
	if got := w.inForce(); !slices.Equal(got, []string{"people/alice.yaml", "people/staff.yaml"}) {
		t.Errorf("in force: %v", got)
	}
}

func TestATreeWithoutPeopleIsBrokenInput(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	good := w.in.view.head
	w.commit(map[string]string{"README.md": "gone"})
	r := w.pass()
	if r.Head != good || len(w.in.view.records) != 1 || len(w.inForce()) != 2 {
		t.Fatalf("the emptied tree was taken in: %+v", r)
	}
	if len(r.Problems) == 0 || !strings.Contains(r.Problems[0].Message, "no person") {
		t.Errorf("problems: %v", r.Problems)
	}
	// What comes back unchanged has never been away.
	id := w.in.view.records["requests/a.yaml"].ID
	w.commit(with(with(base, "requests/a.yaml", request("alice", "1h")), "people/carol.yaml", person("carol")))
	r = w.pass()
	if rec := w.in.view.records["requests/a.yaml"]; rec == nil || rec.ID != id || len(rec.Versions) != 1 {
		t.Errorf("the request's life was broken: %+v", rec)
	}
	if r.Head != w.head() || len(w.inForce()) != 3 {
		t.Errorf("the mended tree was not taken in: %+v, %v", r, w.inForce())
	}
}

func TestAnEmptiedTreeCanBeConfirmed(t *testing.T) {
	w := newWorld(t, base)
	w.pass()
	empty := w.commit(map[string]string{"README.md": "gone"})
	w.pass()
	w.confirm(empty)
	if r := w.pass(); r.Head != empty || len(w.inForce()) != 0 {
		t.Errorf("%+v, in force %v", r, w.inForce())
	}
}

func TestTheOnlyRequestCanBeTakenBack(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	w.commit(base)
	if r := w.pass(); r.Head != w.head() || len(w.in.view.records) != 0 {
		t.Errorf("an early return was refused: %+v", r)
	}
}

func TestARequestBroughtBackIsAnotherRequest(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	first := w.in.view.records["requests/a.yaml"].ID
	w.commit(base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	if second := w.in.view.records["requests/a.yaml"].ID; second == first {
		t.Error("the same bytes brought back have the same identity")
	}
}

func TestABranchThatMovedBackIsNotFollowed(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	ahead := w.pass().Head
	w.commits = w.commits[:1]
	r := w.pass()
	if r.Diverged != w.commits[0] || w.in.view.head != ahead || len(w.in.view.records) != 1 {
		t.Fatalf("%+v", r)
	}
	asked := w.hub.asked.Load()
	w.now = w.now.AddDate(0, 0, 1)
	w.pass()
	if w.hub.asked.Load() != asked {
		t.Error("evidence was asked for while the branch is not followed")
	}
	w.confirm(w.commits[0])
	if r := w.pass(); r.Diverged != "" || r.Head != w.commits[0] || len(w.in.view.records) != 0 {
		t.Errorf("after the confirmation: %+v", r)
	}
}

func TestADeletedBranchKeepsTheLastGoodState(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	w.err = source.ErrNoBranch
	if _, err := w.in.Pass(t.Context()); err == nil {
		t.Error("a deleted branch was not reported")
	}
	if len(w.in.view.records) != 1 || len(w.inForce()) != 2 {
		t.Error("a deleted branch took something away")
	}
}

func TestARequestFromBeforeTheChainOfTrustIsRefusedForGood(t *testing.T) {
	w := newWorld(t, with(base, "requests/old.yaml", request("alice", "1h")))
	w.pass()
	v := w.in.view.records["requests/old.yaml"].Versions[0]
	if v.Verdict == nil || !v.Verdict.Final || v.Verdict.Proven || w.hub.asked.Load() != 0 {
		t.Errorf("%+v", v)
	}
}

func TestAFileThatIsNotPlainIsRefused(t *testing.T) {
	w := newWorld(t, base)
	for _, mode := range []source.Mode{source.Symlink, source.Submodule} {
		if f := w.in.files.entry(source.Entry{Path: "requests/a.yaml", Blob: "1", Mode: mode}); !f.Broken() {
			t.Errorf("a %s was read", mode)
		}
	}
}
