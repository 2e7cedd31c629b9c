package gitea_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/forge/gitea/giteatest"
	"github.com/tenure-dev/tenure/internal/ledger"
)

const asked = "requests/alice.yaml"

// askedAndOver is the whole life of an access. Gitea's webhook alone tells the
// reconciler, which would look by itself after ten minutes.
func askedAndOver(t *testing.T, s *giteatest.Server) {
	w := newWorld(t, s, options{webhook: true, reverts: "{group: 1s, merge: auto}"})
	w.run()
	n, _ := w.ask("alice", asked, stage.Request("alice", "ops", "duration: 20s"))
	var description string
	w.until("the status waits for an approval", func() bool {
		state, text := w.status(n)
		description = text
		return state == "pending"
	})
	if !strings.Contains(description, "carol") {
		t.Errorf("the status says %q", description)
	}
	w.until("the comment", func() bool { return w.said(n) != "" })
	w.mustSay(n, "approvals are missing", "group=ops on bastion to alice", "for 20s from the merge")
	w.rendered(n)

	w.approve("carol", n)
	w.until("the status allows the merge", func() bool { state, _ := w.status(n); return state == "success" })
	w.until("the comment follows", func() bool { return strings.Contains(w.said(n), "takes effect when it is merged") })
	if !w.lists() {
		t.Fatalf("access before the merge: %q", w.rows())
	}
	w.merge(n)
	w.until("access", func() bool { return w.lists("ops,alice") })
	w.until("the end of the access", func() bool { return w.lists() })

	var revert ledger.Revert
	w.until("the revert pull request is merged", func() bool {
		ctx, cancel := w.ctx()
		defer cancel()
		w.must(w.d.Tend(ctx)) // as every minute
		list, err := w.d.Ledger.Reverts(ctx)
		w.must(err)
		if len(list) == 1 {
			revert = list[0]
		}
		return revert.State == "merged"
	})
	p := w.pull(revert.Number)
	if p.Title != "Remove expired access: "+asked || !p.Merged || p.MergedBy.Login != bot {
		t.Errorf("the revert pull request: %+v", p)
	}
	if status, _ := s.Try(t, s.User(t, "erin"), "GET", w.path("/contents/%s", asked), nil, nil); status != http.StatusNotFound {
		t.Errorf("%s is still on the branch: HTTP %d", asked, status)
	}
	if n := len(w.events(ledger.EventGranted)); n != 1 {
		t.Errorf("%d grants are noted", n)
	}
}

// rendered holds the page of a pull request to show the comment as it was meant:
// what people wrote as code, and the mark of the comment not at all.
func (w *world) rendered(n int) {
	w.t.Helper()
	marker, _, _ := strings.Cut(w.said(n), "\n")
	if !strings.HasPrefix(marker, "<!--") {
		w.t.Fatalf("the comment begins with %q", marker)
	}
	page := w.page(n)
	for _, want := range []string{
		"<strong>Tenure</strong>: approvals are missing",
		"<code>" + asked + "</code>",
		"<code>group=ops on bastion to alice (role ops, account alice)</code>",
	} {
		if !strings.Contains(page, want) {
			w.t.Errorf("the page does not show %s", want)
		}
	}
	// The source of the comment is on the page too, for the editor, so that only what
	// is rendered tells.
	for part := range strings.SplitSeq(page, `render-content markup"`) {
		shown, _, _ := strings.Cut(part, "</div>")
		if strings.Contains(shown, "Tenure") && strings.Contains(shown, "tenure:") {
			w.t.Errorf("the mark is shown:\n%s", shown)
		}
	}
}

// shortened: whoever holds access may end it sooner, without an approval.
func shortened(t *testing.T, s *giteatest.Server) {
	w := newWorld(t, s, options{})
	n, _ := w.ask("alice", asked, stage.Request("alice", "ops", "duration: 2h"))
	w.approve("dave", n)
	w.merge(n)
	w.passUntil("access", func() bool { return w.lists("ops,alice") })
	n, _ = w.ask("alice", asked, stage.Request("alice", "ops", "duration: 1s"))
	w.merge(n)
	w.passUntil("the end of the access", func() bool { return w.lists() })
}

// strangersApproval: the approval of a person whom the role does not name is one on
// Gitea, and none here.
func strangersApproval(t *testing.T, s *giteatest.Server) {
	w := newWorld(t, s, options{})
	n, _ := w.ask("alice", asked, stage.Request("alice", "ops", "duration: 1h"))
	w.approve("bob", n)
	w.passUntil("the status", func() bool { state, _ := w.status(n); return state == "pending" })
	w.merge(n)
	w.denied(asked, "missing: 1 of leads (carol, dave)")
}
