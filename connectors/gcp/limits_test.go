package gcp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func TestTheLimitsOfAPolicyAreNamedBeforeTheServerDoes(t *testing.T) {
	t.Parallel()
	fill := func(t testing.TB, w *world, n int, kind string) {
		var list []any
		for i := range n {
			list = append(list, fmt.Sprintf("%s:%s%05d@example.com", kind, kind, i))
			w.Account(list[i].(string))
		}
		w.Edit(project, func(doc map[string]any) {
			doc["bindings"] = append(doc["bindings"].([]any), map[string]any{"role": logs, "members": list})
		})
	}
	t.Run("principals", func(t *testing.T) {
		w := scene(t)
		c := w.open(t)
		fill(t, w, maxPrincipals-3, "user") // with the owner and the reconciler itself, room for one
		errs := c.Apply(t.Context(), []connectors.Act{{Grant: on("alice"), Until: soon()}, {Grant: on("bob"), Until: soon()}})
		if errs[0] != nil || errs[1] == nil || !strings.Contains(errs[1].Error(), "1500 principals") {
			t.Errorf("%v", errs)
		}
		must(t, c.Grant(t.Context(), on("alice"), soon().Add(time.Hour))) // a renewal needs no room
		must(t, errors.Join(c.Apply(t.Context(), []connectors.Act{{Grant: on("bob"), Until: soon()}, {Grant: on("alice"), Revoke: true}})...))
	})
	t.Run("groups", func(t *testing.T) {
		w := scene(t)
		c := w.open(t)
		fill(t, w, maxGroups, "group")
		if err := c.Grant(t.Context(), on("group:team"), soon()); err == nil || !strings.Contains(err.Error(), "250 groups") {
			t.Error(err)
		}
		must(t, c.Grant(t.Context(), on("alice"), soon()))
	})
	t.Run("conditions", func(t *testing.T) {
		w := scene(t)
		c := w.open(t)
		w.Edit(project, func(doc map[string]any) {
			for i := range maxConditions {
				doc["bindings"] = append(doc["bindings"].([]any), map[string]any{"role": viewer, "members": []any{"user:alice@example.com"},
					"condition": map[string]any{"title": fmt.Sprint(i), "expression": "false"}})
			}
		})
		if err := c.Grant(t.Context(), on("alice"), soon()); err == nil || !strings.Contains(err.Error(), "20 bindings") {
			t.Error(err)
		}
		must(t, c.Grant(t.Context(), on("bob"), soon()))
	})
}

func TestWhatMayNotBeGrantedIsRefusedWithoutTheServer(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	for account, want := range map[string]string{
		"allUsers": "want an address", "allAuthenticatedUsers": "want an address", "domain:example.com": "want an address",
		"group:domain:example.com": "want an address", "deleted:user:alice@example.com?uid=1": "want an address", "user:alice": "want an address",
		"principal://iam.googleapis.com/locations/global/workforcePools/p/subject/s": "want an address",
		"alice@example.com": `write "alice"`, "group:team@example.com": `write "group:team"`, "Alice": "lower-case", "alice@Example.com": "lower-case", "a..b": "lower-case",
		"alice@localhost": "lower-case", "x@shop-prod.iam.gserviceaccount.com": "write serviceAccount:", "serviceAccount:x": "want an address",
		"serviceAccount:" + robot: "own account", "": "want an address", "alіce": "lower-case",
	} {
		if err := c.Grant(t.Context(), on(account), soon()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, got %v", account, want, err)
		}
		must(t, c.Revoke(t.Context(), on(account)))
	}
	small := connect(t, connectors.Settings{"credentials": w.key, "endpoint": w.URL, "roles": []string{viewer}, "projects": []string{"shop-prod"}})
	defer small.Close()
	for _, x := range []struct {
		g    grants.Grant
		want string
	}{
		{grant("alice@example.com", project, logs), "setting roles"}, {grant("alice@example.com", "projects/desk-prod", viewer), "setting projects"},
		{grant("alice@example.com", "folders/22", viewer), "setting folders"}, {grant("alice@example.com", "organizations/1", viewer), "setting organizations"},
		{on("group:team@example.com"), "setting principals"}, {on("serviceAccount:x@shop-prod.iam.gserviceaccount.com"), "setting principals"}, {on("alice"), "want an address"},
	} {
		if err := small.Grant(t.Context(), x.g, soon()); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: want %q, got %v", x.g, x.want, err)
		}
	}
	if err := c.Grant(t.Context(), on("alice"), time.Time{}); err == nil || !strings.Contains(err.Error(), "needs an end") {
		t.Error(err)
	}
	must(t, small.Grant(t.Context(), on("alice@example.com"), soon()))
	if n := len(w.ours(t, project)); n != 1 {
		t.Errorf("%d bindings", n)
	}
	if err := errors.Join(small.Check(t.Context(), []string{grant("", project, logs).Entitlement, "x"})...); err == nil || !strings.Contains(err.Error(), "setting roles") {
		t.Error(err)
	}
}
