package exec

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
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

func start(t testing.TB, s connectors.Settings) connectors.Connector {
	t.Helper()
	c, err := Driver{}.Open(t.Context(), "t", s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
