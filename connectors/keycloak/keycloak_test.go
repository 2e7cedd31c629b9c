package keycloak

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

// TestKeycloak shares one server, which takes seconds to start, among its parts.
func TestKeycloak(t *testing.T) {
	s := start(t)
	t.Run("conformance", func(t *testing.T) { conform(t, s) })
	t.Run("what is granted is in the person's token, and what is revoked is not", s.real)
	t.Run("sessions with another way to the same stay", s.otherWays)
	t.Run("an offline session ends too", s.offline)
	t.Run("what administers the realm is refused unless it is listed", s.admin)
	t.Run("the reconciler's own account is left alone", s.own)
	t.Run("a group whose name has a slash is not taken for two", s.slash)
	t.Run("a name is spelled as the server spells it", s.spelling)
	t.Run("ceilings are kept", s.ceilings)
	t.Run("a right taken away is named", s.rights)
	t.Run("who and what is gone can be revoked", s.gone)
}

func conform(t *testing.T, s *server) {
	made := map[string]bool{}
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "staff",
		Open:     func(t testing.TB) connectors.Connector { return s.open(t, nil) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs: []connectors.Spec{
			{"group": "/ops"}, {"group": "/ops/night"}, {"realmRole": "auditor"}, {"client": "shop", "role": "editor"},
		},
		Absent: connectors.Spec{"group": "/ops/absent"},
		BadSpecs: []connectors.Spec{
			{"group": 1}, {"group": "ops"}, {"group": "/"}, {"group": "/ops/"}, {"group": "//ops"}, {"group": "/a\x00"}, {"realmRole": ""}, {"realmRole": ".."},
			{"client": "shop"}, {"role": "editor"}, {"client": "..", "role": "a"}, {"group": "/ops", "realmRole": "auditor"}, {"realmRole": "a", "client": "b"},
		},
		UnknownAccount: "mallory",
		ForeignGrant:   func(t testing.TB, g grants.Grant) { s.byHand(t, g, false) },
		ForeignRevoke:  func(t testing.TB, g grants.Grant) { s.byHand(t, g, true) },
		Named:          func(name string) connectors.Spec { return connectors.Spec{"realmRole": name} },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.AccountName {
				return s.user(t, name, false)
			}
			if !made[name] {
				status := s.call(t, "POST", "/admin/realms/staff/roles", map[string]any{"name": name}, nil)
				made[name] = status == 201 || status == 409
			}
			return made[name]
		},
		Many:     pageSize + 20,   // more than a page
		Patience: 8 * time.Minute, // each start takes seconds
		Kill:     func(testing.TB) { s.Kill() },
		Restart:  func(t testing.TB) { s.Restart(t) },
		Session:  func(t testing.TB, g grants.Grant) func() bool { return s.session(t, g.Account, "openid") },
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return s.open(t, connectors.Settings{"clientID": "weak"}), []string{
				"missing right: manage-users", "missing right: view-realm", "missing right: view-clients",
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseNativeExpiry: "neither members of groups nor roles of users have an end in Keycloak",
		},
	})
}

// roles returns what a new token of the person says.
func (s *server) real(t *testing.T) {
	c := s.opened(t, nil)
	for _, tc := range []struct {
		spec connectors.Spec
		word string
	}{{connectors.Spec{"realmRole": "auditor"}, "auditor"}, {connectors.Spec{"client": "shop", "role": "editor"}, "editor"}} {
		g := gr("alice", tc.spec)
		says := func() bool {
			access, _ := s.login(t, "staff", url.Values{"client_id": {"shop"}, "grant_type": {"password"}, "username": {"alice"}, "password": {password}})
			return strings.Contains(claims(t, access), `"`+tc.word+`"`)
		}
		if says() {
			t.Errorf("%s before it was granted", tc.word)
		}
		ok(t, c.Grant(t.Context(), g, time.Time{}))
		if !says() {
			t.Errorf("%s was granted, and a token does not have it", tc.word)
		}
		ok(t, c.Revoke(t.Context(), g))
		if says() {
			t.Errorf("%s was revoked, and a token has it", tc.word)
		}
	}
}

func (s *server) otherWays(t *testing.T) {
	c := s.opened(t, nil)
	ender, _ := connectors.AsSessionEnder(c)
	for name, tc := range map[string]struct{ lost, other connectors.Spec }{
		"in a group below": {connectors.Spec{"group": "/ops"}, connectors.Spec{"group": "/ops/night"}},
		"the same again":   {connectors.Spec{"realmRole": "auditor"}, connectors.Spec{"realmRole": "auditor"}},
	} {
		s.byHand(t, gr("alice", tc.other), false)
		works := s.session(t, "alice", "openid")
		ok(t, ender.EndSessions(t.Context(), []grants.Grant{gr("alice", tc.lost)}))
		if !works() {
			t.Errorf("%s: the session was ended", name)
		}
		s.byHand(t, gr("alice", tc.other), true)
		ok(t, ender.EndSessions(t.Context(), []grants.Grant{gr("alice", tc.lost)}))
		if works() {
			t.Errorf("%s: the session outlived the last way", name)
		}
	}
	// A role that the person has through a group.
	s.must(t, "POST", "/admin/realms/staff/groups/"+s.groupID(t, "ops")+"/role-mappings/realm", []any{s.role(t, "auditor")})
	s.byHand(t, gr("alice", connectors.Spec{"group": "/ops"}), false)
	works := s.session(t, "alice", "openid")
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{gr("alice", connectors.Spec{"realmRole": "auditor"})}))
	if !works() {
		t.Error("the session was ended although a group gives the role")
	}
	s.byHand(t, gr("alice", connectors.Spec{"group": "/ops"}), true)
	s.must(t, "DELETE", "/admin/realms/staff/groups/"+s.groupID(t, "ops")+"/role-mappings/realm", []any{s.role(t, "auditor")})
}

func (s *server) role(t testing.TB, name string) map[string]any {
	var r map[string]any
	if status := s.call(t, "GET", "/admin/realms/staff/roles/"+name, nil, &r); status != 200 {
		t.Fatalf("role %q: %d", name, status)
	}
	return r
}

func (s *server) offline(t *testing.T) {
	ender, _ := connectors.AsSessionEnder(s.opened(t, nil))
	works := s.session(t, "alice", "offline_access")
	if !works() {
		t.Fatal("an offline session cannot be used")
	}
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{gr("alice", connectors.Spec{"group": "/ops"})}))
	if works() {
		t.Error("an offline session outlived it")
	}
}

func (s *server) admin(t *testing.T) {
	management := s.clientID(t, adminClient)
	var manage map[string]any
	s.call(t, "GET", "/admin/realms/staff/clients/"+management+"/roles/manage-realm", nil, &manage)
	s.must(t, "POST", "/admin/realms/staff/roles", map[string]any{"name": "boss"})
	s.must(t, "POST", "/admin/realms/staff/roles", map[string]any{"name": "big-boss"})
	s.must(t, "POST", "/admin/realms/staff/roles/boss/composites", []any{manage})
	s.must(t, "POST", "/admin/realms/staff/roles/big-boss/composites", []any{s.role(t, "boss")})
	s.must(t, "POST", "/admin/realms/staff/groups", map[string]any{"name": "bosses"})
	bosses := s.groupID(t, "bosses")
	s.must(t, "POST", "/admin/realms/staff/groups/"+bosses+"/children", map[string]any{"name": "new"})
	s.must(t, "POST", "/admin/realms/staff/groups/"+bosses+"/role-mappings/clients/"+management, []any{manage})
	s.must(t, "POST", "/admin/realms/staff/groups", map[string]any{"name": "hidden"})
	s.must(t, "POST", "/admin/realms/staff/groups/"+s.groupID(t, "hidden")+"/role-mappings/realm", []any{s.role(t, "big-boss")})

	specs := []connectors.Spec{
		{"client": adminClient, "role": "view-users"}, {"realmRole": "boss"}, {"realmRole": "big-boss"}, {"group": "/bosses"}, {"group": "/bosses/new"}, {"group": "/hidden"},
	}
	c := s.opened(t, nil)
	k, _ := connectors.AsChecker(c)
	for _, spec := range specs {
		g := gr("alice", spec)
		refused(t, c.Grant(t.Context(), g, time.Time{}), "lets its holder administer the realm", "list it in the target's setting")
		refused(t, errors.Join(k.Check(t.Context(), []string{g.Entitlement})...), "administer the realm")
		if observed(t, c, g) {
			t.Errorf("%s was granted", g)
		}
	}
	listed := s.opened(t, connectors.Settings{
		"groups": []string{"/bosses", "/bosses/new", "/hidden"}, "realmRoles": []string{"boss", "big-boss"}, "clientRoles": []string{adminClient + "/view-users"},
	})
	for _, spec := range specs[1:] {
		g := gr("alice", spec)
		ok(t, listed.Grant(t.Context(), g, time.Time{}))
		ok(t, c.Revoke(t.Context(), g)) // taking away needs no list
		if observed(t, c, g) {
			t.Errorf("%s is left", g)
		}
	}
	// Who may not look at roles grants only what is listed.
	s.client(t, "groups-only", "manage-users")
	ops := gr("alice", connectors.Spec{"group": "/ops"})
	for _, group := range []string{"/ops", "/hidden"} {
		blindly := s.opened(t, connectors.Settings{"clientID": "groups-only"})
		refused(t, blindly.Grant(t.Context(), gr("alice", connectors.Spec{"group": group}), time.Time{}), "view-realm and view-clients")
	}
	blindly := s.opened(t, connectors.Settings{"clientID": "groups-only", "groups": []string{"/ops"}})
	ok(t, blindly.Grant(t.Context(), ops, time.Time{}))
	k, _ = connectors.AsChecker(blindly)
	if errs := k.Check(t.Context(), []string{"group=/ops"}); len(errs) != 0 {
		t.Errorf("manage-users is enough for groups that are listed: %v", errs)
	}
	ok(t, blindly.Revoke(t.Context(), ops))
	ender, _ := connectors.AsSessionEnder(blindly)
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{ops}))
}

func (s *server) own(t *testing.T) {
	c := s.opened(t, nil)
	g := gr("service-account-tenure", connectors.Spec{"client": adminClient, "role": "manage-users"})
	refused(t, c.Revoke(t.Context(), g), "the reconciler's own")
	refused(t, c.Grant(t.Context(), g, time.Time{}), "the reconciler's own")
	if !observed(t, c, g) {
		t.Error("its right is gone, or not shown")
	}
}

func (s *server) slash(t *testing.T) {
	c := s.opened(t, nil)
	s.must(t, "POST", "/admin/realms/staff/groups", map[string]any{"name": "dev/lead"})
	g := gr("alice", connectors.Spec{"group": "/dev/lead"})
	refused(t, c.Grant(t.Context(), g, time.Time{}), "does not exist")
	s.must(t, "POST", "/admin/realms/staff/groups", map[string]any{"name": "dev"})
	s.must(t, "POST", "/admin/realms/staff/groups/"+s.groupID(t, "dev")+"/children", map[string]any{"name": "lead"})
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	var in []map[string]any
	s.call(t, "GET", "/admin/realms/staff/users/"+s.userID(t, "alice")+"/groups", nil, &in)
	if len(in) != 1 || in[0]["name"] != "lead" {
		t.Errorf("%v", in)
	}
	ok(t, c.Revoke(t.Context(), g))
}

func (s *server) spelling(t *testing.T) {
	c := s.opened(t, nil)
	err := c.Grant(t.Context(), gr("Alice", connectors.Spec{"group": "/ops"}), time.Time{})
	refused(t, err, `spelled "alice"`)
	if !errors.Is(err, connectors.ErrNoAccount) {
		t.Error(err)
	}
	refused(t, c.Grant(t.Context(), gr("alice", connectors.Spec{"group": "/OPS"}), time.Time{}), "does not exist")
	refused(t, c.Grant(t.Context(), gr("alice", connectors.Spec{"realmRole": "Auditor"}), time.Time{}), "does not exist")
	refused(t, c.Grant(t.Context(), gr("alice", connectors.Spec{"client": "Shop", "role": "editor"}), time.Time{}), "does not exist")
}

func (s *server) ceilings(t *testing.T) {
	c := s.opened(t, connectors.Settings{"groups": []string{"/ops"}, "realmRoles": []string{"other"}, "clientRoles": []string{"shop/other"}})
	ok(t, c.Grant(t.Context(), gr("alice", connectors.Spec{"group": "/ops"}), time.Time{}))
	for setting, spec := range map[string]connectors.Spec{"groups": {"group": "/ops/night"}, "realmRoles": {"realmRole": "auditor"}, "clientRoles": {"client": "shop", "role": "editor"}} {
		refused(t, c.Grant(t.Context(), gr("alice", spec), time.Time{}), "setting "+setting+" does not list")
		ok(t, c.Revoke(t.Context(), gr("alice", spec)))
	}
	ok(t, c.Revoke(t.Context(), gr("alice", connectors.Spec{"group": "/ops"})))
}

func (s *server) rights(t *testing.T) {
	k, _ := connectors.AsChecker(s.opened(t, connectors.Settings{"clientID": "none"}))
	refused(t, errors.Join(k.Check(t.Context(), []string{"group=/ops"})...), "missing right: manage-users")
	wrong := s.opened(t, connectors.Settings{"clientSecret": "not-it"})
	k, _ = connectors.AsChecker(wrong)
	refused(t, errors.Join(k.Check(t.Context(), nil)...), "no access token", "status 401")
	_, err := wrong.Observe(t.Context(), []string{"group=/ops"})
	refused(t, err, "no access token")
	// Who may only search is shown empty lists, which must not pass for nobody.
	s.client(t, "search-only", "query-users", "query-groups", "query-clients", "view-realm")
	g := gr("alice", connectors.Spec{"group": "/ops"})
	s.byHand(t, g, false)
	search := s.opened(t, connectors.Settings{"clientID": "search-only"})
	for _, g := range []grants.Grant{g, gr("alice", connectors.Spec{"client": "shop", "role": "editor"}), gr("alice", connectors.Spec{"realmRole": "auditor"})} {
		if found, err := search.Observe(t.Context(), []string{g.Entitlement}); err == nil {
			t.Errorf("%s: %v", g, found)
		}
		refused(t, search.Revoke(t.Context(), g), "right")
		ender, _ := connectors.AsSessionEnder(search)
		refused(t, ender.EndSessions(t.Context(), []grants.Grant{g}), "right")
	}
	k, _ = connectors.AsChecker(search)
	refused(t, errors.Join(k.Check(t.Context(), []string{g.Entitlement, "client=shop role=editor"})...), "manage-users", "view-clients")
	s.byHand(t, g, true)
	weak := s.opened(t, connectors.Settings{"clientID": "weak", "groups": []string{"/ops"}})
	refused(t, weak.Grant(t.Context(), gr("alice", connectors.Spec{"group": "/ops"}), time.Time{}), "403", "doctor names it")
}

func (s *server) gone(t *testing.T) {
	c := s.opened(t, nil)
	s.user(t, "erin", false)
	s.must(t, "POST", "/admin/realms/staff/groups", map[string]any{"name": "short"})
	g := gr("erin", connectors.Spec{"group": "/short"})
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	s.must(t, "DELETE", "/admin/realms/staff/users/"+s.userID(t, "erin"), nil)
	ok(t, c.Revoke(t.Context(), g))
	s.must(t, "DELETE", "/admin/realms/staff/groups/"+s.groupID(t, "short"), nil)
	ok(t, c.Revoke(t.Context(), gr("alice", connectors.Spec{"group": "/short"})))
	ok(t, c.Revoke(t.Context(), gr("alice", connectors.Spec{"client": "no-client", "role": "x"})))
	ender, _ := connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{g, gr("alice", connectors.Spec{"realmRole": "gone"})}))
}
