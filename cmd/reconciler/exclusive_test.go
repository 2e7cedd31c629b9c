package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// strangersLedger is a ledger in which rw on orders-db belongs to Tenure alone, but for
// dba, and the last look found these accounts in it.
func strangersLedger(t *testing.T, accounts ...string) (*config.Config, *ledger.Ledger) {
	t.Helper()
	cfg := &config.Config{Ledger: config.Ledger{Kind: config.SQLite, Path: filepath.Join(t.TempDir(), "ledger.db")}}
	led, err := daemon.OpenLedger(t.Context(), cfg, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = led.Close() })
	lease := func(name string) *ledger.Lease {
		l, err := led.Acquire(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	scopes := []ledger.Scope{
		{Target: "orders-db", Entitlement: "role=rw", Exclusive: true, Keep: []string{"dba"}, Since: sinceCommit},
		{Target: "orders-db", Entitlement: "role=ro"},
	}
	if err := led.TakeIn(t.Context(), lease("intake"), ledger.IntakeBatch{Scopes: scopes}); err != nil {
		t.Fatal(err)
	}
	found := []grants.Grant{{Target: "orders-db", Account: "mallory", Entitlement: "role=ro"}}
	for _, a := range accounts {
		found = append(found, grants.Grant{Target: "orders-db", Account: a, Entitlement: "role=rw"})
	}
	drift := &ledger.DriftReport{Target: "orders-db", Found: found, At: time.Now()}
	if err := led.Commit(t.Context(), lease("target/orders-db"), ledger.Batch{Drift: drift}); err != nil {
		t.Fatal(err)
	}
	return cfg, led
}

var sinceCommit = strings.Repeat("c", 40)

func TestStatusSaysWhichStrangersWaitAndConfirmLetsThemGo(t *testing.T) {
	cfg, led := strangersLedger(t, "dba", "mallory", "eve")
	read := func() []withheld {
		t.Helper()
		out, err := readWithheld(t.Context(), cfg, led, nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	back := read()
	if len(back) != 1 || back[0].Commit != sinceCommit || back[0].Removals != 2 || back[0].Cause != grants.CauseExclusive {
		t.Fatalf("withheld %+v", back)
	}
	for _, want := range []string{"role=rw of eve", "role=rw of mallory", "reconciler confirm " + sinceCommit} {
		if !strings.Contains(back[0].String(), want) {
			t.Errorf("it does not say %q: %s", want, back[0])
		}
	}
	if strings.Contains(back[0].String(), "dba") || strings.Contains(back[0].String(), "role=ro") {
		t.Errorf("it names what is left alone: %s", back[0])
	}
	means, err := confirm(context.Background(), led, back, sinceCommit, "bob")
	if err != nil || len(means) != 1 || !strings.HasPrefix(means[0], "strangers: 2 ") {
		t.Fatalf("confirmed %q, %v", means, err)
	}
	if removals, err := led.RemovalsConfirmed(t.Context()); err != nil || removals[sinceCommit] {
		t.Fatalf("what the commit takes away is confirmed, too: %v", err)
	}
	if back := read(); len(back) != 0 {
		t.Fatalf("still withheld %+v", back)
	}
	if _, err := confirm(context.Background(), led, read(), sinceCommit, "bob"); err == nil {
		t.Error("with nothing waiting it was confirmed again")
	}
}

func TestStrangersOnAPausedTargetWaitForNoWord(t *testing.T) {
	cfg, led := strangersLedger(t, "mallory")
	if err := led.Pause(t.Context(), "orders-db", "bob"); err != nil {
		t.Fatal(err)
	}
	back, err := readWithheld(t.Context(), cfg, led, nil, time.Now())
	if err != nil || len(back) != 0 {
		t.Fatalf("withheld %+v, %v", back, err)
	}
}

func TestStatusSaysWhenStandingAccessIsDue(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	end := time.Date(2026, 3, 12, 0, 0, 0, 0, time.UTC)
	r := ledger.Request{Path: "requests/a.yaml", Body: []byte(`{}`), Decision: grants.Decision{
		Granted: true, ReviewBy: end, Terms: []grants.Terms{{Span: grants.Window{From: now, Until: end}}},
	}}
	text, err := json.Marshal(requestState(r, now))
	if want := `{"path":"requests/a.yaml","state":"in force","until":"2026-03-12T00:00:00Z","reviewBy":"2026-03-12T00:00:00Z","daysLeft":9}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
	if s := requestState(r, end.Add(-time.Hour)); s.DaysLeft == nil || *s.DaysLeft != 0 {
		t.Errorf("on the last day: %+v", s)
	}
	r.Decision.ReviewBy = time.Time{}
	if s := requestState(r, now); s.DaysLeft != nil || !s.ReviewBy.IsZero() {
		t.Errorf("of access that is not standing: %+v", s)
	}
}
