package github

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func TestANumberFollowsAPersonWhoChangesLogin(t *testing.T) {
	o := newOrg(t)
	for name, spec := range map[string]connectors.Spec{"team": teamSpec("orders", "member"), "repository": repoSpec("shop", "push"), "role": roleSpec("security_manager")} {
		g := o.g("alice", spec)
		must(t, o.Grant(t.Context(), g, soon()))
		o.Rename("alice", "alice-two")
		o.Member("alice", "member") // somebody else takes the login
		if !o.holds("alice-two", spec) || o.holds("alice", spec) {
			t.Errorf("%s: the grant went from the person", name)
		}
		must(t, o.Revoke(t.Context(), g))
		if o.holds("alice-two", spec) {
			t.Errorf("%s: the revoke did not find the person", name)
		}
		must(t, o.Grant(t.Context(), g, soon()))
		if !o.holds("alice-two", spec) || o.holds("alice", spec) {
			t.Errorf("%s: granted to whoever has the login", name)
		}
		must(t, o.Revoke(t.Context(), g))
		o.Rename("alice", name+"-other")
		o.Rename("alice-two", "alice")
	}
}

func TestALoginThatChangesHandsDuringTheGrantGetsNothing(t *testing.T) {
	for name, spec := range map[string]connectors.Spec{"team": teamSpec("orders", "member"), "repository": repoSpec("shop", "push"), "role": roleSpec("security_manager")} {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			g := o.g("alice", spec)
			var once atomic.Bool
			o.Fail(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
				if r.Method == http.MethodPut && once.CompareAndSwap(false, true) {
					o.Rename("alice", "alice-two")
					o.Member("alice", "member")
				}
				return false
			})
			wants(t, o.Grant(t.Context(), g, soon()), "login changed")
			if o.holds("alice", spec) {
				t.Error("whoever took the login has the access")
			}
			must(t, o.Grant(t.Context(), g, soon()))
			if !o.holds("alice-two", spec) || o.holds("alice", spec) {
				t.Error("the next pass does not mend it")
			}
		})
	}
}

func TestAccountsAreNumbersUnlessTheSettingSaysLogins(t *testing.T) {
	o := newOrg(t)
	for _, account := range []string{"alice", "0", "007", "-1", "1e3", "583231 ", "99999999999999999999"} {
		err := o.Grant(t.Context(), grants.Grant{Target: target, Account: account, Entitlement: canon(t, teamSpec("orders", "member"))}, soon())
		wants(t, err, "number of an account")
	}
	byLogin := connect(t, settingsOf(t, o.Server), "accounts", "login")
	try := func(account string) error {
		return byLogin.Grant(t.Context(), grants.Grant{Target: target, Account: account, Entitlement: canon(t, teamSpec("orders", "member"))}, soon())
	}
	wants(t, try("Alice"), `writes account "Alice" as "alice"`)
	wants(t, try("a/b"), "not a login")
	must(t, try("alice"))
	o.Rename("bob", "robert")
	if err := try("bob"); !errors.Is(err, connectors.ErrNoAccount) {
		t.Errorf("a login that nobody has: %v", err)
	}
}

func TestAnOrganizationIsNoPerson(t *testing.T) {
	o := newOrg(t)
	o.Organization("other-org")
	wants(t, o.grant("other-org", teamSpec("orders", "member")), `kind "Organization"`)
}

func TestTheOwnAccountIsLeftAlone(t *testing.T) {
	o := newOrg(t)
	for _, spec := range []connectors.Spec{teamSpec("orders", "maintainer"), repoSpec("shop", "push"), roleSpec("security_manager"), roleSpec("admin")} {
		if spec["organizationRole"] != "admin" {
			wants(t, o.grant("tenure-bot", spec), "left alone")
		}
	}
	o.Join("orders", "tenure-bot", "maintainer")
	wants(t, o.revoke("tenure-bot", teamSpec("orders", "maintainer")), "left alone")
	wants(t, o.revoke("tenure-bot", roleSpec("admin")), "left alone")
	if o.Role("tenure-bot") != "admin" || o.InTeam("orders", "tenure-bot") == "" {
		t.Error("the own account was changed")
	}
}

func TestOwnershipIsGivenToMembersAndLeavesThemMembers(t *testing.T) {
	o := newOrg(t)
	must(t, o.grant("alice", roleSpec("admin")))
	if o.Role("alice") != "admin" || !o.holds("alice", roleSpec("admin")) {
		t.Fatal("alice owns nothing")
	}
	must(t, o.revoke("alice", roleSpec("admin")), o.revoke("alice", roleSpec("admin")))
	if o.Role("alice") != "member" {
		t.Errorf("alice is %q", o.Role("alice"))
	}
	wants(t, o.grant("erin", roleSpec("admin")), "nobody is invited as an owner")
	o.Invite("root", "erin", "admin", nil)
	if !o.holds("erin", roleSpec("admin")) {
		t.Error("an invitation as an owner is hidden")
	}
	must(t, o.revoke("erin", roleSpec("admin")))
	if o.Invited("erin") {
		t.Error("it was not withdrawn")
	}
}

// TestAnOwnersTeamIsTheirsAtAnyRole: GitHub calls owners maintainers, so who becomes an
// owner must not keep a team that was granted to them as a member.
func TestAnOwnersTeamIsTheirsAtAnyRole(t *testing.T) {
	o := newOrg(t)
	for _, role := range []string{"member", "maintainer"} {
		must(t, o.grant("root", teamSpec("orders", role)))
		if o.InTeam("orders", "root") != "maintainer" || !o.holds("root", teamSpec("orders", role)) {
			t.Errorf("an owner is not shown as %s", role)
		}
		must(t, o.revoke("root", teamSpec("orders", role)))
		if o.InTeam("orders", "root") != "" {
			t.Errorf("an owner keeps the team that was granted to them as %s", role)
		}
	}
	must(t, o.grant("alice", teamSpec("orders", "member")))
	o.Member("alice", "admin")
	o.Join("orders", "alice", "maintainer") // as GitHub does by itself
	if !o.holds("alice", teamSpec("orders", "member")) {
		t.Error("whoever becomes an owner is lost")
	}
	must(t, o.revoke("alice", teamSpec("orders", "member")))
	if o.InTeam("orders", "alice") != "" {
		t.Error("the team outlived its revoke")
	}
	o.Join("orders", "bob", "maintainer")
	if o.holds("bob", teamSpec("orders", "member")) {
		t.Error("a maintainer who is no owner is shown as a member")
	}
}

func TestTheLastOwnerStays(t *testing.T) {
	s := world(t)
	s.Member("tenure-bot", "member")
	o := &org{s, connect(t, settingsOf(t, s)), t}
	// An App can act without being an owner; here the stand-in lets a token of root do it.
	o.set.Token = ""
	asRoot := connect(t, settingsOf(t, s), "token", s.Token("root", documented(t, "scopes")...))
	s.Member("alice", "admin")
	must(t, asRoot.Revoke(t.Context(), o.g("alice", roleSpec("admin"))))
	if s.Role("alice") != "member" {
		t.Error("one of two owners was not taken")
	}
	own := &ownership{c: asRoot}
	wants(t, own.revoke(t.Context(), held{person: person{id: s.ID("root"), login: "root"}}), "last owner")
	if s.Role("root") != "admin" {
		t.Error("the organisation has no owner")
	}
	s.Member("bob", "admin")
	// Who left meanwhile is not invited back by a change of role.
	must(t, own.revoke(t.Context(), held{person: person{id: s.ID("erin"), login: "erin"}}))
	if s.Invited("erin") {
		t.Error("a revoke sent an invitation")
	}
}

func TestSettingsAreACeiling(t *testing.T) {
	s := world(t)
	s.Repo("vault")
	for _, c := range []struct {
		setting string
		value   any
		spec    connectors.Spec
		word    string
	}{
		{"teams", []string{"desk"}, teamSpec("orders", "member"), "setting teams"},
		{"teamRoles", nil, teamSpec("orders", "maintainer"), "setting teamRoles"},
		{"repositories", []string{"shop"}, repoSpec("vault", "pull"), "setting repositories"},
		{"permissions", nil, repoSpec("shop", "admin"), "setting permissions"},
		{"permissions", nil, repoSpec("shop", "maintain"), "setting permissions"},
		{"permissions", nil, repoSpec("shop", "reviewer"), "setting permissions"},
		{"organizationRoles", nil, roleSpec("security_manager"), "setting organizationRoles"},
		{"organizationRoles", nil, roleSpec("admin"), "setting organizationRoles"},
		{"teams", []string{}, teamSpec("orders", "member"), "setting teams"},
	} {
		o := &org{s, connect(t, settingsOf(t, s), c.setting, c.value), t}
		wants(t, o.grant("alice", c.spec), c.word)
		if o.holds("alice", c.spec) {
			t.Errorf("%v was granted", c.spec)
		}
		if errs := o.Check(t.Context(), []string{canon(t, c.spec)}); len(errs) != 1 || !strings.Contains(errs[0].Error(), c.word) {
			t.Errorf("check: %v", errs)
		}
		must(t, o.revoke("alice", c.spec)) // a ceiling holds nothing up
	}
}

func TestARenamedRepositoryIsFollowedToItsEnd(t *testing.T) {
	o := newOrg(t)
	must(t, o.grant("alice", repoSpec("shop", "push")), o.grant("erin", repoSpec("shop", "push")))
	o.RenameRepo("shop", "store")
	for _, login := range []string{"alice", "erin"} {
		if !o.holds(login, repoSpec("shop", "push")) {
			t.Errorf("%s holds it still, by another name", login)
		}
	}
	wants(t, o.grant("bob", repoSpec("shop", "push")), `called "store"`)
	wants(t, o.grant("bob", repoSpec("Store", "push")), `called "store"`)
	must(t, o.revoke("alice", repoSpec("shop", "push")), o.revoke("erin", repoSpec("shop", "push")))
	if o.OnRepo("store", "alice") != "" {
		t.Error("alice kept it by the new name")
	}
	if _, repos := o.Invitations("erin"); repos != 0 {
		t.Error("erin kept the invitation")
	}
}

func TestWhatDoesNotExistIsNamed(t *testing.T) {
	o := newOrg(t, "organizationRoles", []string{"ghost"})
	for _, spec := range []connectors.Spec{teamSpec("ghost", "member"), repoSpec("ghost", "push"), roleSpec("ghost")} {
		wants(t, o.grant("alice", spec), `"ghost"`)
		if errs := o.Check(t.Context(), []string{canon(t, spec)}); len(errs) != 1 || !strings.Contains(errs[0].Error(), `"ghost"`) {
			t.Errorf("check: %v", errs)
		}
	}
	o.Sync("orders")
	wants(t, o.grant("alice", teamSpec("orders", "member")), "HTTP 403", "synchronization")
}

func TestASuspendedAccountIsGrantedNothing(t *testing.T) {
	o := newOrg(t)
	id := o.ID("alice")
	o.Fail(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.URL.Path != fmt.Sprintf("/api/v3/user/%d", id) {
			return false
		}
		answer(200, nil, fmt.Sprintf(`{"id":%d,"login":"alice","type":"User","suspended_at":"2026-11-01T00:00:00Z"}`, id))(w)
		return true
	})
	wants(t, o.grant("alice", teamSpec("orders", "member")), "is suspended")
}

func TestAnotherAccountInTheAnswerIsRefused(t *testing.T) {
	o := newOrg(t)
	id := o.ID("alice")
	for name, body := range map[string]string{
		"another number": `{"id":7,"login":"alice","type":"User"}`, "no login": fmt.Sprintf(`{"id":%d,"type":"User"}`, id), "nothing": `{}`,
	} {
		o.Fail(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if r.URL.Path != fmt.Sprintf("/api/v3/user/%d", id) {
				return false
			}
			answer(200, nil, body)(w)
			return true
		})
		if err := o.grant("alice", teamSpec("orders", "member")); err == nil || o.InTeam("orders", "alice") != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
