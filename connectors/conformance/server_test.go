package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// server is a small system with accounts, sessions, a clock and crashes: what the
// smallest connector lacks.
type server struct {
	mu       sync.Mutex
	down     bool
	accounts map[string]bool
	held     map[grants.Grant]time.Time // -> end
	sessions []*session
	busy     atomic.Int32
}

type session struct {
	of    grants.Grant
	ended bool
}

func newServer() *server {
	return &server{accounts: map[string]bool{"alice": true, "bob": true, "carol": true, "dave": true}, held: map[grants.Grant]time.Time{}}
}

// do is one request to the server.
func (s *server) do(ctx context.Context, f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errors.New("connection refused")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for g, end := range s.held {
		if !time.Now().Before(end) {
			delete(s.held, g)
		}
	}
	f()
	return nil
}

// client is a connector to it, perhaps with one mistake.
type client struct {
	*server
	mistake string
	weak    bool
	looks   int
	mine    map[grants.Grant]bool // what this connection granted
	timers  []*time.Timer
}

func (*client) Name() string { return "server" }
func (*client) Canonical(s connectors.Spec) (string, error) {
	return (*memory)(nil).Canonical(s)
}
func (c *client) Describe() connectors.Description {
	d := (*memory)(nil).Describe()
	if c.mistake == "the schema is another one" {
		d.Entitlement = []byte(`{"type": "object", "required": ["role"]}`)
	}
	return d
}
func (c *client) Open(context.Context, string, connectors.Settings) (connectors.Connector, error) {
	return c, nil
}

func (c *client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.timers {
		t.Stop()
	}
	return nil
}

func (c *client) Observe(ctx context.Context, scope []string) (out []grants.Grant, err error) {
	for _, e := range scope {
		if _, err := connectors.DecodeEntitlement(e, "group"); err != nil {
			return nil, err
		}
	}
	err = c.do(ctx, func() {
		held := slices.Collect(maps.Keys(c.held))
		if c.mistake == "its own memory is what it sees" {
			held = slices.Collect(maps.Keys(c.mine))
		}
		for _, g := range held {
			if slices.Contains(scope, g.Entitlement) {
				out = append(out, g)
			}
		}
		c.looks++
	})
	switch {
	case c.mistake == "a dead target is an empty one" && ctx.Err() == nil:
		return out, nil
	case c.mistake == "only the first page" && len(out) > 100:
		return out[:100], err
	case c.mistake == "every second look is empty" && c.looks%2 == 0:
		return nil, err
	case c.mistake == "entitlements are spelled another way":
		for i := range out {
			out[i].Entitlement = strings.ToUpper(out[i].Entitlement)
		}
	}
	return out, err
}

func (c *client) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	e, err := connectors.DecodeEntitlement(g.Entitlement, "group")
	if err != nil {
		return err
	}
	if c.mistake == "entitlement names are folded" {
		g.Entitlement = connectors.Format(map[string]string{"group": strings.ToLower(e["group"])})
	}
	if c.mistake == "a second writer is refused" {
		defer c.busy.Add(-1)
		if c.busy.Add(1) > 1 {
			return errors.New("tuple concurrently updated")
		}
		for range 100 {
			runtime.Gosched()
		}
	}
	known := true
	err = c.do(ctx, func() {
		if known = c.accounts[g.Account] || c.mistake == "unknown accounts are made up"; known {
			c.held[g] = until
			c.mine[g] = true
		}
		if wait := time.Until(until); c.mistake == "the connector's own timer ends it" && wait < time.Hour {
			c.held[g] = time.Now().Add(24 * time.Hour)
			c.timers = append(c.timers, time.AfterFunc(wait, func() { _ = c.Revoke(context.Background(), g) }))
		}
	})
	if err == nil && !known {
		return fmt.Errorf("%q: %w", g.Account, connectors.ErrNoAccount)
	}
	return err
}

func (c *client) Revoke(ctx context.Context, g grants.Grant) error {
	gone := false
	err := c.do(ctx, func() {
		gone = !c.accounts[g.Account]
		delete(c.held, g)
		delete(c.mine, g)
	})
	if err == nil && gone && c.mistake == "who is gone cannot be revoked" {
		return connectors.ErrNoAccount
	}
	return err
}

func (c *client) EndSessions(ctx context.Context, lost []grants.Grant) error {
	return c.do(ctx, func() {
		for _, s := range c.sessions {
			_, holds := c.held[s.of]
			if c.mistake != "sessions are left" && slices.Contains(lost, s.of) && !holds {
				s.ended = true
			}
		}
	})
}

func (c *client) NativeExpiry() string { return "the server ends it" }

func (c *client) Check(ctx context.Context, _ []string) []error {
	if c.weak && c.mistake != "missing rights are not looked for" {
		return []error{errors.New("missing right: admin")}
	}
	if err := c.do(ctx, func() {}); err != nil {
		return []error{err}
	}
	return nil
}

// serverMistakes, and the case that must find each.
var serverMistakes = map[string]Case{
	"entitlements are spelled another way": CaseAgrees,
	"who is gone cannot be revoked":        CaseRevokeNever,
	"unknown accounts are made up":         CaseUnknownAccount,
	"its own memory is what it sees":       CaseDrift,
	"entitlement names are folded":         CaseHostileEnt,
	"a second writer is refused":           CaseTwoWriters,
	"a dead target is an empty one":        CaseCrash,
	"sessions are left":                    CaseSessions,
	"the connector's own timer ends it":    CaseNativeExpiry,
	"missing rights are not looked for":    CaseCheck,
	"only the first page":                  CaseWhole,
	"every second look is empty":           CaseAgain,
	"the schema is another one":            CaseDescribe,
}

func (s *server) subject(mistake string) Subject {
	open := func(weak bool) *client {
		return &client{server: s, mistake: mistake, weak: weak, mine: map[grants.Grant]bool{}}
	}
	hand := open(false)
	hand.mistake = ""
	return Subject{
		Driver: open(false), Target: "srv",
		Open:           func(testing.TB) connectors.Connector { return open(false) },
		Accounts:       []string{"alice", "bob", "carol", "dave"},
		Specs:          []connectors.Spec{{"group": "a"}, {"group": "b"}},
		Absent:         connectors.Spec{"group": "absent"},
		UnknownAccount: "mallory",
		Grace:          2 * time.Second,
		ForeignGrant:   func(t testing.TB, g grants.Grant) { _ = hand.Grant(t.Context(), g, until()) },
		ForeignRevoke:  func(t testing.TB, g grants.Grant) { _ = hand.Revoke(t.Context(), g) },
		Named:          func(name string) connectors.Spec { return connectors.Spec{"group": name} },
		Create: func(_ testing.TB, kind Kind, name string) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if kind == AccountName {
				s.accounts[name] = true
			}
			return true
		},
		Kill:    func(testing.TB) { s.set(true) },
		Restart: func(testing.TB) { s.set(false) },
		Session: func(_ testing.TB, g grants.Grant) func() bool {
			x := &session{of: g}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.sessions = append(s.sessions, x)
			return func() bool { return !x.ended }
		},
		Expired: func(_ testing.TB, g grants.Grant) bool {
			found, err := hand.Observe(context.Background(), []string{g.Entitlement})
			return err == nil && !slices.Contains(found, g)
		},
		Weak: func(testing.TB) (connectors.Connector, []string) { return open(true), []string{"missing right: admin"} },
	}
}

func (s *server) set(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func TestServer(t *testing.T) {
	t.Setenv(MatrixFile, "")
	for _, r := range Run(t, newServer().subject("")).Results {
		if r.Outcome != "pass" {
			t.Errorf("%+v", r)
		}
	}
}
