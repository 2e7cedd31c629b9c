package vault

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func TestOnlyWhatTheSettingsListIsGranted(t *testing.T) {
	w := newWorld(t)
	g, p := gr("alice", "group", "db-admin"), gr("alice", "policy", "orders-read")
	ok(t, w.opened(t, nil).Grant(t.Context(), g, time.Time{}))
	ok(t, w.opened(t, nil).Grant(t.Context(), p, time.Time{}))
	c := w.opened(t, connectors.Settings{"groups": []string{"db-reader"}, "policies": []string{}})
	refused(t, c.Grant(t.Context(), g, time.Time{}), `setting groups does not list "db-admin"`)
	refused(t, c.Grant(t.Context(), p, time.Time{}), `setting policies does not list "orders-read"`)
	// What was granted under wider settings is found and ends.
	if found := observed(t, c, g, p); len(found) != 2 {
		t.Errorf("%v", found)
	}
	ok(t, c.Revoke(t.Context(), g))
	ok(t, c.Revoke(t.Context(), p))
	if found := observed(t, c, g, p); len(found) != 0 {
		t.Errorf("%v", found)
	}
}

func TestTheDocumentedRightsReachNoFurtherThanTheirLists(t *testing.T) {
	w := newWorld(t)
	alice := w.idOf(t, "alice")
	w.must(t, "PUT", "identity/group/name/admins", map[string]any{"policies": "kv-admin"}, nil)
	for name, try := range map[string]struct {
		path string
		body map[string]any
	}{
		"another group":              {"identity/group/name/admins", map[string]any{"member_entity_ids": []string{alice}}},
		"a group by its id":          {"identity/group/id/" + w.read(t, "admins").ID, map[string]any{"member_entity_ids": []string{alice}}},
		"policies of a group":        {"identity/group/name/db-admin", map[string]any{"policies": "root"}},
		"groups in a group":          {"identity/group/name/db-admin", map[string]any{"member_group_ids": []string{}}},
		"another policy":             {"identity/group/name/tenure-policy-orders-read", map[string]any{"policies": "kv-admin"}},
		"one policy more":            {"identity/group/name/tenure-policy-orders-read", map[string]any{"policies": "orders-read,kv-admin"}},
		"another policy as a list":   {"identity/group/name/tenure-policy-orders-read", map[string]any{"policies": []string{"kv-admin"}}},
		"another policy's own group": {"identity/group/name/tenure-policy-kv-admin", map[string]any{"policies": "kv-admin"}},
		"a new group":                {"identity/group", map[string]any{"name": "x", "policies": "kv-admin", "member_entity_ids": []string{alice}}},
		"policies of an entity":      {"identity/entity/id/" + alice, map[string]any{"policies": "kv-admin"}},
		"the text of a policy":       {"sys/policies/acl/orders-read", map[string]any{"policy": `path "*" { capabilities = ["read"] }`}},
		"a token":                    {"auth/token/create", map[string]any{"policies": "kv-admin"}},
	} {
		if code := w.as(t, w.token, "PUT", try.path, try.body, nil); code != 403 {
			t.Errorf("%s: the server answers %d", name, code)
		}
	}
}

func TestOtherFieldsOfAGroupStay(t *testing.T) {
	w := newWorld(t)
	var inner struct{ ID string }
	w.must(t, "POST", "identity/group", map[string]any{"name": "inner"}, &inner)
	w.must(t, "PUT", "identity/group/name/db-admin", map[string]any{"member_group_ids": []string{inner.ID}, "metadata": map[string]any{"owner": "dba"}, "member_entity_ids": []string{w.idOf(t, "bob")}}, nil)
	c := w.opened(t, nil)
	g := gr("alice", "group", "db-admin")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	ok(t, c.Revoke(t.Context(), g))
	var now struct {
		Policies []string          `json:"policies"`
		Members  []string          `json:"member_entity_ids"`
		Groups   []string          `json:"member_group_ids"`
		Metadata map[string]string `json:"metadata"`
	}
	w.must(t, "GET", "identity/group/name/db-admin", nil, &now)
	if !slices.Equal(now.Policies, []string{"kv-admin"}) || !slices.Equal(now.Members, []string{w.idOf(t, "bob")}) || !slices.Equal(now.Groups, []string{inner.ID}) || now.Metadata["owner"] != "dba" {
		t.Errorf("%+v", now)
	}
}

func TestAGroupWhoseMembersComeFromLoginsIsRefused(t *testing.T) {
	w := newWorld(t)
	w.must(t, "DELETE", "identity/group/name/db-admin", nil, nil)
	w.must(t, "PUT", "identity/group/name/db-admin", map[string]any{"type": "external"}, nil)
	c := w.opened(t, nil)
	refused(t, c.Grant(t.Context(), gr("alice", "group", "db-admin"), time.Time{}), "external")
	ok(t, c.Revoke(t.Context(), gr("alice", "group", "db-admin"))) // she is not in it
	check, _ := connectors.AsChecker(c)
	errs := check.Check(t.Context(), []string{"group=db-admin", "group=db-reader"})
	if len(errs) != 1 {
		t.Fatalf("%v", errs)
	}
	refused(t, errs[0], "external")
}

func TestARevokeIsNotKeptBackByAGrantThatFails(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	g := gr("alice", "group", "db-admin")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	w.must(t, "PUT", "identity/group/id/"+w.read(t, "db-admin").ID, map[string]any{"name": "DB-Admin"}, nil)
	batch, _ := connectors.AsBatcher(c)
	errs := batch.Apply(t.Context(), []connectors.Act{
		{Grant: gr("bob", "group", "db-admin")}, {Grant: g, Revoke: true}, {Grant: gr("mallory", "group", "db-admin"), Revoke: true},
	})
	refused(t, errs[0], `spelled "DB-Admin"`)
	ok(t, errs[1])
	if m := w.read(t, "db-admin").Members; len(m) > 0 {
		t.Errorf("members are %v", m)
	}
}

func TestAPolicyThatDoesNotExistIsNotGranted(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	g := gr("alice", "policy", "orders-read")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	w.must(t, "DELETE", "sys/policies/acl/orders-read", nil, nil)
	refused(t, c.Grant(t.Context(), gr("bob", "policy", "orders-read"), time.Time{}), "does not exist")
	check, _ := connectors.AsChecker(c)
	refused(t, check.Check(t.Context(), []string{g.Entitlement})[0], "does not exist")
	ok(t, c.Revoke(t.Context(), g))
	if m := w.read(t, "tenure-policy-orders-read").Members; len(m) > 0 {
		t.Errorf("members are %v", m)
	}
}

func TestAPolicyThatAnotherHandAttachedIsSeenAndSurvives(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	theirs, ours := gr("alice", "policy", "orders-read"), gr("bob", "policy", "orders-read")
	w.must(t, "POST", "identity/entity/id/"+w.idOf(t, "alice"), map[string]any{"policies": []string{"orders-read", "kv-admin"}}, nil)
	ok(t, c.Grant(t.Context(), ours, time.Time{}))
	if found := observed(t, c, ours); !slices.Equal(found, []grants.Grant{theirs, ours}) {
		t.Errorf("%v", found)
	}
	refused(t, c.Revoke(t.Context(), theirs), "attached to the entity itself")
	ok(t, c.Revoke(t.Context(), ours))
	if found := observed(t, c, ours); !slices.Equal(found, []grants.Grant{theirs}) {
		t.Errorf("%v", found)
	}
	token := w.login(t, "alice")
	ok(t, end(t, c, theirs)) // she has it still
	w.want(t, 200, token, "GET", "kv/orders")
}

func TestTheGroupOfAPolicyIsPutRight(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	g := gr("alice", "policy", "orders-read")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	w.must(t, "PUT", "identity/group/name/tenure-policy-orders-read", map[string]any{"policies": "kv-admin"}, nil)
	if found := observed(t, c, g); len(found) != 0 {
		t.Errorf("%v", found) // it does not give the policy any more
	}
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	if p := w.read(t, "tenure-policy-orders-read").Policies; !slices.Equal(p, []string{"orders-read"}) {
		t.Errorf("%v", p)
	}
	w.want(t, 200, w.login(t, "alice"), "GET", "kv/orders")
	w.want(t, 403, w.login(t, "alice"), "GET", "kv/admin")
}
