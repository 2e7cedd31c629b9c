package gitea_test

import (
	"net/http"
	"testing"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/forge/gitea/giteatest"
)

const leads = "groups/leads.yaml"

// unapprovedGroup: bob as a lead is on the branch, but no admin said so. With erin's
// word, in a pull request of its own, he is one.
func unapprovedGroup(t *testing.T, s *giteatest.Server) {
	w := newWorld(t, s, options{})
	n, _ := w.ask("mallory", leads, stage.Group("leads", "carol", "dave", "bob"))
	w.passUntil("the status", func() bool { state, _ := w.status(n); return state == "pending" })
	w.mustSay(n, "erin")
	w.merge(n)
	n, _ = w.ask("alice", asked, stage.Request("alice", "ops", "duration: 1h"))
	w.approve("bob", n)
	w.merge(n)
	w.denied(asked, "missing: 1 of leads (carol, dave)")
	if got := w.d.Status().Problems; len(got) != 1 || got[0].Pos.File != leads {
		t.Errorf("what is not in force: %v", got)
	}

	n, _ = w.ask("mallory", leads, stage.Group("leads", "carol", "dave"))
	w.merge(n)
	n, _ = w.ask("mallory", leads, stage.Group("leads", "carol", "dave", "bob"))
	w.approve("erin", n)
	w.merge(n)
	n, _ = w.ask("alice", "requests/again.yaml", stage.Request("alice", "ops", "duration: 1h"))
	w.approve("bob", n)
	w.merge(n)
	w.passUntil("access", func() bool { return w.lists("ops,alice") })
}

func directPush(t *testing.T, s *giteatest.Server) {
	w := newWorld(t, s, options{})
	w.pass()
	w.write("alice", "main", map[string]string{asked: stage.Request("alice", "ops", "duration: 1h")})
	w.denied(asked, "pull request")
}

func pushAfterApproval(t *testing.T, s *giteatest.Server) {
	w := newWorld(t, s, options{})
	n, branch := w.ask("alice", asked, stage.Request("alice", "ops", "duration: 1h"))
	w.approve("carol", n)
	w.passUntil("the status", func() bool { state, _ := w.status(n); return state == "success" })
	w.push("alice", branch, map[string]string{asked: stage.Request("alice", "ops", "duration: 8h")})
	w.passUntil("the status of the new head", func() bool { state, _ := w.status(n); return state == "pending" })
	w.merge(n)
	w.denied(asked, "missing: 1 of leads (carol, dave)")
}

// refusedApprovals: Gitea takes neither the author's approval nor one after the
// merge, so that neither can be tried on the reconciler.
func refusedApprovals(t *testing.T, s *giteatest.Server) {
	w := newWorld(t, s, options{})
	n, _ := w.ask("carol", asked, stage.Request("carol", "ops", "duration: 1h"))
	if status, text := w.tryApprove("carol", n); status != http.StatusUnprocessableEntity {
		t.Errorf("the author's approval: HTTP %d: %s", status, text)
	}
	w.merge(n)
	if status, text := w.tryApprove("dave", n); status != http.StatusUnprocessableEntity {
		t.Errorf("an approval after the merge: HTTP %d: %s", status, text)
	}
	w.denied(asked, "missing: 1 of leads (dave)")
}
