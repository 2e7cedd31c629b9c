package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

// provider is a small server with the habits of others that the real one here does not
// have. It speaks just enough SCIM for one group, ops, and its people.
type provider struct {
	mu      sync.Mutex
	config  string          // ServiceProviderConfig; "": not found
	people  []string        // userName; the id is u- and the name
	members map[string]bool // ids
	version int
	writes  int

	answer func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	list   func(start, count int) (from int, names []string, total int)
	shown  func(ids []string) []member // how members are shown
}

const everything = `{"patch": {"supported": true}, "filter": {"supported": true, "maxResults": 2}, "etag": {"supported": true}}`

func (p *provider) start(t testing.TB) connectors.Settings {
	if p.members == nil {
		p.members = map[string]bool{}
	}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	return connectors.Settings{"url": srv.URL, "token": writer}
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answer != nil && p.answer(w, r) {
		return
	}
	reply := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); {
	case parts[0] == "ServiceProviderConfig" && p.config != "":
		fmt.Fprint(w, p.config)
	case r.URL.Path == "/Users":
		p.users(w, r)
	case parts[0] == "Users" && slices.Contains(p.people, strings.TrimPrefix(parts[1], "u-")):
		reply(user{parts[1], strings.TrimPrefix(parts[1], "u-")})
	case r.URL.Path == "/Groups":
		reply(map[string]any{"totalResults": 1, "Resources": []groupDoc{{ID: "g", DisplayName: "ops"}}})
	case r.URL.Path == "/Groups/g":
		p.group(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) users(w http.ResponseWriter, r *http.Request) {
	start, _ := strconv.Atoi(r.URL.Query().Get("startIndex"))
	count, _ := strconv.Atoi(r.URL.Query().Get("count"))
	names := p.people
	if f := r.URL.Query().Get("filter"); f != "" {
		names = nil
		for _, name := range p.people {
			if strings.EqualFold(f, `userName eq "`+name+`"`) { // as RFC 7643 says of userName
				names = append(names, name)
			}
		}
	}
	from, total := start, len(names)
	if p.list != nil && r.URL.Query().Get("filter") == "" {
		from, names, total = p.list(start, count)
	} else {
		names = names[min(start-1, total):min(start-1+count, total)]
	}
	list := []user{}
	for _, name := range names {
		list = append(list, user{"u-" + name, name})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"totalResults": total, "startIndex": from, "Resources": list})
}

func (p *provider) group(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		var doc struct {
			groupDoc
			Color string
		}
		_ = json.NewDecoder(r.Body).Decode(&doc)
		if r.Header.Get("If-Match") != fmt.Sprintf(`W/"%d"`, p.version) {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		if doc.Color != "red" { // what is not known is lost
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.members = map[string]bool{}
		for _, m := range doc.Members {
			p.members[m.Value] = true
		}
		p.writes++
		p.version++
	}
	if r.Method == http.MethodPatch {
		var doc struct {
			Operations []struct {
				Op, Path string
				Value    []member
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&doc)
		for _, op := range doc.Operations {
			for _, m := range op.Value {
				p.members[m.Value] = true
			}
			if op.Op == "remove" {
				delete(p.members, strings.TrimSuffix(strings.TrimPrefix(op.Path, `members[value eq "`), `"]`))
			}
		}
		p.writes++
		p.version++
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var ids []string
	for id := range p.members {
		ids = append(ids, id)
	}
	list := membersOf(ids)
	if p.shown != nil {
		list = p.shown(ids)
	}
	w.Header().Set("ETag", fmt.Sprintf(`W/"%d"`, p.version))
	_ = json.NewEncoder(w).Encode(map[string]any{"id": "g", "displayName": "ops", "color": "red", "members": list, "meta": map[string]any{"version": "x"}})
}

// crowd is more people than are looked up one by one.
func crowd(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("p%03d", i))
	}
	return names
}

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
		people: []string{"alice", "bob", "carol"}, members: map[string]bool{"u-carol": true}}
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
