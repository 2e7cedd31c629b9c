package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// memory is a plug-in's connector over a set, with at most one mistake.
type memory struct {
	mu      sync.Mutex
	held    map[grants.Grant]bool
	mistake string
}

func (m *memory) Close() error { return nil }

func (m *memory) Observe(_ context.Context, scope []string) (out []grants.Grant, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for g := range m.held {
		if slices.Contains(scope, g.Entitlement) || m.mistake == "scope is ignored" {
			out = append(out, g)
		}
	}
	if m.mistake == "one is left out" && len(out) > 1 {
		out = out[1:]
	}
	return out, nil
}

func (m *memory) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return m.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

func (m *memory) Revoke(ctx context.Context, g grants.Grant) error {
	return m.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

func (m *memory) Apply(_ context.Context, acts []connectors.Act) []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	errs := make([]error, len(acts))
	if m.mistake == "the order is lost" {
		acts = slices.Clone(acts)
		slices.SortStableFunc(acts, func(a, b connectors.Act) int { // revokes first
			return map[bool]int{true: 0, false: 1}[a.Revoke] - map[bool]int{true: 0, false: 1}[b.Revoke]
		})
	}
	for i, a := range acts {
		if m.mistake == "names are trimmed" {
			a.Grant.Account = strings.TrimSpace(a.Grant.Account)
		}
		switch {
		case a.Revoke && m.mistake == "revoke does nothing":
		case a.Revoke && m.mistake == "revoke takes all":
			for g := range m.held {
				if g.Entitlement == a.Grant.Entitlement {
					delete(m.held, g)
				}
			}
		case a.Revoke && m.mistake == "revoke twice fails" && !m.held[a.Grant]:
			errs[i] = errors.New("it is not there")
		case a.Revoke:
			delete(m.held, a.Grant)
		case m.held[a.Grant] && m.mistake == "grant twice fails":
			errs[i] = errors.New("it is there")
		case !slices.Contains([]string{"alice", "bob"}, a.Grant.Account) && m.mistake != "any account will do":
			errs[i] = fmt.Errorf("%s: %w", a.Grant, connectors.ErrNoAccount)
		default:
			m.held[a.Grant] = true
		}
	}
	return errs
}

func (m *memory) Check(context.Context, []string) []error {
	if m.mistake == "a right is missing" {
		return []error{errors.New("missing right")}
	}
	return nil
}

func (m *memory) EndSessions(context.Context, []grants.Grant) error {
	if m.mistake == "sessions cannot be ended" {
		return errors.New("unknown call")
	}
	return nil
}

func TestEachMistakeIsFound(t *testing.T) {
	for mistake, where := range map[string]string{
		"":                         "",
		"a right is missing":       "check finds no missing right",
		"one is left out":          "grant, then observe",
		"scope is ignored":         "observe keeps to its scope",
		"revoke does nothing":      "grant, then observe",
		"revoke takes all":         "grant, then observe",
		"grant twice fails":        "grant twice, revoke twice",
		"revoke twice fails":       "grant twice, revoke twice",
		"any account will do":      "unknown account is named, others go on",
		"names are trimmed":        "hostile account names",
		"the order is lost":        "batch in its order",
		"sessions cannot be ended": "live sessions can be ended",
	} {
		theirs := grants.Grant{Target: "t", Account: "carol", Entitlement: "role=a"}
		m := &memory{mistake: mistake, held: map[grants.Grant]bool{theirs: true}}
		results, err := Run(t.Context(), Subject{
			Target: "t", Connector: m, Accounts: []string{"alice", "bob"}, Entitlements: []string{"role=a", "role=b"}, Until: time.Now().Add(time.Hour),
		})
		if err != nil || len(results) != len(cases) {
			t.Errorf("%q: %d results, %v", mistake, len(results), err)
			continue
		}
		found := mistake == ""
		for _, r := range results {
			if r.Err != nil && mistake == "" {
				t.Errorf("without a mistake: %s: %v", r.Case, r.Err)
			}
			found = found || r.Case == where && r.Err != nil
		}
		if !found {
			t.Errorf("%q is not found in %q: %v", mistake, where, results)
		}
		if mistake == "" && (len(m.held) != 1 || !m.held[theirs]) {
			t.Errorf("left: %v", m.held)
		}
	}
}

func TestNothingIsChangedForAccountsThatHoldSomething(t *testing.T) {
	before := grants.Grant{Target: "t", Account: "alice", Entitlement: "role=a"}
	m := &memory{held: map[grants.Grant]bool{before: true}}
	for _, accounts := range [][]string{{"alice", "bob"}, {"bob"}, {"bob", "bob"}, {"bob", absentAccount}} {
		if _, err := Run(t.Context(), Subject{Target: "t", Connector: m, Accounts: accounts, Entitlements: []string{"role=a"}}); err == nil {
			t.Errorf("%v passed", accounts)
		}
	}
	if len(m.held) != 1 || !m.held[before] {
		t.Errorf("left: %v", m.held)
	}
}
