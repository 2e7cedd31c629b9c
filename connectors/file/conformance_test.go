package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

// Another hand edits these formats the way people do: a row, or a line at the end.
func TestConformance(t *testing.T) {
	for _, format := range []string{"htgroup", "csv", "json", "template", "csv that must exist"} {
		t.Run(format, func(t *testing.T) {
			format, mustExist := strings.CutSuffix(format, " that must exist")
			settings := connectors.Settings{"path": filepath.Join(t.TempDir(), "managed"), "format": format}
			if format == "template" {
				delete(settings, "format")
				settings["template"] = ini
			}
			if mustExist {
				settings["mustExist"] = true
				ok(t, os.WriteFile(settings["path"].(string), nil, 0o640))
			}
			open := func(t testing.TB) connectors.Connector {
				c, err := Driver{}.Open(t.Context(), "t", settings)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			s := conformance.Subject{
				Driver: Driver{}, Target: "t", Open: open,
				Accounts: []string{"alice", "bob", "carol", "dave"},
				Specs:    []connectors.Spec{{"group": "ops"}, {"group": "dev"}},
				Absent:   connectors.Spec{"group": "absent"},
				BadSpecs: []connectors.Spec{{"group": 1}, {"group": []any{"a"}}, {"group": ""}, {"group": "a\nb"}},
				Named:    func(name string) connectors.Spec { return connectors.Spec{"group": name} },
				Weak: func(t testing.TB) (connectors.Connector, []string) {
					broken := connectors.Settings{"path": settings["path"], "format": "csv", "reload": []any{"no-such-reload"}}
					c, err := Driver{}.Open(t.Context(), "t", broken)
					if err != nil {
						t.Fatal(err)
					}
					return c, []string{"setting reload", "no-such-reload"}
				},
				NotApplicable: map[conformance.Case]string{
					conformance.CaseUnknownAccount: "a file does not know which accounts exist",
					conformance.CaseCrash:          "there is no server to crash; the swap has its own crash tests",
					conformance.CaseSessions:       "the connector does not know the system that reads the file",
					conformance.CaseNativeExpiry:   "a file has no clock",
				},
			}
			if format == "csv" {
				s.ForeignGrant, s.ForeignRevoke = csvHand(settings["path"].(string))
			} else {
				reason := "edits by hand are tested format by format"
				s.NotApplicable[conformance.CaseForeign], s.NotApplicable[conformance.CaseDrift] = reason, reason
			}
			conformance.Run(t, s)
		})
	}
}

// csvHand edits the file without the connector's code.
func csvHand(path string) (grant, revoke func(testing.TB, grants.Grant)) {
	row := func(g grants.Grant) string {
		return fmt.Sprintf("%s,%s\n", strings.TrimPrefix(g.Entitlement, "group="), g.Account)
	}
	edit := func(t testing.TB, change func(string) string) {
		old, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(change(string(old))), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return func(t testing.TB, g grants.Grant) { edit(t, func(s string) string { return s + row(g) }) },
		func(t testing.TB, g grants.Grant) {
			edit(t, func(s string) string { return strings.ReplaceAll(s, row(g), "") })
		}
}
