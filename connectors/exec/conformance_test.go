package exec

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/connectors/plugin/check"
	"github.com/tenure-dev/tenure/connectors/plugin/plugintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	wiki := plugintest.New(t)
	python, script := plugintest.Python(t), plugintest.Script(t)
	open := func(t testing.TB, file string) connectors.Connector {
		return start(t, connectors.Settings{
			"command":   []any{python, "-I", "-S", script, file},
			"abilities": []any{"sessions", "expiry"},
		})
	}
	s := wiki.Subject("t", Driver{})
	s.Open = func(t testing.TB) connectors.Connector { return open(t, wiki.File) }
	s.Weak = func(t testing.TB) (connectors.Connector, []string) {
		return open(t, "/nonexistent/wiki.json"), []string{"missing right", "/nonexistent/wiki.json"}
	}
	s.NotApplicable[conformance.CaseCrash] = "each call is a process of its own, so there is no server to crash; plug-ins that die have their own tests"
	conformance.Run(t, s)
}

// What authors of plug-ins run finds nothing in the example, and leaves nothing.
func TestTheExamplePassesTheChecksForAuthors(t *testing.T) {
	wiki := plugintest.New(t)
	c := start(t, connectors.Settings{
		"command":   []any{plugintest.Python(t), "-I", "-S", plugintest.Script(t), wiki.File},
		"abilities": []any{"sessions", "expiry"},
	})
	results, err := check.Run(t.Context(), check.Subject{
		Target: "t", Connector: c, Accounts: []string{"alice", "bob"},
		Entitlements: []string{"role=reader", "resource=x role=editor"}, Until: time.Now().Add(time.Hour),
	})
	if err != nil || len(results) < 8 {
		t.Fatalf("%v, %v", results, err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Case, r.Err)
		}
	}
	if left := wiki.Read(t).Grants; len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func start(t testing.TB, s connectors.Settings) connectors.Connector {
	t.Helper()
	c, err := Driver{}.Open(t.Context(), "t", s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
