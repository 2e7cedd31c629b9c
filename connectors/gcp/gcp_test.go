package gcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	crm "google.golang.org/api/cloudresourcemanager/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func holders(t testing.TB, c *connector, gs ...grants.Grant) (accounts []string) {
	t.Helper()
	scope := map[string]bool{}
	for _, g := range gs {
		scope[g.Entitlement] = true
	}
	found, err := c.Observe(t.Context(), slices.Sorted(maps.Keys(scope)))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range found {
		accounts = append(accounts, g.Account)
	}
	slices.Sort(accounts)
	return accounts
}

func (w *world) may(account string) bool { return w.May("user:"+account+"@example.com", read, project) }

// ours are the bindings with Tenure's condition in a policy.
func (w *world) ours(t testing.TB, resource string) []*binding {
	t.Helper()
	p, err := readPolicy([]byte(w.Policy(resource)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(p.bindings, func(b *binding) bool { return b.condition == nil || !strings.HasPrefix(b.condition.Title, "Tenure") })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAGrantWorksAndGoogleItselfEndsIt(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	if w.may("alice") {
		t.Fatal("alice can read already")
	}
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	must(t, c.Grant(t.Context(), on("bob"), soon().Add(time.Hour)))
	if !w.may("alice") || !w.may("bob") {
		t.Fatal("granted, but they cannot read")
	}
	w.Later(time.Hour + time.Second)
	if w.may("alice") || !w.may("bob") {
		t.Error("alice's access outlived its end, or bob's did not reach it")
	}
	if got := holders(t, c, on("")); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("observe says %v", got)
	}
	must(t, c.Revoke(t.Context(), on("alice")))
	must(t, c.Revoke(t.Context(), on("bob")))
	if w.may("bob") || len(w.ours(t, project)) != 0 {
		t.Errorf("left after the revoke: %v", w.Policy(project))
	}
}

func TestARenewalMovesTheEndAndLeavesNoSecondBinding(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	first := soon()
	for _, end := range []time.Time{first, first.Add(time.Hour), first.Add(-time.Minute), first.Add(1500 * time.Millisecond)} {
		must(t, c.Grant(t.Context(), on("alice"), end))
		must(t, c.Grant(t.Context(), on("bob"), first))
		for _, b := range w.ours(t, project) {
			if got, ok := b.end(); !ok || slices.Contains(b.members, "user:alice@example.com") != got.Equal(end) {
				t.Errorf("until %s: %v ends %s", end, b.members, got)
			}
		}
	}
	n := w.Calls("setIamPolicy")
	must(t, c.Grant(t.Context(), on("bob"), first))
	if w.Calls("setIamPolicy") != n {
		t.Error("what is there already was written again")
	}
}

func TestABindingOfAnotherHandIsSeenAndNeverTouched(t *testing.T) {
	for name, cond := range map[string]*crm.Expr{
		"without a condition":        nil,
		"for some resources":         {Title: "buckets", Expression: `resource.name.startsWith("projects/_/buckets/a")`},
		"until later":                {Title: "theirs", Expression: "request.time < timestamp('2100-01-01T00:00:00.000Z')"},
		"of Tenure's another target": {Title: "Tenure: other", Expression: `request.time < timestamp("2100-01-01T00:00:00Z")`},
	} {
		t.Run(name, func(t *testing.T) {
			w := scene(t)
			c, byHand := w.open(t), w.hand(t)
			byHand.bind(t, project, viewer, "user:alice@example.com", cond)
			before := w.Policy(project)
			if got := holders(t, c, on("")); !slices.Equal(got, []string{"alice"}) {
				t.Errorf("observe says %v", got)
			}
			must(t, c.Grant(t.Context(), on("alice"), soon()))
			must(t, c.Grant(t.Context(), on("bob"), soon()))
			err := c.Revoke(t.Context(), on("alice"))
			if err == nil || !strings.Contains(err.Error(), "Tenure did not make") || cond != nil && !strings.Contains(err.Error(), cond.Title) {
				t.Errorf("the access is still there, but: %v", err)
			}
			must(t, c.Revoke(t.Context(), on("bob")))
			if after := withoutEtag(w.Policy(project)); after != withoutEtag(before) {
				t.Errorf("before %s, after %s", before, after)
			}
			byHand.unbind(t, project, viewer, "user:alice@example.com")
			must(t, c.Revoke(t.Context(), on("alice")))
		})
	}
}

func withoutEtag(policy string) string {
	var doc map[string]any
	if err := json.Unmarshal([]byte(policy), &doc); err != nil {
		panic(err)
	}
	delete(doc, "etag")
	text, _ := json.Marshal(doc)
	return string(text)
}

func TestABindingThatIsOverGivesNobodyAnything(t *testing.T) {
	w := scene(t)
	c, byHand := w.open(t), w.hand(t)
	byHand.bind(t, project, viewer, "user:alice@example.com", &crm.Expr{Title: "theirs", Expression: `request.time < timestamp("2020-01-01T00:00:00Z")`})
	byHand.bind(t, project, viewer, "user:alice@example.com", &crm.Expr{Title: "theirs, too", Expression: `request.time < timestamp('2020-10-01T00:00:00.000Z')`})
	if got := holders(t, c, on("")); len(got) > 0 {
		t.Errorf("observe says %v", got)
	}
	must(t, c.Revoke(t.Context(), on("alice")))
	if !strings.Contains(w.Policy(project), "2020-01-01") {
		t.Error("somebody else's binding was swept up")
	}
}

func TestBindingsOfItsOwnThatEndedLongAgoAreSweptUp(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	w.Later(20 * time.Hour)
	later := soon().Add(48 * time.Hour) // the same for all: another second would be another binding
	must(t, c.Grant(t.Context(), on("bob"), later))
	if len(w.ours(t, project)) != 2 {
		t.Errorf("swept up too early: %s", w.Policy(project))
	}
	w.Later(10 * time.Hour)
	must(t, c.Grant(t.Context(), grant("alice", project, logs), later))
	if len(w.ours(t, project)) != 3 {
		t.Errorf("a role that nobody changes was swept up: %s", w.Policy(project))
	}
	must(t, c.Revoke(t.Context(), grant("alice", project, logs)))
	must(t, c.Grant(t.Context(), on("carol"), later))
	if got := w.ours(t, project); len(got) != 1 || len(got[0].members) != 2 {
		t.Errorf("not swept up: %s", w.Policy(project))
	}
}

func TestAnEditedBindingIsShownAsItIsAndPutRight(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	w.hand(t).change(t, project, func(p *crm.Policy) {
		for _, b := range p.Bindings {
			if b.Role == viewer {
				b.Condition.Expression = "true"
				b.Members = append(b.Members, "user:bob@example.com")
			}
		}
	})
	if got := holders(t, c, on("")); !slices.Equal(got, []string{"alice", "bob"}) {
		t.Errorf("observe says %v", got)
	}
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	w.Later(2 * time.Hour)
	if w.may("alice") || !w.may("bob") {
		t.Error("the end is not back, or bob's part was touched by alice's grant")
	}
	must(t, c.Revoke(t.Context(), on("bob")))
	if w.may("bob") {
		t.Error("a member of Tenure's own binding is not revoked")
	}
}

func TestWhatIsNotUnderstoodSurvives(t *testing.T) {
	w := scene(t)
	w.Extend("Binding.bindingId", "Policy.rules", "Expr.origin")
	w.Edit(project, func(doc map[string]any) {
		doc["rules"] = []any{map[string]any{"action": "LOG"}}
		doc["bindings"] = append(doc["bindings"].([]any), map[string]any{
			"role": logs, "members": []any{"user:carol@example.com", "domain:example.org", "principalSet://iam.googleapis.com/locations/global/workforcePools/p/*"},
			"bindingId": "b-1 <&>", "condition": map[string]any{"title": "theirs", "expression": "true", "location": "x", "origin": "y"},
		})
	})
	c := w.open(t)
	before := withoutEtag(w.Policy(project))
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	must(t, c.Grant(t.Context(), grant("alice", project, logs), soon()))
	for _, word := range []string{`"bindingId":"b-1 \u003c\u0026\u003e"`, `"origin":"y"`, `"location":"x"`, `"rules":[{"action":"LOG"}]`, `"auditConfigs":[{`, "domain:example.org"} {
		if !strings.Contains(w.Policy(project), word) {
			t.Errorf("%s is lost: %s", word, w.Policy(project))
		}
	}
	must(t, c.Revoke(t.Context(), on("alice")))
	must(t, c.Revoke(t.Context(), grant("alice", project, logs)))
	if after := withoutEtag(w.Policy(project)); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
	if got := holders(t, c, grant("", project, logs)); len(got) != 3 {
		t.Errorf("observe says %v", got)
	}
}

func TestABatchIsOneChangeOfEachPolicy(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	var acts []connectors.Act
	for i := range 100 {
		account := fmt.Sprintf("user%03d", i)
		w.Account("user:" + account + "@example.com")
		acts = append(acts, connectors.Act{Grant: on(account), Until: soon()}, connectors.Act{Grant: grant(account, "projects/desk-prod", logs), Until: soon()})
	}
	must(t, errors.Join(c.Apply(t.Context(), acts)...))
	if n := w.Calls("setIamPolicy"); n != 2 {
		t.Errorf("%d writes", n)
	}
	if n := len(holders(t, c, on(""))); n != 100 {
		t.Errorf("%d holders", n)
	}
}

func TestOneBadActDoesNotStopTheOthers(t *testing.T) {
	w := scene(t)
	w.Role("roles/forbidden") // exists, but is not among what the reconciler may hand out; roles/ALL is, and does not exist
	set := w.with("roles", []string{viewer, logs, "roles/forbidden", "roles/ALL"})
	c := connect(t, set)
	defer c.Close()
	must(t, c.Grant(t.Context(), on("dave"), soon()))
	var acts []connectors.Act
	for _, g := range []grants.Grant{
		on("alice"), grant("alice", project, "roles/forbidden"), on("ghost"), grant("bob", project, "roles/ALL"), on("bob"),
		grant("group:nobody", project, viewer), grant("serviceAccount:x@shop-prod.iam.gserviceaccount.com", project, logs), grant("carol", project, logs),
		grant("carol", "projects/nowhere-1", viewer),
	} {
		acts = append(acts, connectors.Act{Grant: g, Until: soon()})
	}
	acts = append(acts, connectors.Act{Grant: on("dave"), Revoke: true})
	errs := c.Apply(t.Context(), acts)
	for i, want := range []string{"", "403", "ghost", "roles/ALL is not supported", "", "group:nobody", "serviceAccount:x@", "", "403", ""} {
		if err := errs[i]; (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("act %d: want %q, got %v", i, want, err)
		}
		if missing := i == 2 || i == 5 || i == 6; errors.Is(errs[i], connectors.ErrNoAccount) != missing {
			t.Errorf("act %d: %v", i, errs[i])
		}
	}
	if got := holders(t, c, on(""), grant("", project, logs)); !slices.Equal(got, []string{"alice", "bob", "carol"}) {
		t.Errorf("observe says %v", got)
	}
}

func TestGoogleKeepsCapitalLettersAndTheGrantFindsThem(t *testing.T) {
	w := scene(t)
	w.Account("user:Alice@example.com")
	c := w.open(t)
	w.hand(t).bind(t, project, logs, "user:Alice@example.com", nil)
	must(t, c.Grant(t.Context(), on("alice"), soon())) // Google refuses two spellings in one policy
	if got := holders(t, c, on("")); !slices.Equal(got, []string{"alice"}) || !w.may("alice") {
		t.Errorf("observe says %v", got)
	}
	must(t, c.Revoke(t.Context(), on("alice")))
	if w.may("alice") {
		t.Error("still there")
	}
	if err := c.Grant(t.Context(), on("Alice"), soon()); err == nil {
		t.Error("a second spelling of the same account passed")
	}
}

func TestAnAliasIsNotTakenForTheAccount(t *testing.T) {
	w := scene(t)
	w.Alias("user:al@example.com", "user:alice@example.com")
	c := w.open(t)
	acts := []connectors.Act{{Grant: on("al"), Until: soon()}, {Grant: on("bob"), Until: soon()}}
	errs := c.Apply(t.Context(), acts)
	if !errors.Is(errs[0], connectors.ErrNoAccount) || !strings.Contains(errs[0].Error(), "primary address") || errs[1] != nil {
		t.Errorf("%v", errs)
	}
	if got := holders(t, c, on("")); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("observe says %v", got)
	}
}

func TestADeletedAccountHoldsNothing(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	must(t, c.Grant(t.Context(), on("bob"), soon()))
	w.Delete("user:alice@example.com")
	if got := holders(t, c, on("")); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("observe says %v", got)
	}
	must(t, c.Revoke(t.Context(), on("alice")))
	must(t, c.Revoke(t.Context(), on("bob")))
	must(t, c.Grant(t.Context(), on("carol"), soon()))
}

func TestFoldersAndOrganizationsGiveWhatIsInThem(t *testing.T) {
	w := scene(t)
	w.Resource(t, "projects/in-folder", "folders/22", `{"bindings": []}`)
	c := w.open(t)
	for _, where := range []string{"folders/22", "organizations/1"} {
		g := grant("alice", where, viewer)
		must(t, c.Grant(t.Context(), g, soon()))
		if !w.May("user:alice@example.com", read, "projects/in-folder") {
			t.Errorf("%s: no effect", where)
		}
		if got := holders(t, c, g); !slices.Equal(got, []string{"alice"}) {
			t.Errorf("%s: observe says %v", where, got)
		}
		must(t, c.Revoke(t.Context(), g))
		if w.May("user:alice@example.com", read, "projects/in-folder") {
			t.Errorf("%s: still there", where)
		}
	}
	if errs := c.Check(t.Context(), []string{grant("", "folders/22", viewer).Entitlement}); len(errs) > 0 {
		t.Error(errs)
	}
}

func TestEachResourceIsAPart(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	scope := []string{on("").Entitlement, grant("", "projects/nowhere-1", viewer).Entitlement, grant("", project, logs).Entitlement, "not canonical"}
	parts := c.Parts(scope)
	want := [][]string{{scope[0], scope[2]}, {scope[1]}, {scope[3]}}
	if !slices.EqualFunc(parts, want, slices.Equal[[]string]) {
		t.Errorf("%v", parts)
	}
	if _, err := c.Observe(t.Context(), scope[:3]); err == nil || !strings.Contains(err.Error(), "nowhere-1") {
		t.Errorf("a project that cannot be read: %v", err)
	}
	if _, err := c.Observe(t.Context(), parts[0]); err != nil {
		t.Error(err)
	}
}

func TestManyAtOnceOnOneConnection(t *testing.T) {
	t.Parallel()
	w := scene(t)
	c := w.open(t)
	var wg sync.WaitGroup
	for _, account := range []string{"alice", "bob", "carol", "dave"} {
		wg.Go(func() {
			for range 5 {
				if err := errors.Join(c.Grant(t.Context(), on(account), soon()), c.Revoke(t.Context(), on(account)), c.Grant(t.Context(), on(account), soon())); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := holders(t, c, on("")); len(got) != 4 {
		t.Errorf("observe says %v", got)
	}
	if n := w.Calls("token"); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

func TestTitlesFitIntoGooglesRoom(t *testing.T) {
	long := strings.Repeat("x", 200)
	if a, b := titleOf(long), titleOf(long+"y"); a == b || len(a) > 100 || titleOf("shop") != "Tenure: shop" {
		t.Errorf("%q %q", a, b)
	}
	if len(description) > 256 {
		t.Error("the description is too long for Google")
	}
}
