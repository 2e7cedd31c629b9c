package github

import (
	"testing"

	"github.com/tenure-dev/tenure/internal/minihub"
)

func TestAProposalIsOpenedOnceAndFoundAgain(t *testing.T) {
	w := newWorld(t)
	w.push(minihub.Commit{Branch: "access/alice", By: "alice", Write: map[string]string{"requests/a.yaml": "kind: AccessRequest\n"}})
	w.push(minihub.Commit{Branch: "access/bob", By: "bob", Write: map[string]string{"requests/b.yaml": "kind: AccessRequest\n"}})
	g := w.client()
	number, url, err := g.Propose(t.Context(), "access/alice", "main", "Access for alice", "Because")
	must(t, err)
	if want := w.url + "/" + repo + "/pull/1"; number != 1 || url != want {
		t.Errorf("opened %d at %s, want 1 at %s", number, url, want)
	}
	if again, _, err := g.Propose(t.Context(), "access/alice", "main", "Another title", ""); err != nil || again != 1 {
		t.Errorf("opened again as %d: %v", again, err)
	}
	if other, _, err := g.Propose(t.Context(), "access/bob", "main", "Access for bob", ""); err != nil || other != 2 {
		t.Errorf("another branch: %d, %v", other, err)
	}
	// What is merged is done: the next change from that branch is another one.
	w.merge(1, "squash")
	w.push(minihub.Commit{Branch: "access/alice", By: "alice", Write: map[string]string{"requests/c.yaml": "kind: AccessRequest\n"}})
	if next, _, err := g.Propose(t.Context(), "access/alice", "main", "More", ""); err != nil || next != 3 {
		t.Errorf("after the merge: %d, %v", next, err)
	}
	if n, _, err := g.Propose(t.Context(), "access/nobody", "main", "Nothing", ""); err == nil || n != 0 {
		t.Errorf("a branch that is not there: %d, %v", n, err)
	}
}
