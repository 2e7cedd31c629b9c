package okta

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/connectors/group"
	"github.com/tenure-dev/tenure/grants"
)

func open(t testing.TB, set connectors.Settings, more connectors.Settings) connectors.Connector {
	t.Helper()
	for k, v := range more {
		set[k] = v
	}
	c, err := Driver{}.Open(t.Context(), "org", set)
	ok(t, err)
	return c
}

func opened(t testing.TB, o *standIn, more connectors.Settings) connectors.Connector {
	c := open(t, o.settings(), more)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a secret in %q", err)
	}
}

func gr(account, name string) grants.Grant {
	return grants.Grant{Target: "org", Account: account, Entitlement: group.Entitlement{Name: name}.Canonical()}
}

func observed(t testing.TB, c connectors.Connector, scope ...string) []string {
	t.Helper()
	found, err := c.Observe(t.Context(), scope)
	ok(t, err)
	var out []string
	for _, g := range found {
		out = append(out, g.Account+" "+g.Entitlement)
	}
	slices.Sort(out)
	return out
}

func TestConformance(t *testing.T) {
	o := newStandIn(t)
	byID := o.group("by id", managed)
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "org",
		Open:           func(t testing.TB) connectors.Connector { return open(t, o.settings(), nil) },
		Accounts:       []string{"alice@example.com", "bob@example.com", "carol@example.com", "dave@example.com"},
		Specs:          []connectors.Spec{{"group": "ops"}, {"group": "dev"}, {"groupId": byID.id}},
		Absent:         connectors.Spec{"group": "absent"},
		BadSpecs:       []connectors.Spec{{"group": 1}, {"group": ""}, {"group": "a\x00"}, {"group": "a", "groupId": "b"}, {"groupId": "a/b"}, {"groupId": "a-b"}},
		UnknownAccount: "mallory@example.com",
		ForeignGrant:   func(_ testing.TB, g grants.Grant) { o.byHand(g, false) },
		ForeignRevoke:  func(_ testing.TB, g grants.Grant) { o.byHand(g, true) },
		Named:          func(name string) connectors.Spec { return connectors.Spec{"group": name} },
		Create: func(_ testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.AccountName {
				n := utf8.RuneCountInString(name) // Okta takes logins of 5 to 100 characters
				return n >= 5 && n <= 100 && o.user(name).login == name
			}
			o.group(name, managed)
			return true
		},
		Many:    250, // more than a page
		Kill:    func(testing.TB) { o.stop() },
		Restart: func(testing.TB) { o.start() },
		Session: func(_ testing.TB, g grants.Grant) func() bool {
			u := o.user(g.Account)
			o.mu.Lock()
			defer o.mu.Unlock()
			began := u.sessions
			return func() bool {
				o.mu.Lock()
				defer o.mu.Unlock()
				return u.sessions == began
			}
		},
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.weak = map[string]bool{"users": true, "members": true, "sessions": true}
			t.Cleanup(func() {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.weak = map[string]bool{}
			})
			return open(t, o.settings(), nil), []string{
				"missing right: read users", "missing right: end sessions of users",
				`missing right: change the members of the group "ops"`, `missing right: change the members of the group "dev"`,
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseNativeExpiry: "a member of a group has no end in Okta",
		},
	})
	for path, item := range o.check.doc.Paths.Map() {
		for method := range item.Operations() {
			if o.check.seen[method+" "+path] == 0 {
				t.Errorf("%s %s of the description was never asked", method, path)
			}
		}
	}
}

func TestPagesAreFollowedByTheirLinks(t *testing.T) {
	o := newStandIn(t)
	o.page = 2
	c := opened(t, o, nil)
	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		o.byHand(gr(name+"@example.com", "ops"), false)
	}
	if got := observed(t, c, "group=ops"); len(got) != 4 {
		t.Error(got)
	}
	o.late = true // groups are then found in the list of all, which has two pages
	o.group("third", managed)
	o.byHand(gr("alice@example.com", "third"), false)
	if got := observed(t, c, "group=third"); !slices.Equal(got, []string{"alice@example.com group=third"}) {
		t.Error(got)
	}
	for name, link := range map[string]string{"another server": `<http://127.0.0.1:1/api/v1/groups>; rel="next"`, "a circle": ""} {
		o.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/users") {
				return false
			}
			if link == "" {
				w.Header().Set("Link", fmt.Sprintf(`<http://%s%s>; rel="next"`, o.address, r.URL.EscapedPath()))
			} else {
				w.Header().Set("Link", link)
			}
			reply(w, []any{o.users[0].doc()})
			return true
		}
		if found, err := c.Observe(t.Context(), []string{"group=ops"}); err == nil {
			t.Errorf("%s: %v", name, found)
		}
	}
}

func TestLinks(t *testing.T) {
	for want, headers := range map[string][]string{
		"https://a/b?after=1,2;x": {`<https://a/b>; rel="self"`, `<https://a/b?after=1,2;x>; rel="next"`},
		"https://a/c":             {`<https://a/b>; rel="self", <https://a/c>; title="x"; rel="next"`},
		"https://a/d":             {`<https://a/d>; rel=next`},
		"":                        {`<https://a/b>; rel="self"`, `garbage`, `>;<`},
	} {
		if got := nextLink(headers); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTheRateLimitIsHeard(t *testing.T) {
	o := newStandIn(t)
	c := opened(t, o, nil)
	n := 0
	o.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/groups") {
			return false
		}
		if n++; n > 1 {
			return false
		}
		w.Header().Set("Date", "Thu, 26 Nov 2026 20:00:00 GMT")
		w.Header().Set("X-Rate-Limit-Reset", fmt.Sprint(time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC).Unix()))
		fail(w, 429, "E0000047", "API call exceeded rate limit due to too many requests.")
		return true
	}
	began := time.Now()
	ok(t, c.Grant(t.Context(), gr("alice@example.com", "ops"), time.Time{}))
	if n < 2 || time.Since(began) < 900*time.Millisecond {
		t.Errorf("%d tries after %s", n, time.Since(began))
	}
	wait := rateLimit(func() time.Time { return time.Unix(100, 0) })
	for reset, want := range map[string]time.Duration{"130": 31 * time.Second, "50": time.Second} {
		if d, asked := wait(http.Header{"X-Rate-Limit-Reset": {reset}}); !asked || d != want {
			t.Errorf("%s: %s", reset, d)
		}
	}
	if _, asked := wait(http.Header{}); asked {
		t.Error("no header, and it waits")
	}
}

func TestOnlyGroupsThatOktaManagesAreChanged(t *testing.T) {
	o := newStandIn(t)
	c := opened(t, o, nil)
	app := o.group("app", "APP_GROUP")
	o.byHand(gr("bob@example.com", "app"), false)
	refused(t, c.Grant(t.Context(), gr("alice@example.com", "app"), time.Time{}), `type "APP_GROUP"`)
	refused(t, c.Revoke(t.Context(), gr("bob@example.com", "app")), "something else than Okta manages")
	if len(app.members) != 1 {
		t.Error(app.members)
	}
	k, _ := connectors.AsChecker(c)
	refused(t, errors.Join(k.Check(t.Context(), []string{"group=app"})...), "APP_GROUP")
	o.group("app", managed) // one of the same name that Okta manages is meant
	ok(t, c.Grant(t.Context(), gr("alice@example.com", "app"), time.Time{}))
	if got := observed(t, c, "group=app"); !slices.Equal(got, []string{"alice@example.com group=app"}) || len(app.members) != 1 {
		t.Error(got)
	}
}

func TestAGroupOfAdministratorsIsRefusedUnlessItIsListed(t *testing.T) {
	o := newStandIn(t)
	o.group("ops", managed).admin = true
	g := gr("alice@example.com", "ops")
	c := opened(t, o, nil)
	refused(t, c.Grant(t.Context(), g, time.Time{}), "makes its members administrators", "SUPER_ADMIN")
	ok(t, c.Revoke(t.Context(), g))
	ok(t, opened(t, o, connectors.Settings{"groups": []string{"ops"}}).Grant(t.Context(), g, time.Time{}))
	o.weak["roles"] = true
	refused(t, c.Grant(t.Context(), gr("alice@example.com", "dev"), time.Time{}), "cannot be seen")
	refused(t, opened(t, o, connectors.Settings{"groups": []string{"ops"}}).Grant(t.Context(), gr("alice@example.com", "dev"), time.Time{}), "setting groups does not list")
}

func TestALoginIsExact(t *testing.T) {
	o := newStandIn(t)
	c := opened(t, o, nil)
	for _, login := range []string{"alice", "Alice@example.com"} { // Okta itself would take both
		err := c.Grant(t.Context(), gr(login, "ops"), time.Time{})
		refused(t, err, `spelled "alice@example.com"`)
		if !errors.Is(err, connectors.ErrNoAccount) {
			t.Error(err)
		}
	}
	for _, login := range []string{"me", "a/b", "a?b", ".."} {
		refused(t, c.Grant(t.Context(), gr(login, "ops"), time.Time{}), "no login")
		ok(t, c.Revoke(t.Context(), gr(login, "ops")))
	}
	o.byHand(gr("alice@example.com", "ops"), false)
	ok(t, c.Revoke(t.Context(), gr("alice", "ops")))
	if got := observed(t, c, "group=ops"); len(got) != 1 {
		t.Error(got)
	}
}

func TestTheReconcilersOwnAccountIsLeftAlone(t *testing.T) {
	o := newStandIn(t)
	c := opened(t, o, nil)
	g := gr("tenure@example.com", "ops")
	o.byHand(g, false)
	refused(t, c.Revoke(t.Context(), g), "the reconciler's own")
	refused(t, c.Grant(t.Context(), g, time.Time{}), "the reconciler's own")
	ender, _ := connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{gr("tenure@example.com", "dev")}))
	if o.user(g.Account).sessions != 0 || len(observed(t, c, g.Entitlement)) != 1 {
		t.Error("it ended its own access")
	}
}

func TestASearchThatIsLateIsNotBelieved(t *testing.T) {
	o := newStandIn(t)
	o.late = true
	c := opened(t, o, nil)
	g := gr("alice@example.com", "ops")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	if got := observed(t, c, "group=ops", "group=dev"); !slices.Equal(got, []string{"alice@example.com group=ops"}) {
		t.Error(got)
	}
	o.late = false
	o.group("ops", managed).name = "renamed" // and the search finds it by its old name
	o.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("search") == "" {
			return false
		}
		old := *o.groups[0]
		old.name = "ops"
		reply(w, []any{old.doc()})
		return true
	}
	refused(t, c.Grant(t.Context(), gr("bob@example.com", "ops"), time.Time{}), "does not exist")
}

func TestFailuresAreNeverAnEmptyList(t *testing.T) {
	for _, part := range []string{"/api/v1/groups", "/users"} {
		for name, fault := range map[string]func(w http.ResponseWriter){
			"401": func(w http.ResponseWriter) { fail(w, 401, "E0000011", "Invalid token provided") },
			"403": func(w http.ResponseWriter) { fail(w, 403, "E0000006", "no") },
			"409": func(w http.ResponseWriter) { fail(w, 409, "E", "conflict") },
			"429": func(w http.ResponseWriter) {
				w.Header().Set("X-Rate-Limit-Reset", fmt.Sprint(time.Now().Add(time.Hour).Unix()))
				fail(w, 429, "E0000047", "too many")
			},
			"500":     func(w http.ResponseWriter) { fail(w, 500, "E0000009", "Internal Server Error") },
			"garbage": func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) },
			"nothing": func(w http.ResponseWriter) { reply(w, nil) },
			"no ids":  func(w http.ResponseWriter) { reply(w, []any{map[string]any{}}) },
		} {
			o := newStandIn(t)
			o.byHand(gr("alice@example.com", "ops"), false)
			o.answer = func(w http.ResponseWriter, r *http.Request) bool {
				hit := strings.HasSuffix(r.URL.Path, part)
				if hit {
					w.Header().Set("X-Fault", "1")
					fault(w)
				}
				return hit
			}
			if found, err := opened(t, o, nil).Observe(t.Context(), []string{"group=ops"}); err == nil {
				t.Errorf("%s %s: %v", part, name, found)
			} else {
				refused(t, err, "org: observe")
			}
		}
	}
}
