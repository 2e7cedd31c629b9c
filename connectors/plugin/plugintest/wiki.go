// Package plugintest runs the example plug-in over a file of its own, for the tests
// of both transports.
package plugintest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

// Wiki is the system behind the example plug-in: one JSON file.
type Wiki struct{ File string }

// Content is what the file holds.
type Content struct {
	Accounts []string  `json:"accounts"`
	Roles    []string  `json:"roles"`
	Grants   []Holding `json:"grants"`
	Sessions []Holding `json:"sessions"`
}

// Holding is a grant, or a session that uses one.
type Holding struct {
	Account     string            `json:"account"`
	Entitlement map[string]string `json:"entitlement"`
	Until       string            `json:"until,omitempty"`
}

// New makes the file.
func New(t testing.TB) *Wiki {
	w := &Wiki{filepath.Join(t.TempDir(), "wiki.json")}
	w.write(t, Content{
		Accounts: []string{"alice", "bob", "carol", "dave"}, Roles: []string{"reader", "editor"},
		Grants: []Holding{}, Sessions: []Holding{},
	})
	return w
}

// Python is the interpreter; without one the test does not apply.
func Python(t testing.TB) string {
	path, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("REQUIRE_SERVERS") != "" {
			t.Fatal("python3 is not installed")
		}
		t.Skip("python3 is not installed")
	}
	// A shim in front of the interpreter needs an environment, which a plug-in lacks.
	out, err := exec.CommandContext(t.Context(), path, "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Script is the path of the example plug-in.
func Script(t testing.TB) string {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "examples", "plugins", "python", "wiki.py")
	if _, err := os.Stat(script); err != nil {
		t.Fatal(err)
	}
	return script
}

// Read returns the content of the file.
func (w *Wiki) Read(t testing.TB) (c Content) {
	t.Helper()
	text, err := os.ReadFile(w.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *Wiki) write(t testing.TB, c Content) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.File, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func holding(g grants.Grant) Holding {
	e, err := connectors.Parse(g.Entitlement)
	if err != nil {
		panic(err)
	}
	return Holding{Account: g.Account, Entitlement: e}
}

func (h Holding) is(g grants.Grant) bool {
	return h.Account == g.Account && connectors.Format(h.Entitlement) == g.Entitlement
}

// Subject is what the conformance suite needs of the wiki; the caller adds how to
// open, weaken and crash the connector.
func (w *Wiki) Subject(target string, d connectors.Driver) conformance.Subject {
	edit := func(t testing.TB, change func(*Content)) {
		c := w.Read(t)
		change(&c)
		w.write(t, c)
	}
	return conformance.Subject{
		Driver: d, Target: target,
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs:    []connectors.Spec{{"role": "reader"}, {"role": "editor"}, {"role": "editor", "resource": "space/Orders"}},
		Absent:   connectors.Spec{"role": "absent"},
		BadSpecs: []connectors.Spec{
			{"role": ""}, {"role": 1}, {"role": []any{"reader"}}, {"role": "a\nb"}, {"resource": "x"},
			{"role": "reader", "resource": ""}, {"role": "reader", "resource": nil}, {"role": "\ufffd"}, {"Role": "reader"},
		},
		UnknownAccount: "mallory",
		ForeignGrant: func(t testing.TB, g grants.Grant) {
			edit(t, func(c *Content) { c.Grants = append(c.Grants, holding(g)) })
		},
		ForeignRevoke: func(t testing.TB, g grants.Grant) {
			edit(t, func(c *Content) {
				c.Grants = slices.DeleteFunc(c.Grants, func(h Holding) bool { return h.is(g) })
			})
		},
		Named: func(name string) connectors.Spec { return connectors.Spec{"role": name, "resource": name} },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if !utf8.ValidString(name) {
				return true // to be refused by the connector: JSON would make another name of it
			}
			edit(t, func(c *Content) {
				if kind == conformance.AccountName {
					c.Accounts = append(c.Accounts, name)
				} else {
					c.Roles = append(c.Roles, name)
				}
			})
			return true
		},
		Session: func(t testing.TB, g grants.Grant) func() bool {
			edit(t, func(c *Content) { c.Sessions = append(c.Sessions, holding(g)) })
			return func() bool {
				return slices.ContainsFunc(w.Read(t).Sessions, func(h Holding) bool { return h.is(g) })
			}
		},
		Expired: func(t testing.TB, g grants.Grant) bool {
			for _, h := range w.Read(t).Grants {
				if h.is(g) {
					end, err := time.Parse(time.RFC3339Nano, h.Until)
					return err == nil && !end.After(time.Now())
				}
			}
			return true
		},
		NotApplicable: map[conformance.Case]string{},
	}
}
