package azure

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/azure/azuretest"
	"github.com/tenure-dev/tenure/grants"
)

func grant(t testing.TB, c *connector, g grants.Grant) {
	t.Helper()
	if err := c.Grant(t.Context(), g, soon()); err != nil {
		t.Fatal(err)
	}
}

func revoke(t testing.TB, c *connector, g grants.Grant) {
	t.Helper()
	if err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error lacks %q: %v", w, err)
		}
	}
}

func observe(t testing.TB, c *connector, scope ...string) (accounts []string) {
	t.Helper()
	found, err := c.Observe(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range found {
		accounts = append(accounts, g.Account)
	}
	return accounts
}

func TestARoleWorksAtItsScopeAndBelow(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	for _, x := range []struct {
		g         grants.Grant
		at, notAt string
	}{
		{to1("alice", "managementGroup", "retail", "role", "Reader"), subPath, ""},
		{on("alice"), shop, retail},
		{to1("alice", "subscription", sub, "resourceGroup", "shop", "role", "Reader"), storage, subPath},
		{to1("alice", "scope", strings.ToLower(storage), "role", "Reader"), storage, shop},
	} {
		grant(t, c, x.g)
		if !w.May(person(0), readAny, x.at) || x.notAt != "" && w.May(person(0), readAny, x.notAt) {
			t.Errorf("%s: it does not work, or too far", x.g)
		}
		if got := observe(t, c, x.g.Entitlement); !slices.Equal(got, []string{"alice"}) {
			t.Errorf("%s: observed %q", x.g, got)
		}
		revoke(t, c, x.g)
		if w.May(person(0), readAny, x.at) {
			t.Errorf("%s: it still works", x.g)
		}
	}
}

func TestARoleFromAboveIsNotShownBelow(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	grant(t, c, to1("alice", "managementGroup", "retail", "role", "Reader"))
	if got := observe(t, c, on("").Entitlement); len(got) > 0 {
		t.Errorf("observed %q", got)
	}
}

func TestAnAssignmentOfAnotherHandIsLeftAlone(t *testing.T) {
	w := scene(t)
	c, h := w.open(t, w.settings()), w.hand(t)
	theirs := "eeeeeeee-0000-4000-8000-00000000aaaa"
	h.assign(t, subPath, reader, person(0), theirs, "")
	grant(t, c, on("alice")) // enough
	if got := h.names(t, subPath, reader, person(0)); !slices.Equal(got, []string{theirs}) {
		t.Errorf("assignments: %q", got)
	}
	refused(t, c.Revoke(t.Context(), on("alice")), theirs, "did not make")
	if !w.May(person(0), readAny, subPath) {
		t.Error("it was taken away")
	}
	h.unassign(t, subPath, reader, person(0))
	revoke(t, c, on("alice"))
	h.assign(t, subPath, reader, person(0), theirs, "@Resource[x] StringEquals 'y'")
	refused(t, c.Grant(t.Context(), on("alice"), soon()), theirs, "condition")
}

func TestAnAccountThatPassedToAnotherPersonIsMoved(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	grant(t, c, on("alice"))
	w.DeleteUser(person(0))
	if got := observe(t, c, on("").Entitlement); len(got) > 0 {
		t.Errorf("a deleted user holds something: %q", got)
	}
	w.User(person(7), "alice@example.com")
	grant(t, c, on("alice"))
	if !w.May(person(7), readAny, subPath) || w.May(person(0), readAny, subPath) {
		t.Error("the role is not the new person's, or still the old one's")
	}
}

func TestTheGrantOfADeletedUserIsRevoked(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	grant(t, c, on("alice"))
	w.DeleteUser(person(0))
	revoke(t, c, on("alice"))
	if w.May(person(0), readAny, subPath) {
		t.Error("the assignment is still there")
	}
}

func TestARevokeDoesNotWaitForTheDirectory(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	grant(t, c, on("alice"))
	w.Fail(azuretest.Fault{Path: "/v1.0/users", Answer: &azuretest.Answer{Code: 403, Body: `{"error": {"code": "Authorization_RequestDenied", "message": "no"}}`}})
	refused(t, c.Revoke(t.Context(), on("alice")), "its own role assignment is gone")
	if w.May(person(0), readAny, subPath) {
		t.Error("it still works")
	}
	revoke(t, c, on("alice"))
}

func TestAYoungPrincipalIsWaitedFor(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	w.Young(person(0), 2)
	grant(t, c, on("alice"))
	w.Young(person(1), 2)
	grant(t, c, in("bob", crew))
	if !w.Member(crew, person(1)) {
		t.Error("bob is no member")
	}
}

func TestOneWhoIsNotThereIsNotWaitedFor(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	for _, account := range []string{"mallory", "Alice", "servicePrincipal:aaaaaaaa-0000-4000-8000-00000000ffff"} {
		if err := c.Grant(t.Context(), on(account), soon()); !errors.Is(err, connectors.ErrNoAccount) {
			t.Errorf("%s: %v", account, err)
		}
	}
	if n := w.Calls("PUT roleAssignments"); n > 1 {
		t.Errorf("%d requests", n)
	}
	refused(t, c.Grant(t.Context(), on("Alice"), soon()), `spells it "alice@example.com"`)
}

func TestPrincipalsOfOtherKinds(t *testing.T) {
	w := scene(t)
	w.App(guid("app"), "x", "", otherBot)
	c := w.open(t, w.settings())
	for _, account := range []string{"servicePrincipal:" + otherBot, "group:" + crew} {
		grant(t, c, on(account))
		if got := observe(t, c, on("").Entitlement); !slices.Equal(got, []string{account}) {
			t.Errorf("observed %q", got)
		}
		revoke(t, c, on(account))
		refused(t, c.Grant(t.Context(), in(account, crew), soon()), "only users")
	}
	refused(t, c.Grant(t.Context(), on("servicePrincipal:"+robot), soon()), "reconciler's own")
	set := w.settings()
	delete(set, "principals")
	refused(t, w.open(t, set).Grant(t.Context(), on("group:"+crew), soon()), "principals")
}

func TestUsersByObjectID(t *testing.T) {
	w := scene(t)
	set := w.with("accounts", "objectId")
	delete(set, "domain")
	c := w.open(t, set)
	for _, g := range []grants.Grant{on(person(0)), in(person(0), crew)} {
		grant(t, c, g)
		if got := observe(t, c, g.Entitlement); !slices.Equal(got, []string{person(0)}) {
			t.Errorf("observed %q", got)
		}
		revoke(t, c, g)
		if err := c.Grant(t.Context(), grants.Grant{Target: g.Target, Account: person(9), Entitlement: g.Entitlement}, soon()); !errors.Is(err, connectors.ErrNoAccount) {
			t.Error(err)
		}
		refused(t, c.Grant(t.Context(), grants.Grant{Target: g.Target, Account: "alice@example.com", Entitlement: g.Entitlement}, soon()), "object id")
	}
}

func TestTheCeilings(t *testing.T) {
	w := scene(t)
	other := "0c5a7f5e-3b0e-4d3a-8c65-6d6b8c1f2a91"
	set := w.with("resourceGroups", []string{other + "/shop"})
	set["roles"] = []string{"Reader", "Owner", "Helper"}
	set["groups"] = []string{crew, admins}
	c := w.open(t, set)
	for _, x := range []struct {
		g    grants.Grant
		word string
	}{
		{to1("alice", "subscription", other, "role", "Reader"), "setting subscriptions"},
		{to1("alice", "subscription", other, "resourceGroup", "desk", "role", "Reader"), "setting resourceGroups"},
		{to1("alice", "scope", "/subscriptions/"+other+"/resourcegroups/desk/providers/microsoft.web/sites/x", "role", "Reader"), "setting resourceGroups"},
		{to1("alice", "managementGroup", "all", "role", "Reader"), "setting managementGroups"},
		{to1("alice", "subscription", sub, "role", "Monitoring Reader"), "setting roles"},
		{to1("alice", "subscription", sub, "role", "Owner"), "privilegedRoles"},
		{to1("alice", "subscription", sub, "role", "Helper"), "privilegedRoles"},
		{in("alice", "Crew"), "setting groups"},
		{in("alice", admins), "privilegedGroups"},
	} {
		refused(t, c.Grant(t.Context(), x.g, soon()), x.word)
	}
	if n := w.Calls("PUT roleAssignments") + w.Calls("POST groups/ID/members/$ref"); n > 0 {
		t.Errorf("%d changes", n)
	}
	set["privilegedRoles"] = []string{"Helper"}
	set["privilegedGroups"] = []string{admins}
	c = w.open(t, set)
	grant(t, c, to1("alice", "subscription", sub, "role", "Helper"))
	// Azure's own ceiling: the condition on the reconciler's role does not list Owner.
	set["privilegedRoles"] = []string{"Owner"}
	refused(t, w.open(t, set).Grant(t.Context(), to1("alice", "subscription", sub, "role", "Owner"), soon()), "AuthorizationFailed")
	// And Graph's: more rights are needed for groups that may hold roles.
	refused(t, c.Grant(t.Context(), in("alice", admins), soon()), "Authorization_RequestDenied")
	refused(t, errors.Join(c.Check(t.Context(), []string{in("", admins).Entitlement})...), "missing right: RoleManagement.ReadWrite.Directory")
}

func TestAllPagesAreRead(t *testing.T) {
	w := scene(t)
	w.Pages(3)
	c := w.open(t, w.settings())
	var acts []connectors.Act
	for i := range 20 {
		w.User(person(100+i), fmt.Sprintf("p%d@example.com", i))
		acts = append(acts, connectors.Act{Grant: on(fmt.Sprintf("p%d", i)), Until: soon()}, connectors.Act{Grant: in(fmt.Sprintf("p%d", i), crew), Until: soon()})
	}
	if err := errors.Join(c.Apply(t.Context(), acts)...); err != nil {
		t.Fatal(err)
	}
	if got := observe(t, c, on("").Entitlement, in("", crew).Entitlement); len(got) != 40 {
		t.Errorf("observed %d", len(got))
	}
}

func TestABatchIsFewRequests(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	var acts []connectors.Act
	for i := range 30 {
		w.User(person(100+i), fmt.Sprintf("p%d@example.com", i))
		acts = append(acts, connectors.Act{Grant: on(fmt.Sprintf("p%d", i)), Until: soon()})
	}
	for range 2 {
		if err := errors.Join(c.Apply(t.Context(), acts)...); err != nil {
			t.Fatal(err)
		}
		for i := range acts {
			acts[i].Revoke = true
		}
	}
	for what, want := range map[string]int{
		"PUT roleAssignments": 30, "DELETE roleAssignments": 30, "GET roleAssignments": 1, "GET roleDefinitions": 2, "GET users": 4, "token": 2,
	} {
		if got := w.Calls(what); got != want {
			t.Errorf("%s: %d requests, want %d", what, got, want)
		}
	}
}

func TestAWorkloadIdentityIsReadAnewEachTime(t *testing.T) {
	w := scene(t)
	file := filepath.Join(t.TempDir(), "token")
	set := w.settings()
	delete(set, "secret")
	set["assertionFile"] = file
	c := w.open(t, set)
	refused(t, c.Grant(t.Context(), on("alice"), soon()), "assertionFile")
	for _, text := range []string{"old.token.y", "federated.token.x\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := c.Grant(t.Context(), on("alice"), soon())
		if text == "old.token.y" {
			refused(t, err, "invalid_client", "AADSTS700213")
		} else if err != nil {
			t.Error(err)
		}
	}
}

func TestNoTwoGrantsShareAName(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range []grants.Grant{
		{Target: "a", Account: "b", Entitlement: "c"}, {Target: "ab", Account: "", Entitlement: "c"}, {Target: "a", Account: "b", Entitlement: "d"}, {Target: "a", Account: "", Entitlement: "bc"},
	} {
		name := nameOf(g)
		if !isID(name) || name[14] != '5' || seen[name] || name != nameOf(g) {
			t.Errorf("%v: %s", g, name)
		}
		seen[name] = true
	}
}

func TestStarsInActions(t *testing.T) {
	for _, x := range []struct {
		pattern string
		want    bool
	}{
		{"*", true}, {"Microsoft.Authorization/*", true}, {"microsoft.authorization/*/WRITE", true}, {"*/write", true}, {"*/roleAssignments/*", true},
		{"Microsoft.Authorization/roleAssignments/write", true}, {"*/read", false}, {"Microsoft.Auth", false}, {"", false}, {"Microsoft.Compute/*", false}, {"*write*write*", false},
	} {
		if got := permits([]permission{{Actions: []string{x.pattern}}}, powers[0]); got != x.want {
			t.Errorf("%q: %v", x.pattern, got)
		}
	}
	contributor := []permission{{Actions: []string{"*"}, NotActions: []string{"Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action"}}}
	var r role
	r.Properties.Permissions = contributor
	if p := r.power(); p != "" {
		t.Errorf("Contributor is said to have %s", p)
	}
}
