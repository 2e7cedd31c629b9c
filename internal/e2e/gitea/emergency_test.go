package gitea_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/forge/gitea/giteatest"
	"github.com/tenure-dev/tenure/internal/ledger"
)

func urgent(person string) string {
	return stage.Request(person, "ops", "duration: 1h", "emergency: true")
}

// broken is a world in which alice broke the glass.
func broken(t *testing.T, s *giteatest.Server) (w *world, pull int, branch string) {
	t.Helper()
	w = newWorld(t, s, options{})
	pull, branch = w.ask("alice", asked, urgent("alice"))
	w.passUntil("access by break-glass", func() bool { return w.lists("ops,alice") })
	w.mustSay(pull, "has access now", "A review is due")
	return w, pull, branch
}

func reviewedEmergency(t *testing.T, s *giteatest.Server) {
	w, n, _ := broken(t, s)
	if state, text := w.status(n); state != "pending" || !strings.Contains(text, "break-glass, review due by") {
		t.Errorf("status %s: %s", state, text)
	}
	w.approve("carol", n)
	w.passUntil("the review is noted", func() bool { return len(w.events(ledger.EventEmergencyReviewed)) == 1 })
	w.passUntil("the comment names who reviewed", func() bool { return strings.Contains(w.said(n), "Reviewed by `carol`") })
	if !w.lists("ops,alice") {
		t.Errorf("a review must not end the access: %q", w.rows())
	}
	// The merge begins no new window, and ends none.
	w.merge(n)
	until := w.end()
	w.passUntil("the request on the branch takes over", func() bool { return len(w.events(ledger.EventEmergencyEnded)) == 1 })
	w.pass()
	if again := w.end(); !again.Equal(until) {
		t.Errorf("the merge moved the end from %s to %s", until, again)
	}
}

func closedEmergency(t *testing.T, s *giteatest.Server) {
	w, n, _ := broken(t, s)
	w.closePull("alice", n)
	w.passUntil("the end", func() bool { return w.lists() })
	w.ended()
}

func pushedEmergency(t *testing.T, s *giteatest.Server) {
	w, n, branch := broken(t, s)
	w.push("alice", branch, map[string]string{asked: urgent("alice") + "# once more\n"})
	w.passUntil("the end", func() bool { return w.lists() })
	w.ended()
	w.mustSay(n, "`alice` had access from")
}

// ended holds that a use of break-glass is over for good.
func (w *world) ended() {
	w.t.Helper()
	if len(w.events(ledger.EventEmergencyEnded)) != 1 {
		w.t.Error("the end is not noted")
	}
	w.tick()
	w.pass()
	w.pass()
	if !w.lists() {
		w.t.Errorf("the access came back: %q", w.rows())
	}
}

func forkedEmergency(t *testing.T, s *giteatest.Server) {
	w := newWorld(t, s, options{})
	_, name, _ := strings.Cut(w.repo, "/")
	var fork struct {
		FullName string `json:"full_name"`
	}
	s.As(t, s.User(t, "alice"), "POST", w.path("/forks"), map[string]any{"name": name}, &fork)
	w.commit("alice", fork.FullName, "help", true, map[string]string{asked: urgent("alice")})
	n := w.open("alice", "alice:help")
	w.passUntil("a word on it", func() bool { return w.said(n) != "" })
	w.mustSay(n, "no access was given", "it comes from another repository")
	if !w.lists() {
		t.Errorf("access from a fork: %q", w.rows())
	}
}

func borrowedEmergency(t *testing.T, s *giteatest.Server) {
	w := newWorld(t, s, options{})
	w.write("alice", "help", map[string]string{"README.md": "Help\n"})
	w.push("mallory", "help", map[string]string{asked: urgent("alice")})
	w.push("alice", "help", map[string]string{"README.md": w.content("main", "README.md")})
	n := w.open("alice", "help")
	w.passUntil("a word on it", func() bool { return strings.Contains(w.said(n), "mallory") })
	w.mustSay(n, "no access was given")
	if !w.lists() {
		t.Errorf("access by somebody else's push: %q", w.rows())
	}
}

// emergencyLag measures break-glass from the call that opens the pull request to the
// target's file. Only the webhook can have told of it.
func emergencyLag(t *testing.T, s *giteatest.Server) {
	w := newWorld(t, s, options{webhook: true})
	w.run()
	var lags []time.Duration
	var rows []string
	for i, p := range []string{"alice", "bob", "dave", "frank", "mallory"} {
		w.write(p, "urgent-"+p, map[string]string{"requests/" + p + ".yaml": urgent(p)})
		<-time.After(time.Duration(i) * time.Second / 5) // at every phase of a second
		begun := time.Now()
		w.opened(p, "urgent-"+p)
		rows = append(rows, "ops,"+p)
		slices.Sort(rows)
		w.until("access of "+p, func() bool { return w.lists(rows...) })
		lags = append(lags, time.Since(begun).Round(time.Millisecond))
	}
	slices.Sort(lags)
	t.Logf("emergency to access on Gitea, webhook (poll 10m): n=%d p50=%s max=%s", len(lags), lags[len(lags)/2], lags[len(lags)-1])
}
