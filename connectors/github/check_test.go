package github

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
)

// asApp returns the settings of an App with these permissions.
func asApp(t *testing.T, o *org, permissions map[string]string) connectors.Settings {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	o.App(12, 34, &key.PublicKey, permissions)
	set := settingsOf(t, o.Server)
	delete(set, "token")
	set["appID"], set["installationID"] = 12, 34
	set["privateKey"] = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	return set
}

// appPermissions are those of the documentation.
func appPermissions(t *testing.T) map[string]string {
	out := map[string]string{}
	for _, line := range documented(t, "permissions") {
		name, level, _ := strings.Cut(line, ": ")
		out[name] = level
	}
	return out
}

func TestAnAppDoesTheWholeJob(t *testing.T) {
	o := newOrg(t)
	o.connector = connect(t, asApp(t, o, appPermissions(t)))
	if errs := o.Check(t.Context(), o.all()); len(errs) > 0 {
		t.Errorf("good credentials: %v", errors.Join(errs...))
	}
	for _, spec := range []connectors.Spec{teamSpec("orders", "member"), repoSpec("shop", "push"), roleSpec("security_manager"), roleSpec("admin")} {
		must(t, o.grant("alice", spec))
		if !o.holds("alice", spec) {
			t.Errorf("%v is not shown", spec)
		}
		must(t, o.revoke("alice", spec))
		if o.holds("alice", spec) {
			t.Errorf("%v is left", spec)
		}
	}
	must(t, o.grant("erin", teamSpec("orders", "member")))
	must(t, o.revoke("erin", teamSpec("orders", "member")))
	if o.Invited("erin") {
		t.Error("the App does not know its own invitation")
	}
	_, err := o.Observe(t.Context(), []string{canon(t, repoSpec("ghost", "push"))})
	wants(t, err, "selected repositories")
}

func TestMissingPermissionsOfAnAppAreNamed(t *testing.T) {
	for name := range appPermissions(t) {
		o := newOrg(t)
		less := appPermissions(t)
		delete(less, name)
		o.connector = connect(t, asApp(t, o, less))
		errs := o.Check(t.Context(), o.all())
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), "permission "+name) {
			t.Errorf("without %s: %v", name, errs)
		}
	}
}

func TestMissingScopesOfATokenAreNamed(t *testing.T) {
	o := newOrg(t)
	for _, c := range []struct {
		scopes, scope, words []string
	}{
		{[]string{"repo"}, o.all(), []string{"scope admin:org"}},
		{[]string{"admin:org"}, o.all(), []string{"scope repo"}},
		{[]string{"read:org"}, o.all(), []string{"scope admin:org", "scope repo"}},
		{[]string{"admin:org"}, o.all()[:1], nil},
		{[]string{"repo"}, o.all()[1:2], nil},
		{nil, nil, nil},
	} {
		weak := connect(t, settingsOf(t, o.Server), "token", o.Token("tenure-bot", c.scopes...))
		errs := weak.Check(t.Context(), c.scope)
		if len(errs) != len(c.words) {
			t.Errorf("%v for %v: %v", c.scopes, c.scope, errs)
		}
		for i, err := range errs {
			wants(t, err, c.words[i])
		}
	}
	errs := connect(t, settingsOf(t, o.Server), "token", "ghp_wrong").Check(t.Context(), o.all())
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "does not take the credentials") {
		t.Errorf("%v", errs)
	}
}

// TestEveryCallOfTheDescriptionIsMade keeps the extract of GitHub's description to what
// is used, and the stand-in to all of it.
func TestEveryCallOfTheDescriptionIsMade(t *testing.T) {
	o := newOrg(t)
	user := o.connector
	app := connect(t, asApp(t, o, appPermissions(t)))
	for _, c := range []*connector{app, user} {
		o.connector = c
		for _, login := range []string{"alice", "erin"} {
			for _, spec := range []connectors.Spec{teamSpec("orders", "member"), repoSpec("shop", "push")} {
				must(t, o.grant(login, spec))
				if !o.holds(login, spec) {
					t.Errorf("%v of %s is not shown", spec, login)
				}
				must(t, o.revoke(login, spec))
			}
		}
		for _, spec := range []connectors.Spec{roleSpec("security_manager"), roleSpec("admin")} {
			must(t, o.grant("alice", spec), o.revoke("alice", spec))
		}
		if _, err := o.Observe(t.Context(), []string{canon(t, repoSpec("ghost", "push"))}); (err == nil) != (c == user) {
			t.Errorf("a repository that is not there: %v", err)
		}
	}
	must(t, o.grant("erin", teamSpec("orders", "member")))
	o.Expire("erin")
	must(t, o.revoke("erin", teamSpec("orders", "member")))
	calls, seen := o.Seen()
	for _, call := range calls {
		if seen[call] == 0 {
			t.Errorf("nothing makes the call %s", call)
		}
	}
}

func TestALargeBatchTakesFewRequests(t *testing.T) {
	o := newOrg(t)
	const n = 150
	var grant, revoke []connectors.Act
	for i := range n {
		login := fmt.Sprintf("user%03d", i)
		o.Member(login, "member")
		g := o.g(login, teamSpec("orders", "member"))
		grant, revoke = append(grant, connectors.Act{Grant: g, Until: soon()}), append(revoke, connectors.Act{Grant: g, Revoke: true})
	}
	must(t, o.Apply(t.Context(), grant)...)
	if puts := o.Requests(http.MethodPut); puts != n {
		t.Errorf("%d changes for %d grants", puts, n)
	}
	o.Requests(http.MethodGet)
	o.Requests(http.MethodPost)
	must(t, o.Apply(t.Context(), revoke)...)
	deletes, reads := o.Requests(http.MethodDelete), o.Requests(http.MethodGet)+o.Requests(http.MethodPost)
	if deletes != n || reads > 10 {
		t.Errorf("%d revokes took %d changes and %d reads", n, deletes, reads)
	}
	must(t, o.Apply(t.Context(), revoke)...)
	if deletes := o.Requests(http.MethodDelete); deletes != 0 {
		t.Errorf("%d changes of what is gone already", deletes)
	}
}

func TestPartsAreThings(t *testing.T) {
	o := newOrg(t)
	a, b, c := canon(t, teamSpec("orders", "member")), canon(t, teamSpec("orders", "maintainer")), canon(t, repoSpec("shop", "pull"))
	got := o.Parts([]string{a, c, "not canonical", b})
	want := [][]string{{a, b}, {c}, {"not canonical"}}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("%q", got)
	}
}

func TestTheSchemasAgreeWithTheCode(t *testing.T) {
	long := strings.Repeat("x", 101)
	specs := []connectors.Spec{
		{}, {"team": "orders"}, {"team": "orders", "role": "member"}, {"team": "orders", "role": "maintainer"}, {"team": "orders", "role": "owner"}, {"team": "Orders"},
		{"team": ""}, {"team": "a b"}, {"team": "orders", "permission": "pull"}, {"role": "member"}, {"team": "orders", "repository": "shop"},
		{"repository": "shop"}, {"repository": "shop", "permission": 7}, {"repository": "shop", "permission": ""}, {"repository": "shop", "permission": long},
		{"repository": "a/b", "permission": "pull"}, {"repository": "..", "permission": "pull"}, {"repository": "x.GIT", "permission": "pull"}, {"repository": long, "permission": "pull"},
		{"organizationRole": "admin"}, {"organizationRole": "CI/CD admin"}, {"organizationRole": ""}, {"organizationRole": "admin", "role": "member"}, {"organizationRole": long},
		{"permission": "pull"}, {"repository": "shop", "permission": "pull", "role": "member"},
	}
	for _, p := range []string{"pull", "triage", "push", "maintain", "admin", "reviewer", "read", "Write", "none"} {
		specs = append(specs, repoSpec("shop", p))
	}
	base := func(change ...any) connectors.Settings {
		s := connectors.Settings{"organization": "acme", "token": "t"}
		for i := 0; i+1 < len(change); i += 2 {
			if change[i+1] == nil {
				delete(s, change[i].(string))
			} else {
				s[change[i].(string)] = change[i+1]
			}
		}
		return s
	}
	conformance.SchemasAgree(t, Driver{}, specs, []connectors.Settings{
		{}, base(), base("organization", "a/b"), base("organization", nil), base("token", nil), base("token", ""), base("tokenFile", "/dev/null"), base("appID", 1),
		base("accounts", "id"), base("accounts", "login"), base("accounts", "email"), base("teams", []any{"orders"}), base("teams", []any{"Orders"}), base("teams", "orders"),
		base("teamRoles", []any{"maintainer"}), base("teamRoles", []any{"owner"}), base("repositories", []any{"shop"}), base("repositories", []any{"a/b"}),
		base("permissions", []any{"admin", "reviewer"}), base("permissions", []any{""}), base("organizationRoles", []any{"admin"}), base("organizationRoles", []any{""}),
		base("inviteMembers", true), base("outsideCollaborators", "false"), base("inviteMembers", "yes"), base("timeout", "1m30s"), base("timeout", "soon"), base("timeout", 5),
		base("baseURL", "https://git.example.com"), base("baseURL", "ftp://git.example.com"), base("secret", "x"),
	})
}

func TestSettingsThatCannotBeMeantAreRefusedWithoutTheirValues(t *testing.T) {
	for _, s := range []connectors.Settings{
		{"organization": "acme", "token": "hunter2", "appID": 1, "installationID": 2, "privateKey": "hunter2"},
		{"organization": "acme", "appID": 1, "privateKey": "hunter2"},
		{"organization": "acme", "appID": 1, "installationID": 2, "privateKey": "hunter2"},
		{"organization": "acme", "token": "t", "ca": "hunter2"},
		{"organization": "acme", "token": "t", "baseURL": "http://git.example.com/hunter2"},
		{"organization": "acme", "token": "t", "baseURL": "https://me:hunter2@git.example.com"},
	} {
		c, err := Driver{}.Open(t.Context(), target, s)
		if err == nil {
			_ = c.Close()
			t.Errorf("%v passed", s)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error holds a value: %v", err)
		}
	}
}
