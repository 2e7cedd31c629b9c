package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

func TestAListIsCompleteOrAnError(t *testing.T) {
	people := crowd(25)
	for name, tc := range map[string]struct {
		list func(start, count int) (int, []string, int)
		want string // in the error; "": all are found
	}{
		"pages":                {func(start, count int) (int, []string, int) { return start, people[start-1 : min(start+4, 25)], 25 }, ""},
		"count is ignored":     {func(start, _ int) (int, []string, int) { return start, people[start-1:], 25 }, ""},
		"the start is ignored": {func(int, int) (int, []string, int) { return 0, people[:5], 25 }, "twice"},
		"another page":         {func(start, _ int) (int, []string, int) { return 1, people[:5], 25 }, "was asked for from 6 and begins at 1"},
		"the end is missing": {func(start, _ int) (int, []string, int) {
			return start, people[start-1 : max(min(start+4, 20), start-1)], 25
		}, "ends after 20 of 25"},
		"more than counted": {func(start, _ int) (int, []string, int) { return start, people[start-1:], 20 }, "more entries"},
		"the total changes": {func(start, _ int) (int, []string, int) { return start, people[start-1 : start+4], 30 + start }, "changes while it is read"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &provider{config: everything, people: people, list: tc.list}
			c := opened(t, p.start(t)).(*connector)
			found, err := read[user](t.Context(), c, list{resource: "Users"})
			if tc.want != "" {
				refused(t, err, tc.want)
			} else if ok(t, err); len(found) != 25 {
				t.Errorf("%d", len(found))
			}
		})
	}
}

func TestAListThatChangedOnceIsReadAgain(t *testing.T) {
	people, calls := crowd(10), 0
	p := &provider{config: everything, people: people, list: func(start, _ int) (int, []string, int) {
		if calls++; calls == 2 {
			return start, people[start-1 : start+1], 11
		}
		return start, people[start-1 : start+1], 10
	}}
	c := opened(t, p.start(t)).(*connector)
	found, err := read[user](t.Context(), c, list{resource: "Users"})
	ok(t, err)
	if len(found) != 10 {
		t.Errorf("%d", len(found))
	}
}

func TestManyPeopleAreLookedUpByTheListWhereThatIsCheaper(t *testing.T) {
	p := &provider{config: `{"patch": {"supported": true}, "filter": {"supported": true}}`, people: crowd(40)}
	for _, name := range p.people {
		if p.members == nil {
			p.members = map[string]bool{}
		}
		p.members["u-"+name] = true
	}
	calls := 0
	p.answer = func(http.ResponseWriter, *http.Request) bool { calls++; return false }
	c := opened(t, p.start(t))
	if got := observed(t, c, gr("", "ops").Entitlement); len(got) != 40 {
		t.Errorf("%d", len(got))
	}
	if calls > 4 { // what it can do, the group by name, its members, everybody
		t.Errorf("%d requests", calls)
	}
}

func TestMembersThatAreNoPeopleAreNotShown(t *testing.T) {
	p := &provider{config: everything, people: []string{"alice", "bob"}, members: map[string]bool{}}
	p.shown = func([]string) []member {
		return []member{{Value: "u-alice", Type: "User"}, {Value: "u-alice", Type: "User"}, {Value: "u-bob", Type: "Group"},
			{Value: "u-bob", Ref: "https://id.example.com/Groups/u-bob"}, {Value: "u-gone"}}
	}
	c := opened(t, p.start(t))
	if got := observed(t, c, "group=ops"); !slices.Equal(got, []string{"alice group=ops"}) {
		t.Error(got)
	}
}

func TestAnAccountIsSpelledAsTheServerSpellsIt(t *testing.T) {
	p := &provider{config: everything, people: []string{"alice"}}
	c := opened(t, p.start(t))
	refused(t, c.Grant(t.Context(), gr("Alice", "ops"), time.Time{}), connectors.ErrNoAccount.Error(), "Alice")
	ok(t, c.Grant(t.Context(), gr("alice", "ops"), time.Time{}))
	ok(t, c.Revoke(t.Context(), gr("ALICE", "ops")))
	if got := observed(t, c, "group=ops"); !slices.Equal(got, []string{"alice group=ops"}) {
		t.Error(got)
	}
}

func TestWithoutPatchAGroupIsReplacedOnlyAsItWasRead(t *testing.T) {
	p := &provider{config: `{"patch": {"supported": false}, "filter": {"supported": true}, "etag": {"supported": true}}`,
		people: []string{"alice", "bob", "carol"}, members: map[string]bool{"u-carol": true}, key: "Members"}
	met := false
	p.answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && !met { // somebody else is faster
			met = true
			p.members["u-bob"] = true
			p.version++
		}
		return false
	}
	c := opened(t, p.start(t))
	ok(t, c.Grant(t.Context(), gr("alice", "ops"), time.Time{}))
	if got := observed(t, c, "group=ops"); !met || !slices.Equal(got, []string{"alice group=ops", "bob group=ops", "carol group=ops"}) {
		t.Error(got)
	}
	ok(t, c.Revoke(t.Context(), gr("alice", "ops")))
	if got := observed(t, c, "group=ops"); !slices.Equal(got, []string{"bob group=ops", "carol group=ops"}) {
		t.Error(got)
	}
}

func TestAServerThatCannotChangeMembersSafelyIsRefused(t *testing.T) {
	p := &provider{config: `{"patch": {"supported": false}, "filter": {"supported": true}, "etag": {"supported": false}}`, people: []string{"alice"}}
	c := opened(t, p.start(t))
	refused(t, c.Grant(t.Context(), gr("alice", "ops"), time.Time{}), "neither PATCH nor ETags")
	k, _ := connectors.AsChecker(c)
	refused(t, k.Check(t.Context(), nil)[0], "neither PATCH nor ETags")
	if p.writes > 0 {
		t.Error("it wrote")
	}
}

func TestAServerWithoutFiltersIsReadInWhole(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"it says so": nil,
		"it refuses them": func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("filter") != "" {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"scimType": "invalidFilter"}`)
				return true
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &provider{config: `{"patch": {"supported": true}, "filter": {"supported": false}}`, people: crowd(5), answer: answer}
			if answer != nil {
				p.config = "" // it does not say what it can do
			}
			c := opened(t, p.start(t))
			ok(t, c.Grant(t.Context(), gr("p003", "ops"), time.Time{}))
			if got := observed(t, c, "group=ops"); !slices.Equal(got, []string{"p003 group=ops"}) {
				t.Error(got)
			}
		})
	}
}

func TestAServerThatTakesAChangeWithoutEffectIsAnError(t *testing.T) {
	p := &provider{config: everything, people: []string{"alice"}}
	p.shown = func([]string) []member { return nil } // such as one that never shows members
	c := opened(t, p.start(t))
	refused(t, c.Grant(t.Context(), gr("alice", "ops"), time.Time{}), "does not show it")
	ok(t, c.Revoke(t.Context(), gr("alice", "ops"))) // the grant took effect all the same
	if p.members["u-alice"] {
		t.Error("somebody who is not shown was left in")
	}
}

func TestAMemberOfAnUnknownTypeIsShown(t *testing.T) {
	p := &provider{config: everything, people: []string{"alice", "bob"}}
	p.shown = func([]string) []member {
		return []member{{Value: "u-alice", Type: "direct"}, {Value: "u-bob", Type: "group"}}
	}
	if got := observed(t, opened(t, p.start(t)), "group=ops"); !slices.Equal(got, []string{"alice group=ops"}) {
		t.Error(got)
	}
}

func TestPeopleAreLookedUpOneByOneWhereTheListCannotBeHad(t *testing.T) {
	for name, tc := range map[string]struct {
		list   func(int, int) (int, []string, int)
		answer func(w http.ResponseWriter, r *http.Request) bool
	}{
		"it does not stand still": {list: func() func(int, int) (int, []string, int) {
			n := 20
			return func(start, _ int) (int, []string, int) {
				n++
				return start, []string{fmt.Sprint("x", n), fmt.Sprint("y", n)}, n
			}
		}()},
		"it is refused": {answer: func(w http.ResponseWriter, r *http.Request) bool {
			hit := r.URL.Path == "/Users" && r.URL.Query().Get("filter") == ""
			if hit {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"scimType": "tooMany"}`)
			}
			return hit
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &provider{config: `{"patch": {"supported": true}, "filter": {"supported": true, "maxResults": 200}}`, people: crowd(20), members: map[string]bool{}, list: tc.list, answer: tc.answer}
			var acts []connectors.Act
			for _, name := range p.people {
				p.members["u-"+name] = true
				acts = append(acts, connectors.Act{Grant: gr(name, "ops"), Revoke: true})
			}
			c := opened(t, p.start(t))
			if got := observed(t, c, "group=ops"); len(got) != 20 {
				t.Errorf("%d are shown", len(got))
			}
			b, _ := connectors.AsBatcher(c)
			ok(t, errors.Join(b.Apply(t.Context(), acts)...))
			if len(p.members) != 0 {
				t.Errorf("%d are left", len(p.members))
			}
		})
	}
}

func TestOneAccountThatCannotBeLookedUpDoesNotStopTheOthers(t *testing.T) {
	p := &provider{config: everything, people: []string{"alice", "bob"}, members: map[string]bool{"u-alice": true, "u-bob": true}}
	p.answer = func(w http.ResponseWriter, r *http.Request) bool {
		hit := strings.Contains(r.URL.Query().Get("filter"), "bob")
		if hit {
			fmt.Fprint(w, `{"totalResults": 1, "Resources": [{"id": "u-b`)
		}
		return hit
	}
	c := opened(t, p.start(t))
	b, _ := connectors.AsBatcher(c)
	errs := b.Apply(t.Context(), []connectors.Act{{Grant: gr("alice", "ops"), Revoke: true}, {Grant: gr("bob", "ops"), Revoke: true}})
	ok(t, errs[0])
	refused(t, errs[1], "look up the user")
}

func TestAGatewayWithoutItsServerIsNoEmptyList(t *testing.T) {
	for _, path := range []string{"/Groups/g", "/Users/u-alice"} {
		p := &provider{config: everything, people: []string{"alice"}, members: map[string]bool{"u-alice": true}}
		down := false
		p.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if down = down || r.URL.Path == path; down {
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, `{"message": "no route matched"}`)
			}
			return down
		}
		c := opened(t, p.start(t))
		if found, err := c.Observe(t.Context(), []string{"groupId=g"}); err == nil {
			t.Errorf("%s: observed %v", path, found)
		}
		if err := c.Revoke(t.Context(), gr("alice", "ops")); err == nil {
			t.Errorf("%s: revoked", path)
		}
	}
}

func TestOneMemberThatTheServerRefusesDoesNotStopTheOthers(t *testing.T) {
	p := &provider{config: everything, people: []string{"alice", "bob", "carol"}}
	p.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		var b strings.Builder
		body := json.NewDecoder(r.Body)
		var doc map[string]any
		_ = body.Decode(&doc)
		_ = json.NewEncoder(&b).Encode(doc)
		if strings.Contains(b.String(), "u-bob") {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"scimType": "mutability", "detail": "bob is locked"}`)
			return true
		}
		r.Body = http.NoBody
		for _, op := range doc["Operations"].([]any) {
			for _, m := range op.(map[string]any)["value"].([]any) {
				p.members[m.(map[string]any)["value"].(string)] = true
			}
		}
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	c := opened(t, p.start(t))
	b, _ := connectors.AsBatcher(c)
	errs := b.Apply(t.Context(), []connectors.Act{{Grant: gr("alice", "ops")}, {Grant: gr("bob", "ops")}, {Grant: gr("carol", "ops")}})
	if errs[0] != nil || errs[2] != nil {
		t.Error(errs)
	}
	refused(t, errs[1], "bob is locked")
}

func TestFailuresAreNeverAnEmptyList(t *testing.T) {
	for _, path := range []string{"/ServiceProviderConfig", "/Groups", "/Groups/g", "/Users/u-alice"} {
		for name, fail := range map[string]func(w http.ResponseWriter){
			"401":     func(w http.ResponseWriter) { w.WriteHeader(401) },
			"403":     func(w http.ResponseWriter) { w.WriteHeader(403) },
			"409":     func(w http.ResponseWriter) { w.WriteHeader(409) },
			"429":     func(w http.ResponseWriter) { w.Header().Set("Retry-After", "600"); w.WriteHeader(429) },
			"500":     func(w http.ResponseWriter) { w.WriteHeader(500) },
			"cut":     func(w http.ResponseWriter) { c, _, _ := w.(http.Hijacker).Hijack(); _ = c.Close() },
			"garbage": func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") },
			"empty":   func(w http.ResponseWriter) { fmt.Fprint(w, "{}") },
		} {
			if name == "empty" && path == "/ServiceProviderConfig" {
				continue // it can do nothing, which is no failure to observe
			}
			p := &provider{config: everything, people: []string{"alice"}, members: map[string]bool{"u-alice": true}}
			p.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == path {
					fail(w)
				}
				return r.URL.Path == path
			}
			c := opened(t, p.start(t))
			if found, err := c.Observe(t.Context(), []string{"group=ops"}); err == nil {
				t.Errorf("%s %s: %v", path, name, found)
			} else {
				refused(t, err, "idp: observe")
			}
		}
	}
}
