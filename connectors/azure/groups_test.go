package azure

import (
	"slices"
	"strings"
	"testing"
)

func TestGroupsThatCannotBeWrittenAreRefused(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	for word, fields := range map[string]map[string]any{
		"rule":         {"groupTypes": []string{"DynamicMembership"}},
		"on premises":  {"onPremisesSyncEnabled": true},
		"distribution": {"mailEnabled": true},
	} {
		w.Group(crew, "Crew", fields)
		refused(t, c.Grant(t.Context(), in("alice", crew), soon()), word)
		if errs := c.Check(t.Context(), []string{in("", crew).Entitlement}); len(errs) != 1 || !strings.Contains(errs[0].Error(), word) {
			t.Errorf("check: %v", errs)
		}
	}
	w.Group(crew, "Crew", map[string]any{"visibility": "HiddenMembership"})
	if found, err := c.Observe(t.Context(), []string{in("", crew).Entitlement}); err == nil {
		t.Errorf("a group that hides its members shows %v", found)
	}
}

func TestTwoGroupsOfOneNameAreAnError(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	grant(t, c, in("alice", "Crew"))
	w.Group("bbbbbbbb-0000-4000-8000-000000000009", "crew", map[string]any{}) // another name
	if got := observe(t, c, in("", "Crew").Entitlement); !slices.Equal(got, []string{"alice"}) {
		t.Errorf("observed %q", got)
	}
	w.Group("bbbbbbbb-0000-4000-8000-000000000009", "Crew", map[string]any{})
	refused(t, c.Grant(t.Context(), in("bob", "Crew"), soon()), "2 groups")
	refused(t, c.Revoke(t.Context(), in("alice", "Crew")), "2 groups")
	if _, err := c.Observe(t.Context(), []string{in("", "Crew").Entitlement}); err == nil {
		t.Error("observe has no error")
	}
}

func TestAGroupWrittenInTwoWaysIsFound(t *testing.T) {
	w := scene(t)
	errs := w.open(t, w.settings()).Check(t.Context(), []string{in("", crew).Entitlement, in("", "Crew").Entitlement})
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "the same") {
		t.Error(errs)
	}
}

func TestMembersOfAllKindsAreShown(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	w.Join(crew, admins, "group")
	w.Join(crew, otherBot, "servicePrincipal")
	w.Join(crew, person(0), "user")
	want := []string{"alice", "group:" + admins, "servicePrincipal:" + otherBot}
	if got := observe(t, c, in("", crew).Entitlement); !slices.Equal(got, want) {
		t.Errorf("observed %q", got)
	}
}
