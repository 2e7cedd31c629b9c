package rabbitmq

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

func spec(vhost, permission, kind, name string) connectors.Spec {
	return connectors.Spec{"vhost": vhost, "permission": permission, kind: name}
}

func gr(account string, spec connectors.Spec) grants.Grant {
	text, err := Driver{}.Canonical(spec)
	if err != nil {
		panic(err)
	}
	return grants.Grant{Target: "mq", Account: account, Entitlement: text}
}

// wired returns a connector to a server that answers as the test likes.
func wired(t *testing.T, answer http.HandlerFunc) *connector {
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	c, err := Driver{}.Open(t.Context(), "mq", connectors.Settings{"url": s.URL, "user": "tenure", "password": "hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*connector)
}

func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, `[{"user":"alice","vhost":"shop","read":"^orders$"`)
}

func TestAnAnswerThatCannotBeReadIsAnError(t *testing.T) {
	row, tag := gr("alice", spec("shop", "read", "resource", "orders")), gr("alice", connectors.Spec{"tag": "monitoring"})
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); fmt.Fprint(w, body) }
	}
	for name, answer := range map[string]http.HandlerFunc{
		"401": status(401, `{"error":"not_authorized","reason":"Login failed"}`), "403": status(403, ""), "404 of a proxy": status(404, "<html>not here</html>"), "404 of another server": status(404, "{}"), "409": status(409, "{}"), "429": status(429, "slow"), "500": status(500, "<html>"),
		"302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"cut": cut, "garbage": status(200, "<html>hello</html>"), "null": status(200, "null"), "word": status(200, `"not_found"`), "half": status(200, `[{"user":"alice"`),
		"no names": status(200, `[{}]`), "another": status(200, `{"user":"bob","vhost":"shop","name":"bob"}`), "nothing": status(200, ""),
	} {
		t.Run(name, func(t *testing.T) {
			c := wired(t, answer)
			for i, call := range []func() error{
				func() error { _, err := c.Observe(t.Context(), []string{row.Entitlement}); return err },
				func() error { _, err := c.Observe(t.Context(), []string{tag.Entitlement}); return err },
				func() error { return c.Grant(t.Context(), row, time.Time{}) },
				func() error { return c.Grant(t.Context(), tag, time.Time{}) },
				func() error { return c.Revoke(t.Context(), row) },
				func() error { return c.Revoke(t.Context(), tag) },
				func() error { return c.EndSessions(t.Context(), []grants.Grant{row}) },
				func() error { return errors.Join(c.Check(t.Context(), nil)...) },
			} {
				err := call()
				if err == nil || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("call %d: %v", i, err)
				}
			}
		})
	}
}

func TestAListThatIsNotThereIsNoEmptyList(t *testing.T) {
	c := wired(t, http.NotFound)
	for _, text := range []string{"tag=monitoring", "permission=read resource=orders vhost=shop"} {
		if found, err := c.Observe(t.Context(), []string{text}); err == nil {
			t.Errorf("%v", found)
		}
	}
	says := errors.Join(c.Check(t.Context(), nil)...)
	if says == nil || !strings.Contains(says.Error(), "setting url") {
		t.Error(says)
	}
}

func TestABusyBrokerIsAskedAgainAsItSays(t *testing.T) {
	var n atomic.Int32
	var first time.Time
	c := wired(t, func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) {
		case 1:
			first = time.Now()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			if d := time.Since(first); d < time.Second {
				t.Errorf("asked again after %s", d)
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			fmt.Fprint(w, "[]")
		}
	})
	if found, err := c.Observe(t.Context(), []string{"tag=monitoring"}); err != nil || len(found) != 0 || n.Load() != 3 {
		t.Errorf("%v, %v after %d requests", found, err, n.Load())
	}
	n.Store(-1000)
	never := wired(t, func(w http.ResponseWriter, _ *http.Request) { n.Add(1); w.WriteHeader(http.StatusBadGateway) })
	if _, err := never.Observe(t.Context(), []string{"tag=monitoring"}); err == nil || n.Load() != -1000+attempts {
		t.Errorf("%v after %d requests", err, n.Load()+1000)
	}
}

func TestWhatAnotherHandWritesWhileTheBrokerIsBusyStays(t *testing.T) {
	for _, of := range []connectors.Spec{spec("shop", "read", "resource", "orders"), {"tag": "monitoring"}} {
		var mu sync.Mutex
		now := map[string]any{"user": "alice", "vhost": "shop", "configure": "", "write": "", "read": "^old", "name": "alice", "password_hash": "x", "hashing_algorithm": "y", "tags": []string{"old"}}
		puts := 0
		c := wired(t, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if r.Method == http.MethodGet {
				_ = json.NewEncoder(w).Encode(now)
				return
			}
			if puts++; puts == 1 {
				now["read"], now["tags"] = "^new", []string{"new"} // by another hand
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			if err := json.NewDecoder(r.Body).Decode(&now); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusNoContent)
		})
		if err := c.Grant(t.Context(), gr("alice", of), time.Time{}); err != nil {
			t.Error(err)
		}
		if text := fmt.Sprint(now["read"], now["tags"]); strings.Contains(text, "old") || !strings.Contains(text, "new") {
			t.Errorf("what another hand wrote is lost: %s", text)
		}
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	hang := make(chan struct{})
	c := wired(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Observe(ctx, []string{"tag=monitoring"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := c.Revoke(ctx, gr("alice", connectors.Spec{"tag": "monitoring"})); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestConnectionsThatDoNotGoAreAnError(t *testing.T) {
	c := wired(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/connections/username/"):
			fmt.Fprint(w, `[{"name":"one","vhost":"shop","user":"alice"},{"name":"two","vhost":"other","user":"alice"}]`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":"Object Not Found","reason":"Not Found"}`)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := c.EndSessions(ctx, []grants.Grant{gr("alice", spec("shop", "read", "resource", "orders"))})
	if err == nil || !strings.Contains(err.Error(), "one") || strings.Contains(err.Error(), "two") {
		t.Error(err)
	}
}

func TestTheServersCertificateIsVerified(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") }))
	s.Config.ErrorLog = nil
	defer s.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	for _, set := range []connectors.Settings{{}, {"ca": ca}} {
		set["url"], set["user"] = s.URL, "tenure"
		c, err := Driver{}.Open(t.Context(), "mq", set)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Observe(t.Context(), []string{"tag=monitoring"})
		var bad *tls.CertificateVerificationError
		if trusted := set["ca"] != nil; trusted != (err == nil) || !trusted && !errors.As(err, &bad) {
			t.Errorf("ca %t: %v", trusted, err)
		}
		_ = c.Close()
	}
}

func TestSettingsAreStrictAndKeepSecrets(t *testing.T) {
	for word, set := range map[string]connectors.Settings{
		"url":       {"url": "mq.example.com:15671", "user": "u", "password": "hunter2"},
		"https":     {"url": "http://mq.example.com:15672", "user": "u", "password": "hunter2"},
		"query":     {"url": "https://u:hunter2@mq.example.com", "user": "u"},
		"ca":        {"url": "https://mq.example.com", "user": "u", "ca": "hunter2"},
		"tags":      {"url": "https://mq.example.com", "user": "u", "tags": []string{"a,b"}},
		"vhosts":    {"url": "https://mq.example.com", "user": "u", "vhosts": []string{".."}},
		"password":  {"url": "https://mq.example.com", "user": "u", "pasword": "hunter2"},
		"plainText": {"url": "https://mq.example.com", "user": "u", "plainText": "hunter2"},
	} {
		_, err := Driver{}.Open(t.Context(), "mq", set)
		if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"} {
		if _, err := newClient(settings{URL: url}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestEntitlementsAndExpressionsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x expression
		var want []entitlement
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			e := entitlement{vhost: "shop", permission: "read", kind: rapid.SampledFrom(kinds()).Draw(t, "kind")}
			if e.kind != allOf {
				e.name = rapid.StringN(1, 12, -1).Draw(t, "name")
				if rapid.Bool().Draw(t, "special") {
					e.name = rapid.StringOfN(rapid.RuneFrom([]rune(special+"a")), 1, 12, -1).Draw(t, "name")
				}
			}
			x.ours = append(x.ours, e.alternative())
			want = append(want, e)
		}
		if rapid.Bool().Draw(t, "more") {
			x.more, x.rest = true, rapid.SampledFrom([]string{"^$", ".*", "^a", "(?i)^orders$", `^a\-b$`, "^a$b", "^a[|]b$", "^*$", "^a\\", made}).Draw(t, "rest")
		}
		got := readExpression(x.text())
		if !slices.Equal(got.ours, x.ours) || got.rest != x.rest || got.more != x.more {
			t.Fatalf("%q became %q", x.text(), got.text())
		}
		for i, form := range got.ours {
			if e := entitlementOf("shop", "read", form); e != want[i] {
				t.Fatalf("%+v became %q and %+v", want[i], form, e)
			}
			if !got.matches(want[i]) {
				t.Fatalf("%q does not match %+v", x.text(), want[i])
			}
		}
	})
}

func TestAnyExpressionStaysWhenNothingIsTakenFromIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune(`^$|.*\()a[]?`)), 0, 16, -1).Draw(t, "text")
		want := text
		if strings.HasSuffix(text, "|") && len(readExpression(text).ours) > 0 && readExpression(text).rest == "" {
			want += "(?:)" // what matches everything still does
		}
		if got := readExpression(text).text(); got != want {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestTheSchemasAgreeWithTheCode(t *testing.T) {
	specs := []connectors.Spec{
		{}, {"tag": "a"}, {"tag": ""}, {"tag": "a b"}, {"tag": strings.Repeat("x", 65)}, {"tag": 1}, {"tag": "a", "vhost": "b"}, {"vhost": "v"}, {"vhost": "v", "permission": "read"},
		{"vhost": "..", "permission": "read", "resource": "r"}, {"vhost": "", "permission": "read", "resource": "r"}, {"vhost": "v", "permission": "all", "resource": "r"},
		{"vhost": "v", "permission": "read", "resource": strings.Repeat("x", 256)}, {"vhost": "v", "permission": "read", "resource": "a", "prefix": "b"},
		{"vhost": "v", "permission": "read", "everything": true}, {"vhost": "v", "permission": "read", "everything": "true"}, {"vhost": "v", "permission": "read", "everything": false},
		{"vhost": "v", "permission": "read", "everything": true, "resource": "r"},
	}
	for _, p := range permissions() {
		specs = append(specs, spec("v", p, "resource", "r"), spec("v", p, "prefix", "r"), spec("v", p, "prefix", ""))
	}
	conformance.SchemasAgree(t, Driver{}, specs, []connectors.Settings{
		{}, {"url": "https://h"}, {"url": "https://h", "user": "u"}, {"url": "h", "user": "u"}, {"url": "https://h", "user": "."}, {"url": "ftp://h", "user": "u"},
		{"url": "http://h", "user": "u", "plainText": true}, {"url": "https://h", "user": "u", "plainText": "yes"}, {"url": "https://h", "user": "u", "vhosts": []any{"/"}},
		{"url": "https://h", "user": "u", "vhosts": []any{""}}, {"url": "https://h", "user": "u", "everything": []any{".."}}, {"url": "https://h", "user": "u", "tags": []any{"administrator"}},
		{"url": "https://h", "user": "u", "tags": []any{"a b"}}, {"url": "https://h", "user": "u", "password": "p", "passwordFile": "/dev/null"}, {"url": "https://h", "user": "u", "address": "x"},
	})
}

func TestConnectionsThatDoNotGoKeepBackNoOtherForEver(t *testing.T) {
	var ended atomic.Bool
	c := wired(t, func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/api/connections/username/")
		switch {
		case r.Method == http.MethodGet && name != r.URL.Path && (name != "zoe" || !ended.Load()):
			fmt.Fprintf(w, `[{"name":"one","vhost":"shop","user":%q}]`, name)
		case r.Method == http.MethodGet && name != r.URL.Path:
			fmt.Fprint(w, "[]")
		default:
			if r.Method == http.MethodDelete && name == "zoe" {
				ended.Store(true)
			}
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":"Object Not Found","reason":"Not Found"}`)
		}
	})
	lost := []grants.Grant{gr("zoe", spec("shop", "read", "resource", "orders"))}
	for i := range parallel {
		lost = append(lost, gr(fmt.Sprintf("alice%d", i), spec("shop", "read", "resource", "orders")))
	}
	for range 1000 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := c.EndSessions(ctx, lost)
		cancel()
		if err == nil {
			t.Fatal("connections are there, and it is no error")
		}
		if ended.Load() {
			return
		}
	}
	t.Error("those that stay keep back another")
}
