package scim

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/connectors/rest"
)

func TestTheServersOwnListFollowsEveryAct(t *testing.T) {
	s := start(t)
	c := opened(t, s.settings(writer))
	g := gr("alice", "ops")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	if !s.holds(t, "ops", "alice") {
		t.Error("the server does not show what was granted")
	}
	ok(t, c.Revoke(t.Context(), g))
	if s.holds(t, "ops", "alice") {
		t.Error("the server shows what was revoked")
	}
}

func TestWhoIsDeletedHoldsNothingAndCanBeRevoked(t *testing.T) {
	s := start(t)
	c := opened(t, s.settings(writer))
	g := gr("alice", "ops")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	s.call(t, "DELETE", "/Users/"+s.userID(t, "alice"), nil, nil)
	if got := observed(t, c, g.Entitlement); len(got) != 0 {
		t.Error(got)
	}
	ok(t, c.Revoke(t.Context(), g))
	s.call(t, "DELETE", "/Groups/"+s.groupID(t, "dev"), nil, nil)
	ok(t, c.Revoke(t.Context(), gr("bob", "dev")))
	refused(t, c.Grant(t.Context(), gr("bob", "dev"), time.Time{}), `group "dev": does not exist`)
}

func TestANameThatTwoGroupsShareIsRefused(t *testing.T) {
	s := start(t)
	s.made["group ops"] = false
	s.group(t, "ops")
	c := opened(t, s.settings(writer))
	refused(t, c.Grant(t.Context(), gr("alice", "ops"), time.Time{}), "several groups share", "groupId")
	refused(t, c.Revoke(t.Context(), gr("alice", "ops")), "several groups share")
	if found, err := c.Observe(t.Context(), []string{"group=ops"}); err == nil {
		t.Errorf("%v", found)
	}
	g := gr("alice", "ops")
	g.Entitlement = "groupId=" + s.groupID(t, "ops")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	if got := observed(t, c, g.Entitlement); !slices.Equal(got, []string{"alice " + g.Entitlement}) {
		t.Error(got)
	}
}

func TestAGroupThatIsAMemberIsNoPerson(t *testing.T) {
	s := start(t)
	s.set(t, "ops", s.groupID(t, "dev"), true)
	c := opened(t, s.settings(writer))
	ok(t, c.Grant(t.Context(), gr("alice", "dev"), time.Time{}))
	if got := observed(t, c, "group=ops", "group=dev"); !slices.Equal(got, []string{"alice group=dev"}) {
		t.Error(got)
	}
	ok(t, c.Grant(t.Context(), gr("bob", "ops"), time.Time{}))
	ok(t, c.Revoke(t.Context(), gr("bob", "ops")))
	var g groupDoc
	s.call(t, "GET", "/Groups/"+s.groupID(t, "ops"), nil, &g)
	if len(g.Members) != 1 || g.Members[0].Type != "Group" {
		t.Errorf("the group that was a member: %v", g.Members)
	}
}

func TestTheCeilingIsKept(t *testing.T) {
	s := start(t)
	set := s.settings(writer)
	set["groups"] = []string{"dev"}
	c := opened(t, set)
	ok(t, c.Grant(t.Context(), gr("alice", "dev"), time.Time{}))
	refused(t, c.Grant(t.Context(), gr("alice", "ops"), time.Time{}), `setting groups does not list "ops"`)
	ok(t, c.Revoke(t.Context(), gr("alice", "ops"))) // what was granted before the ceiling
	k, _ := connectors.AsChecker(c)
	if errs := k.Check(t.Context(), []string{"group=ops"}); len(errs) != 1 || !strings.Contains(errs[0].Error(), "does not list") {
		t.Error(errs)
	}
}

func TestATokenThatTheServerDoesNotKnowIsNamed(t *testing.T) {
	s := start(t)
	c := opened(t, s.settings("token-that-is-wrong"))
	_, err := c.Observe(t.Context(), []string{"group=ops"})
	refused(t, err, "does not take the reconciler's credentials")
	k, _ := connectors.AsChecker(c)
	if errs := k.Check(t.Context(), []string{"group=ops"}); len(errs) == 0 {
		t.Error("check has nothing to say")
	}
}

func TestCheckNamesWhatIsMissingAndChangesNothing(t *testing.T) {
	s := start(t)
	c := opened(t, s.settings(writer))
	ok(t, c.Grant(t.Context(), gr("alice", "ops"), time.Time{}))
	k, _ := connectors.AsChecker(c)
	if errs := k.Check(t.Context(), []string{"group=ops"}); len(errs) != 0 {
		t.Error(errs)
	}
	errs := k.Check(t.Context(), []string{"group=absent", "no entitlement"})
	if len(errs) != 2 || !strings.Contains(errs[0].Error(), "does not exist") {
		t.Error(errs)
	}
	if got := observed(t, c, "group=ops"); !slices.Equal(got, []string{"alice group=ops"}) {
		t.Error(got)
	}
}

func TestValuesOfFiltersAreQuoted(t *testing.T) {
	for value, want := range map[string]string{`a"b\c`: `"a\"b\\c"`, "<&>": `"<&>"`, "é": `"é"`, "a\nb": `"a\nb"`} {
		if got := rest.Quote(value); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestSettingsAreStrictAndKeepSecrets(t *testing.T) {
	for _, tc := range []struct {
		set  connectors.Settings
		word string
	}{
		{connectors.Settings{"token": "token-that-x"}, "url"},
		{connectors.Settings{"url": "http://id.example.com", "token": "token-that-x"}, "https://"},
		{connectors.Settings{"url": "https://a:token-that-x@id.example.com", "token": "t"}, "name or password"},
		{connectors.Settings{"url": "https://id.example.com"}, "exactly one"},
		{connectors.Settings{"url": "https://id.example.com", "token": "token-that-x", "user": "u", "password": "p"}, "exactly one"},
		{connectors.Settings{"url": "https://id.example.com", "user": "u"}, "go together"},
		{connectors.Settings{"url": "https://id.example.com", "clientID": "c", "clientSecret": "token-that-x"}, "go together"},
		{connectors.Settings{"url": "https://id.example.com", "clientID": "c", "clientSecret": "token-that-x", "tokenURL": "http://id.example.com"}, "tokenURL"},
		{connectors.Settings{"url": "https://id.example.com", "token": "t", "ca": "token-that-x"}, "ca"},
		{connectors.Settings{"url": "https://id.example.com", "token": "t", "groups": []string{"a\x00"}}, "groups"},
	} {
		_, err := Driver{}.Open(context.Background(), "idp", tc.set)
		refused(t, err, tc.word)
	}
}

func TestTheSchemasAgreeWithTheCode(t *testing.T) {
	url := "https://id.example.com/scim/v2"
	conformance.SchemasAgree(t, Driver{}, []connectors.Spec{
		{}, {"group": "a"}, {"group": ""}, {"group": strings.Repeat("é", 256)}, {"group": strings.Repeat("x", 257)}, {"group": 1},
		{"groupId": "0-a_B.~:@+"}, {"groupId": "a/b"}, {"groupId": ".."}, {"groupId": "."}, {"groupId": ".a."}, {"groupId": ""},
		{"groupId": strings.Repeat("x", 257)}, {"group": "a", "groupId": "b"}, {"name": "a"},
	}, []connectors.Settings{
		{}, {"url": url}, {"token": "t"}, {"url": url, "token": "t"}, {"url": "id", "token": "t"}, {"url": url, "tokenFile": "/dev/null", "token": "t"},
		{"url": url, "user": "u"}, {"url": url, "user": "u", "password": "p"}, {"url": url, "password": "p"}, {"url": url, "token": "t", "user": "u", "password": "p"},
		{"url": url, "clientID": "c", "clientSecret": "s", "tokenURL": url}, {"url": url, "clientID": "c", "clientSecret": "s"}, {"url": url, "clientID": "c", "tokenURL": url},
		{"url": url, "scopes": []any{"a"}, "token": "t"}, {"url": url, "token": "t", "groups": []any{"a"}}, {"url": url, "token": "t", "groups": []any{""}},
		{"url": url, "token": "t", "scim": true},
	})
}
