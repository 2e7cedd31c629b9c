package okta

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const apiToken = "s3cret-token"

// standIn is a server with the calls of Okta's API that the connector makes. What it
// asks and answers is held to Okta's description (see described).
type standIn struct {
	t       testing.TB
	check   *described
	address string
	srv     *http.Server

	mu     sync.Mutex
	users  []*person
	groups []*team
	next   int
	page   int             // largest page
	weak   map[string]bool // operations that the token may not do: users, groups, members, sessions, roles
	late   bool            // the search finds nothing new
	calls  map[string]int
	assert func(form url.Values) bool
	answer func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
}

type person struct {
	id, login string
	sessions  int // number of the last end
}

type team struct {
	id, name, kind string
	admin          bool
	members        []string
}

func newStandIn(t testing.TB) *standIn {
	o := &standIn{t: t, check: describe(t), page: 100, weak: map[string]bool{}, calls: map[string]int{}}
	o.user("tenure@example.com")
	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		o.user(name + "@example.com")
	}
	o.group("ops", managed)
	o.group("dev", managed)
	o.start()
	t.Cleanup(o.stop)
	return o
}

// start listens, on the same address as before.
func (o *standIn) start() {
	at := o.address
	if at == "" {
		at = "127.0.0.1:0"
	}
	var l net.Listener
	var err error
	for range 100 {
		if l, err = net.Listen("tcp", at); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond) // the address is not free again yet
	}
	if err != nil {
		o.t.Fatal(err)
	}
	o.address = l.Addr().String()
	o.srv = &http.Server{Handler: o.check.handler(http.HandlerFunc(o.serve)), ReadHeaderTimeout: time.Minute}
	go func() { _ = o.srv.Serve(l) }()
}

// stop cuts all connections.
func (o *standIn) stop() { _ = o.srv.Close() }

func (o *standIn) settings() connectors.Settings {
	return connectors.Settings{"url": "http://" + o.address, "token": apiToken}
}

func (o *standIn) newID(prefix string) string {
	o.next++
	return fmt.Sprintf("%s%017d", prefix, o.next)
}

func (o *standIn) user(login string) *person {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.users {
		if strings.EqualFold(p.login, login) {
			return p
		}
	}
	p := &person{id: o.newID("00u"), login: login}
	o.users = append(o.users, p)
	return p
}

func (o *standIn) group(name, kind string) *team {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, g := range o.groups {
		if g.name == name && g.kind == kind {
			return g
		}
	}
	g := &team{id: o.newID("00g"), name: name, kind: kind}
	o.groups = append(o.groups, g)
	return g
}

// byHand is what an administrator does in Okta's own console.
func (o *standIn) byHand(g grants.Grant, revoke bool) {
	e, err := readText(g.Entitlement)
	if err != nil {
		o.t.Fatal(err)
	}
	u := o.user(g.Account)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, one := range o.groups {
		if one.name != e.Name && one.id != e.ID {
			continue
		}
		one.members = slices.DeleteFunc(one.members, func(id string) bool { return id == u.id })
		if !revoke {
			one.members = append(one.members, u.id)
		}
	}
}

func (o *standIn) byID(id string) *person {
	for _, p := range o.users {
		if p.id == id {
			return p
		}
	}
	return nil
}

func (o *standIn) serve(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.answer != nil && o.answer(w, r) {
		return
	}
	path := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/api/v1/"), "/")
	for i := range path {
		path[i], _ = url.PathUnescape(path[i])
	}
	if r.URL.Path == "/oauth2/v1/token" {
		o.token(w, r)
		return
	}
	if a := r.Header.Get("Authorization"); a != "SSWS "+apiToken && a != "Bearer app-token" {
		fail(w, 401, "E0000011", "Invalid token provided")
		return
	}
	o.calls[r.Method+" "+path[0]+strconv.Itoa(len(path))]++
	switch {
	case path[0] == "users":
		o.serveUsers(w, r, path[1:])
	case path[0] == "groups":
		o.serveGroups(w, r, path[1:])
	default:
		fail(w, 404, "E0000022", "The endpoint does not support the provided HTTP method")
	}
}

func (o *standIn) denied(w http.ResponseWriter, what string) bool {
	if o.weak[what] {
		fail(w, 403, "E0000006", "You do not have permission to perform the requested action")
	}
	return o.weak[what]
}

func (o *standIn) serveUsers(w http.ResponseWriter, r *http.Request, path []string) {
	if len(path) == 0 {
		if !o.denied(w, "users") {
			var list []any
			for _, p := range o.users {
				list = append(list, p.doc())
			}
			o.list(w, r, list)
		}
		return
	}
	me := path[0] == "me" && r.Header.Get("Authorization") == "SSWS "+apiToken
	if !me && len(path) == 1 && o.denied(w, "users") {
		return
	}
	var who *person
	for _, p := range o.users { // by id, by login, or by the part of it before the @
		short, _, _ := strings.Cut(p.login, "@")
		if p.id == path[0] || strings.EqualFold(p.login, path[0]) || strings.EqualFold(short, path[0]) || me && p.login == "tenure@example.com" {
			who = p
			break
		}
	}
	if len(path) == 2 && path[1] == "sessions" && o.denied(w, "sessions") {
		return
	}
	switch {
	case who == nil:
		fail(w, 404, "E0000007", "Not found: Resource not found: "+path[0]+" (User)")
	case len(path) == 1:
		reply(w, who.doc())
	case path[1] == "groups":
		var in []any
		for _, g := range o.groups {
			if slices.Contains(g.members, who.id) {
				in = append(in, g.doc())
			}
		}
		o.list(w, r, in)
	case path[1] == "sessions" && r.Method == "DELETE" && r.URL.Query().Get("oauthTokens") == "true":
		who.sessions++
		w.WriteHeader(http.StatusNoContent)
	default:
		fail(w, 400, "E0000001", "Api validation failed")
	}
}

func (o *standIn) serveGroups(w http.ResponseWriter, r *http.Request, path []string) {
	if len(path) < 3 && o.denied(w, "groups") {
		return
	}
	if len(path) == 0 {
		var list []any
		name := r.URL.Query().Get("search")
		if name != "" {
			var want string
			if json.Unmarshal([]byte(strings.TrimPrefix(name, "profile.Name eq ")), &want) != nil {
				fail(w, 400, "E0000031", "Invalid search criteria.")
				return
			}
			name = want
		}
		for _, g := range o.groups {
			if r.URL.Query().Get("search") == "" || g.name == name && !o.late {
				list = append(list, g.doc())
			}
		}
		o.list(w, r, list)
		return
	}
	var g *team
	for _, one := range o.groups {
		if one.id == path[0] {
			g = one
		}
	}
	if len(path) == 3 && o.denied(w, "members") || len(path) == 2 && path[1] == "roles" && o.denied(w, "roles") {
		return
	}
	switch {
	case g == nil:
		fail(w, 404, "E0000007", "Not found: Resource not found: "+path[0]+" (UserGroup)")
	case len(path) == 1:
		reply(w, g.doc())
	case len(path) == 2 && path[1] == "roles":
		list := []any{}
		if g.admin {
			list = append(list, map[string]any{"id": "ra1", "type": "SUPER_ADMIN", "label": "Super Administrator", "status": "ACTIVE"})
		}
		reply(w, list)
	case len(path) == 2 && path[1] == "users":
		var list []any
		for _, id := range g.members {
			list = append(list, o.byID(id).doc())
		}
		o.list(w, r, list)
	case len(path) == 3 && g.kind != managed:
		fail(w, 403, "E0000040", "Cannot change the members of an application group")
	case len(path) == 3 && o.byID(path[2]) == nil:
		fail(w, 404, "E0000007", "Not found: Resource not found: "+path[2]+" (User)")
	case len(path) == 3:
		g.members = slices.DeleteFunc(g.members, func(id string) bool { return id == path[2] })
		if r.Method == "PUT" {
			g.members = append(g.members, path[2])
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
