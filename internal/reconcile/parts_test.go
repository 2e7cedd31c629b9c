package reconcile

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// hosts is a target of two parts, each with its own entitlements: a/… and b/….
type hosts struct {
	*memory
	down  map[string]bool
	stuck map[string]bool // sessions do not end
}

func hostOf(entitlement string) string {
	host, _, _ := strings.Cut(entitlement, "/")
	return host
}

func (h hosts) Parts(scope []string) [][]string {
	by := map[string][]string{}
	for _, e := range scope {
		by[hostOf(e)] = append(by[hostOf(e)], e)
	}
	var out [][]string
	for _, host := range sortedKeys(by) {
		out = append(out, by[host])
	}
	return out
}

func (h hosts) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	for _, e := range scope {
		if h.down[hostOf(e)] {
			return nil, errDown
		}
	}
	return h.memory.Observe(ctx, scope)
}

func (h hosts) Apply(_ context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	for i, a := range acts {
		if h.down[hostOf(a.Grant.Entitlement)] {
			errs[i] = errDown
			continue
		}
		errs[i] = h.do(a.Grant, a.Revoke)
	}
	return errs
}

// EndSessions fails where sessions do not end, and tells what it was asked.
func (h hosts) EndSessions(_ context.Context, lost []grants.Grant) error {
	for _, g := range lost {
		if h.stuck[hostOf(g.Entitlement)] {
			return errDown
		}
	}
	return nil
}

func twoHosts(t *testing.T) (*world, hosts) {
	w := newWorld(t)
	h := hosts{w.target, map[string]bool{}, map[string]bool{}}
	w.engine.workers[0].conn = h
	return w, h
}

func TestAPartThatIsDownDoesNotHideTheOthers(t *testing.T) {
	w, h := twoHosts(t)
	w.decide(asks("one", "alice", "a/docker", 0, 60), asks("two", "bob", "b/docker", 0, 60), asks("three", "carol", "a/docker", 10, 60))
	w.mustPass()
	w.target.held[grant("mallory", "a/docker")] = true
	w.target.held[grant("mallory", "b/docker")] = true
	h.down["b"] = true

	w.now = start.Add(10 * time.Minute)
	if _, err, _ := w.pass(); err == nil {
		t.Fatal("a pass over a part that is down has no error")
	}
	if !w.target.held[grant("carol", "a/docker")] {
		t.Error("the host that is up got nothing")
	}
	drift, err := w.led.Drift(t.Context())
	if err != nil || len(drift) != 1 || drift[0].Grant != grant("mallory", "a/docker") {
		t.Errorf("drift %v, %v", drift, err)
	}

	w.now = start.Add(60 * time.Minute) // all windows close
	_, _, _ = w.pass()
	_, _, _ = w.pass() // reads back
	left := w.holds()
	if len(left) != 1 || left[0].Account != "bob" || !left[0].Overdue(w.now) {
		t.Errorf("what is held: %v", left)
	}
	h.down["b"] = false
	w.now = start.Add(62 * time.Minute)
	w.mustPass()
	w.mustPass()
	if len(w.holds()) != 0 || w.target.held[grant("bob", "b/docker")] {
		t.Error("the host that is back keeps the access")
	}
}

func TestWhatWasNotSeenStaysReportedAsDrift(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		w, h := twoHosts(t)
		w.decide(asks("one", "alice", "a/docker", 0, 60), asks("two", "bob", "b/docker", 0, 60))
		w.target.held[grant("mallory", "b/docker")] = true
		w.mustPass()
		before, err := w.led.Drift(t.Context())
		if err != nil || len(before) != 1 {
			t.Fatalf("%v, %v", before, err)
		}
		if restarted {
			w.restart()
			w.engine.workers[0].conn = h
		}
		h.down["b"] = true
		w.target.held[grant("eve", "a/docker")] = true
		w.now = start.Add(1 * time.Minute)
		_, _, _ = w.pass()
		after, err := w.led.Drift(t.Context())
		if err != nil || len(after) != 2 || !slices.Contains(after, before[0]) {
			t.Errorf("restarted %t: drift %v, %v", restarted, after, err)
		}
		h.down["b"] = false
		delete(w.target.held, grant("mallory", "b/docker"))
		w.now = start.Add(2 * time.Minute)
		w.mustPass()
		if after, err = w.led.Drift(t.Context()); err != nil || len(after) != 1 || after[0].Grant != grant("eve", "a/docker") {
			t.Errorf("restarted %t: drift %v, %v", restarted, after, err)
		}
	}
}

func TestStrangersOnAPartThatWasNotSeenWait(t *testing.T) {
	w, h := twoHosts(t)
	s, err := w.engine.workers[0].read(t.Context(), w.now)
	if err != nil {
		t.Fatal(err)
	}
	s.exclusive = []grants.Exclusive{{Entitlement: "a/docker"}, {Entitlement: "b/docker"}}
	s.starts = true
	h.down["b"] = true
	v, err := w.engine.workers[0].look(t.Context(), []string{"a/docker", "b/docker"})
	if err == nil || v.blind || !v.unseen["b/docker"] || v.unseen["a/docker"] {
		t.Fatalf("%+v, %v", v, err)
	}
	got := s.standStill(v)
	if got[0].Waits != "" || got[1].Waits != TargetUnseen {
		t.Errorf("%+v", got)
	}
}

func TestAPartThatAConnectorForgotIsUnseen(t *testing.T) {
	w, h := twoHosts(t)
	w.engine.workers[0].conn = forgetful{h}
	v, err := w.engine.workers[0].look(t.Context(), []string{"a/docker", "b/docker"})
	if err == nil || !v.unseen["b/docker"] {
		t.Errorf("%+v, %v", v, err)
	}
}

type forgetful struct{ hosts }

func (f forgetful) Parts(scope []string) [][]string { return f.hosts.Parts(scope)[:1] }

func TestSessionsThatDoNotEndOnOnePartHoldUpNoOther(t *testing.T) {
	for _, forgets := range []bool{false, true} {
		w, h := twoHosts(t)
		if forgets {
			w.engine.workers[0].conn = forgetful{h} // part a only
		}
		w.decide(asks("one", "alice", "a/docker", 0, 60), asks("two", "bob", "b/docker", 0, 60), asks("three", "carol", "a/docker", 0, 60))
		_, _, _ = w.pass()
		w.now = start.Add(time.Minute)
		w.engine.workers[0].conn = h
		w.mustPass()
		if forgets {
			w.engine.workers[0].conn = forgetful{h}
		}
		h.stuck["b"] = true
		w.now = start.Add(60 * time.Minute)
		_, _, _ = w.pass()
		holds := w.holds()
		failed := slices.IndexFunc(holds, func(x grants.Hold) bool { return x.LastError != "" })
		if failed < 0 || holds[failed].Account != "bob" || slices.ContainsFunc(holds, func(x grants.Hold) bool { return x.LastError != "" && x.Account != "bob" }) {
			t.Errorf("forgets %t: %+v", forgets, holds)
		}
	}
}
