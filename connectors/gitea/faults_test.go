package gitea

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

// between is a proxy before the real server that answers some requests itself.
type between struct {
	*httptest.Server
	mu    sync.Mutex
	fault func(http.ResponseWriter, *http.Request) bool
	count map[string]int
}

func newBetween(t *testing.T, w *world) *between {
	to, err := url.Parse(w.URL)
	must(t, err)
	b := &between{count: map[string]int{}}
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: transport, ErrorLog: log.New(io.Discard, "", 0)}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		f := b.fault
		b.count[r.Method]++
		b.mu.Unlock()
		if f == nil || !f(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { b.Close(); transport.CloseIdleConnections() })
	return b
}

func (b *between) fail(f func(http.ResponseWriter, *http.Request) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = f
}

func (b *between) requests(method string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer delete(b.count, method)
	return b.count[method]
}

func answering(status int, head, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		if k, v, ok := strings.Cut(head, ": "); ok {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// everyFault lets every request of an Observe fail in every way, one at a time.
func everyFault(t *testing.T, w *world) {
	b := newBetween(t, w)
	w.addRepo("faulty")
	c := connect(t, w.settings(), "baseURL", b.URL)
	scope := []string{"team=developers", "permission=write repository=faulty"}
	for i := range 7 { // two pages
		w.Account(t, fmt.Sprintf("fault%d", i))
		must(t, give(t, c, fmt.Sprintf("fault%d", i), teamSpec("developers")))
	}
	must(t, give(t, c, "alice", repoSpec("faulty", "write")))
	b.requests("GET")
	want, err := c.Observe(t.Context(), scope)
	must(t, err)
	requests := b.requests("GET")
	for name, f := range map[string]func(http.ResponseWriter){
		"401": answering(401, "", `{"message":"no"}`), "403": answering(403, "", `{"message":"no"}`), "409": answering(409, "", `{}`), "404": answering(404, "", `{}`),
		"500": answering(500, "", `{"message":"no"}`), "garbage": answering(200, "", `<html>`), "nothing": answering(200, "", ``), "another shape": answering(200, "", `{"message":"ok"}`),
		"half": answering(200, "Content-Length: 1000", `[{"id":`), "cut": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"redirect": answering(307, "Location: https://elsewhere.example.com/api/v1/x", ``),
	} {
		for k := range requests {
			var n atomic.Int64
			b.fail(func(w http.ResponseWriter, _ *http.Request) bool {
				if n.Add(1) <= int64(k) {
					return false
				}
				f(w)
				return true
			})
			if name == "404" && k == requests-1 {
				continue // of a permission: that account went meanwhile
			}
			fresh := connect(t, w.settings(), "baseURL", b.URL)
			if found, err := fresh.Observe(t.Context(), scope); err == nil {
				t.Errorf("%s at request %d of %d: %d of %d grants and no error", name, k, requests, len(found), len(want))
			} else if strings.Contains(err.Error(), w.token) {
				t.Errorf("the error holds the token: %v", err)
			}
		}
	}
}

func repeats(t *testing.T, w *world) {
	b := newBetween(t, w)
	c := connect(t, w.settings(), "baseURL", b.URL)
	must(t, give(t, c, "alice", teamSpec("readers")))
	for name, f := range map[string]func(http.ResponseWriter){
		"429": answering(429, "Retry-After: 1", ``), "503": answering(503, "", ``), "cut": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		var n atomic.Int64
		b.fail(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || n.Add(1) != 2 {
				return false
			}
			f(w)
			return true
		})
		if !holds(t, c, "alice", teamSpec("readers")) {
			t.Errorf("%s: alice is lost", name)
		}
	}
	// A lost answer of a change is an error, and the next look shows what happened.
	b.fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete {
			return false
		}
		w.join("readers", "alice", false)
		panic(http.ErrAbortHandler)
	})
	b.requests("DELETE")
	if err := take(t, c, "alice", teamSpec("readers")); err == nil || b.requests("DELETE") != 1 {
		t.Errorf("a lost answer: %v", err)
	}
	b.fail(nil)
	must(t, take(t, c, "alice", teamSpec("readers")))
}

func slow(t *testing.T, w *world) {
	b := newBetween(t, w)
	b.fail(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); panic(http.ErrAbortHandler) })
	begin := time.Now()
	_, err := connect(t, w.settings(), "baseURL", b.URL, "timeout", "200ms").Observe(t.Context(), []string{"team=developers"})
	if err == nil || time.Since(begin) > 20*time.Second {
		t.Errorf("took %s: %v", time.Since(begin), err)
	}
}

func movingList(t *testing.T, w *world) {
	b := newBetween(t, w)
	c := connect(t, w.settings(), "baseURL", b.URL)
	w.addTeam("moving", "read", false)
	for i := range 8 {
		w.Account(t, fmt.Sprintf("moving%d", i))
		w.join("moving", fmt.Sprintf("moving%d", i), true)
	}
	var once atomic.Bool
	b.fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/members") && r.URL.Query().Get("page") == "2" && once.CompareAndSwap(false, true) {
			w.join("moving", "moving0", false)
		}
		return false
	})
	found, err := c.Observe(t.Context(), []string{"team=moving"})
	must(t, err)
	if len(found) != 7 || !once.Load() {
		t.Errorf("%d of 7 are shown", len(found))
	}
}

// The last of a list is alone on the second page, and moves to the first one when
// somebody goes: the second page is empty then, as after a list of one page.
func movingLast(t *testing.T, w *world) {
	b := newBetween(t, w)
	c := connect(t, w.settings(), "baseURL", b.URL)
	const onFirst = 5
	w.addTeam("last", "read", false)
	w.addRepo("last")
	for i := range onFirst + 1 {
		w.Account(t, fmt.Sprintf("last%d", i))
		w.join("last", fmt.Sprintf("last%d", i), true)
		w.collaborate("last", fmt.Sprintf("last%d", i), "write")
	}
	for scope, leave := range map[string]func(){
		"team=last":                        func() { w.join("last", "last0", false) },
		"permission=write repository=last": func() { w.collaborate("last", "last0", "") },
	} {
		var once atomic.Bool
		b.fail(func(_ http.ResponseWriter, r *http.Request) bool {
			list := strings.HasSuffix(r.URL.Path, "/members") || strings.HasSuffix(r.URL.Path, "/collaborators")
			if list && r.URL.Query().Get("page") == "2" && once.CompareAndSwap(false, true) {
				leave()
			}
			return false
		})
		found, err := c.Observe(t.Context(), []string{scope})
		must(t, err)
		if !slices.ContainsFunc(found, func(g grants.Grant) bool { return g.Account == "last5" }) || !once.Load() {
			t.Errorf("%s: %d of %d are shown, and the last is not among them", scope, len(found), onFirst)
		}
	}
}

func fewRequests(t *testing.T, w *world) {
	b := newBetween(t, w)
	c := connect(t, w.settings(), "baseURL", b.URL)
	w.addTeam("batch", "read", false)
	const n = 20
	var grant, revoke []connectors.Act
	for i := range n {
		w.Account(t, fmt.Sprintf("batch%02d", i))
		g := grantOf(t, fmt.Sprintf("batch%02d", i), teamSpec("batch"))
		grant, revoke = append(grant, connectors.Act{Grant: g}), append(revoke, connectors.Act{Grant: g, Revoke: true})
	}
	must(t, c.Apply(t.Context(), grant)...)
	b.requests("GET")
	must(t, c.Apply(t.Context(), revoke)...)
	// Two looks: teams and members, each page twice, on pages of five.
	if puts, deletes, gets := b.requests("PUT"), b.requests("DELETE"), b.requests("GET"); puts != n || deletes != n || gets > 40 {
		t.Errorf("%d grants, %d revokes, %d reads", puts, deletes, gets)
	}
}

func TestTheSchemasAgreeWithTheCode(t *testing.T) {
	base := func(change ...any) connectors.Settings {
		s := connectors.Settings{"baseURL": "https://git.example.com", "organization": "acme", "token": "t"}
		for i := 0; i+1 < len(change); i += 2 {
			if change[i+1] == nil {
				delete(s, change[i].(string))
			} else {
				s[change[i].(string)] = change[i+1]
			}
		}
		return s
	}
	conformance.SchemasAgree(t, Driver{}, []connectors.Spec{
		{}, teamSpec("a"), teamSpec(""), teamSpec("a b"), teamSpec(".."), teamSpec("Owners"), {"team": 7}, {"team": "a", "permission": "read"}, {"team": "a", "repository": "b"},
		repoSpec("a", "read"), repoSpec("a", "write"), repoSpec("a", "admin"), repoSpec("a", "owner"), repoSpec("a/b", "read"), {"repository": "a"}, {"permission": "read"},
		teamSpec(strings.Repeat("x", 255)), teamSpec(strings.Repeat("x", 256)),
	}, []connectors.Settings{
		{}, base(), base("baseURL", nil), base("organization", nil), base("token", nil), base("token", "a b"), base("token", ""), base("tokenFile", "/dev/null"),
		base("baseURL", "ftp://git.example.com"), base("organization", "a/b"), base("teams", []any{"a"}), base("teams", []any{"a b"}), base("repositories", []any{"a"}),
		base("permissions", []any{"admin"}), base("permissions", []any{"owner"}), base("timeout", "5s"), base("timeout", 5), base("user", "x"),
	})
}

func TestSettingsThatCannotBeMeantAreRefusedWithoutTheirValues(t *testing.T) {
	for _, s := range []connectors.Settings{
		{"organization": "acme", "token": "t", "ca": "hunter2", "baseURL": "https://git.example.com"},
		{"organization": "acme", "token": "t", "baseURL": "http://git.example.com/hunter2"},
		{"organization": "acme", "token": "hunter2 x", "baseURL": "https://git.example.com"},
	} {
		c, err := Driver{}.Open(t.Context(), target, s)
		if err == nil {
			_ = c.Close()
			t.Errorf("%v passed", s)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error holds a value: %v", err)
		}
	}
}
