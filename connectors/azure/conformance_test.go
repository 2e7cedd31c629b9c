package azure

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

// entraName is what Entra takes before the @, in short.
var entraName = regexp.MustCompile(`^[A-Za-z0-9'._!#^~-]{1,64}$`)

func TestConformance(t *testing.T) {
	w := scene(t)
	specs := []connectors.Spec{{"subscription": sub, "role": "Reader"}, {"subscription": sub, "resourceGroup": "shop", "role": "Reader"}, {"group": crew}}
	conformance.Run(t, w.subject(t, specs, func(name string) connectors.Spec { return connectors.Spec{"subscription": sub, "role": name} },
		connectors.Spec{"subscription": sub, "role": "No such role"}))
}

func TestGroupsConform(t *testing.T) {
	t.Setenv(conformance.MatrixFile, "") // the first one is the connector's row
	w := scene(t)
	specs := []connectors.Spec{{"group": crew}, {"group": "Second"}}
	w.Group("bbbbbbbb-0000-4000-8000-000000000003", "Second", map[string]any{"groupTypes": []string{"Unified"}, "mailEnabled": true})
	conformance.Run(t, w.subject(t, specs, func(name string) connectors.Spec { return connectors.Spec{"group": name} },
		connectors.Spec{"group": "bbbbbbbb-0000-4000-8000-00000000ffff"}))
}

// subject is the connector in a scene.
func (w *world) subject(t *testing.T, specs []connectors.Spec, named func(string) connectors.Spec, absent connectors.Spec) conformance.Subject {
	byHand := w.hand(t)
	ids := map[string]string{"alice": person(0), "bob": person(1), "carol": person(2), "dave": person(3)}
	roles := map[string]string{"Reader": reader}
	settings := w.settings()
	settings["roles"] = append(settings["roles"].([]string), hostile...)
	settings["groups"] = append([]string{crew, "Second"}, hostile...)
	read := func(t testing.TB, g grants.Grant) (e entitlement, group, id string) {
		e, err := readText(g.Entitlement)
		if err != nil {
			t.Fatal(err)
		}
		group = e.group
		if group == "Second" {
			group = "bbbbbbbb-0000-4000-8000-000000000003"
		}
		return e, group, ids[g.Account]
	}
	made := 0
	return conformance.Subject{
		Driver: Driver{}, Target: "azure-prod",
		Open:     func(t testing.TB) connectors.Connector { return connect(t, settings) },
		Accounts: []string{"alice", "bob", "carol", "dave"}, Specs: specs, Absent: absent, Named: named,
		BadSpecs: []connectors.Spec{{"subscription": sub}, {"role": "Reader"}, {"subscription": strings.ToUpper(sub), "role": "Reader"}, {"subscription": "shop", "role": "Reader"},
			{"subscription": sub, "resourceGroup": "Shop", "role": "Reader"}, {"subscription": sub, "resourceGroup": "shop/x", "role": "Reader"}, {"subscription": sub, "resourceGroup": "shop.", "role": "Reader"},
			{"resourceGroup": "shop", "role": "Reader"}, {"subscription": sub, "managementGroup": "retail", "role": "Reader"}, {"group": crew, "role": "Reader"}, {"group": strings.ToUpper(crew)}, {"group": ""},
			{"scope": subPath, "role": "Reader"}, {"scope": "/", "role": "Reader"}, {"scope": storage, "role": "Reader"}, {"scope": strings.ToLower(shop), "role": "Reader"},
			{"scope": strings.ToLower(storage) + "/../x", "role": "Reader"}, {"managementGroup": "Retail", "role": "Reader"}, {"subscription": sub, "role": "a%41"}, {"subscription": 7, "role": "Reader"}},
		UnknownAccount: "mallory",
		ForeignGrant: func(t testing.TB, g grants.Grant) {
			e, group, id := read(t, g)
			if group != "" {
				byHand.join(t, group, id)
				return
			}
			made++
			byHand.assign(t, e.scope, roles[e.role], id, fmt.Sprintf("eeeeeeee-0000-4000-8000-%012d", made), "")
		},
		ForeignRevoke: func(t testing.TB, g grants.Grant) {
			if e, group, id := read(t, g); group != "" {
				byHand.leave(t, group, id)
			} else {
				byHand.unassign(t, e.scope, roles[e.role], id)
			}
		},
		Create: func(_ testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.EntitlementName {
				if _, err := (Driver{}).Canonical(named(name)); err == nil {
					id := made
					made++
					w.Role(fmt.Sprintf("%s%012d", extra, id%98), name, "*/read")
					w.Group(guid(name), name, nil)
				}
				return true
			}
			if entraName.MatchString(name) {
				w.User(guid(name), name+"@example.com")
			}
			return entraName.MatchString(name)
		},
		Kill: w.Kill, Restart: w.Restart,
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			missing := []string{"missing right: User.ReadBasic.All of Microsoft Graph"}
			if specs[0]["group"] == nil {
				missing = append(missing, "missing right: Microsoft.Authorization/roleAssignments/write on "+subPath, "missing right: Microsoft.Authorization/roleAssignments/delete on "+subPath)
			}
			if specs[len(specs)-1]["group"] != nil {
				missing = append(missing, "missing right: GroupMember.ReadWrite.All of Microsoft Graph")
			}
			set := w.with("client", weak)
			set["groups"] = settings["groups"]
			return connect(t, set), missing
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseSessions:     "Azure checks roles at each request and has no session for it; Entra can only end all sessions of a person everywhere, and access tokens outlive that",
			conformance.CaseNativeExpiry: "only Privileged Identity Management has assignments with an end, and the connector does not use it",
		},
	}
}

// guid is an id that follows from a name.
func guid(name string) string {
	h := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32]
}

// hostile are the suite's names that the setting lists must hold, so that only the
// connector and the server decide about them.
var hostile = []string{
	`o'brien`, `say "hi"`, `'; DROP ROLE x; --`, `a"; GRANT ALL TO b; --`, `a;b`, `a,b`, `a:b`, `a=b`, `a|b`, "`id`", `$(id)`, `${HOME}`, `{{.}}`, `{{ "x" }}`,
	`a)(b`, `../../etc/passwd`, `/`, `-rf`, `--help`, `@include x`, `!a`, `~`, `ALL`, `Defaults`, `größe`, `名前`, `аdmin`, `🙂`, `MiXed`, `mixed`, `public`, `none`, `null`, `true`, `0`,
	strings.Repeat("x", 63), strings.Repeat("x", 64), strings.Repeat("é", 40),
}
