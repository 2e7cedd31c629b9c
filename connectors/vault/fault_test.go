package vault

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// between puts a proxy before the server. Hook sees every request first and reports
// whether it has answered it itself.
func (w *world) between(t testing.TB, hook func(rw http.ResponseWriter, r *http.Request) (done bool)) *httptest.Server {
	t.Helper()
	p := httptest.NewUnstartedServer(w.proxy(t, hook))
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	return p
}

func (w *world) proxy(t testing.TB, hook func(rw http.ResponseWriter, r *http.Request) (done bool)) http.Handler {
	t.Helper()
	u, err := url.Parse(w.url)
	ok(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	next := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }, Transport: transport, ErrorLog: log.New(io.Discard, "", 0)}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !hook(rw, r) {
			next.ServeHTTP(rw, r)
		}
	})
}

func (w *world) through(t testing.TB, hook func(rw http.ResponseWriter, r *http.Request) (done bool)) connectors.Connector {
	t.Helper()
	p := w.between(t, hook)
	p.Start()
	t.Cleanup(p.Close)
	return w.opened(t, connectors.Settings{"address": p.URL})
}

func say(code int, body string, header ...string) func(http.ResponseWriter) {
	return func(rw http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		rw.WriteHeader(code)
		_, _ = rw.Write([]byte(body))
	}
}

func TestObserveIsCompleteOrAnErrorWhateverTheServerAnswers(t *testing.T) {
	w := newWorld(t)
	g := gr("alice", "group", "db-admin")
	p := gr("bob", "policy", "orders-read")
	direct := w.opened(t, nil)
	ok(t, direct.Grant(t.Context(), g, time.Time{}))
	ok(t, direct.Grant(t.Context(), p, time.Time{}))
	var list json.RawMessage
	w.must(t, "LIST", "identity/entity/id", nil, &list)
	cut := func(rw http.ResponseWriter) {
		rw.Header().Set("Content-Length", "100000")
		_, _ = rw.Write([]byte(`{"data":{"keys":[`))
		panic(http.ErrAbortHandler)
	}
	for name, answer := range map[string]struct {
		say  func(http.ResponseWriter)
		word string
	}{
		"401":                   {say(401, `{"errors":["who are you"]}`), "who are you"},
		"403":                   {say(403, `{"errors":["permission denied"]}`), "doctor"},
		"404 of no such path":   {say(404, `{"errors":["no handler for route \"identity/x\". route entry not found."]}`), "no handler"},
		"404 of a proxy":        {say(404, `<html>not here</html>`), "not in the words of Vault"},
		"404 of another server": {say(404, `{}`), "not in the words of Vault"},
		"409":                   {say(409, `{"errors":["conflict"]}`), "conflict"},
		"429 for too long":      {say(429, `{"errors":["slow"]}`, "Retry-After", "3600"), "slow"},
		"500":                   {say(500, `{"errors":["broken"]}`), "broken"},
		"503 sealed":            {say(503, `{"errors":["Vault is sealed"]}`), "unseal it"},
		"307 of a standby":      {say(307, ``, "Location", "http://other.example.com/v1/x"), "standby"},
		"garbage":               {say(200, `hello`), "not one of Vault"},
		"an array":              {say(200, `[]`), "not one of Vault"},
		"no data":               {say(200, `{"data":null}`), "no data"},
		"other data":            {say(200, `{"data":{"keys":"x","id":1}}`), "other data"},
		"empty data":            {say(200, `{"data":{}}`), ""},
		"half an object":        {say(200, `{"data":{"keys":["a"`), "not complete"},
		"a cut connection":      {cut, ""},
		"a part of the list":    {say(200, `{"data":`+string(list)+`,"warnings":["partial response due to timeout"]}`), "part of a list"},
		"keys without names":    {say(200, `{"data":{"keys":["x"],"id":"y","name":"y"}}`), ""},
	} {
		for _, path := range []string{"/v1/identity/entity/id", "/v1/identity/group/name/db-admin", "/v1/identity/entity/id/" + w.idOf(t, "bob")} {
			if path != "/v1/identity/entity/id" && name == "a part of the list" {
				continue
			}
			t.Run(name+" at "+path, func(t *testing.T) {
				c := w.through(t, func(rw http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == path {
						answer.say(rw)
					}
					return r.URL.Path == path
				})
				found, err := c.Observe(t.Context(), []string{g.Entitlement, p.Entitlement})
				if err == nil {
					t.Fatalf("no error, but %v", found)
				}
				refused(t, err, answer.word, "vault: observe")
				if strings.Contains(err.Error(), w.token) {
					t.Errorf("the token stands in the error %q", err)
				}
			})
		}
	}
}

func TestASealedServerIsAnErrorAndNotAnEmptyList(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	g := gr("alice", "group", "db-admin")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	w.seal(t)
	if found, err := c.Observe(t.Context(), []string{g.Entitlement}); err == nil {
		t.Errorf("%v", found)
	} else {
		refused(t, err, "sealed", "unseal it")
	}
	refused(t, c.Revoke(t.Context(), g), "sealed")
	refused(t, end(t, c, g), "sealed")
	w.unseal(t)
	if found := observed(t, c, g); !slices.Equal(found, []grants.Grant{g}) {
		t.Errorf("%v", found)
	}
	ok(t, c.Revoke(t.Context(), g))
}

func TestABusyServerIsAskedAgainAfterThePauseThatItWants(t *testing.T) {
	w := newWorld(t)
	g := gr("alice", "group", "db-admin")
	for code, header := range map[int]string{429: "1", 503: "1", 502: "", 412: ""} {
		var n atomic.Int32
		c := w.through(t, func(rw http.ResponseWriter, r *http.Request) bool {
			busy := r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/v1/identity/group/") && n.Add(1) == 1
			if busy {
				say(code, `{"errors":["busy"]}`, "Retry-After", header)(rw)
			}
			return busy
		})
		began := time.Now()
		ok(t, c.Grant(t.Context(), g, time.Time{}))
		if took := time.Since(began); header != "" && took < time.Second || n.Load() != 2 {
			t.Errorf("%d: asked %d times within %s", code, n.Load(), took)
		}
		ok(t, c.Revoke(t.Context(), g))
	}
}

func TestAnotherHandThatWritesAtTheSameTimeIsNoticed(t *testing.T) {
	w := newWorld(t)
	g := gr("alice", "group", "db-admin")
	bob := w.idOf(t, "bob")
	var left atomic.Int32
	c := w.through(t, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/db-admin") {
			return false
		}
		if left.Add(-1) < 0 {
			return false
		}
		// Ours arrives, and right after it the whole list of somebody who had not seen it.
		body := map[string]any{}
		_ = json.NewDecoder(r.Body).Decode(&body)
		w.must(t, "PUT", "identity/group/name/db-admin", body, nil)
		w.must(t, "PUT", "identity/group/name/db-admin", map[string]any{"member_entity_ids": []string{bob}}, nil)
		rw.WriteHeader(http.StatusNoContent)
		return true
	})
	left.Store(2)
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	if m := w.read(t, "db-admin").Members; len(m) != 2 || !slices.Contains(m, bob) {
		t.Errorf("members are %v", m)
	}
	left.Store(1 << 30)
	ok(t, c.Revoke(t.Context(), g)) // their list has not got her
	refused(t, c.Grant(t.Context(), g, time.Time{}), "again and again")
}

func TestTokensThatEndMeanwhileAreNoErrorAndRefusalsAre(t *testing.T) {
	w := newWorld(t)
	g := gr("alice", "group", "db-admin")
	direct := w.opened(t, nil)
	for path, refusal := range map[string]string{
		"lookup-accessor": `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`, "revoke-accessor": `{"errors":["token not found"]}`,
	} {
		ok(t, direct.Grant(t.Context(), g, time.Time{}))
		token := w.login(t, "alice")
		ok(t, direct.Revoke(t.Context(), g))
		var left atomic.Int32
		c := w.through(t, func(rw http.ResponseWriter, r *http.Request) bool {
			refuses := strings.HasSuffix(r.URL.Path, path) && left.Add(-1) >= 0
			if refuses {
				say(400, refusal)(rw)
			}
			return refuses
		})
		left.Store(1 << 30)
		refused(t, end(t, c, g), "400")
		w.want(t, 200, token, "GET", "auth/token/lookup-self")
		left.Store(2)
		ok(t, end(t, c, g))
		w.want(t, 403, token, "GET", "auth/token/lookup-self")
	}
}

func TestATokenThatCannotBeEndedKeepsNoOtherBack(t *testing.T) {
	for _, path := range []string{"lookup-accessor", "revoke-accessor"} {
		w := newWorld(t)
		g := gr("alice", "group", "db-admin")
		ok(t, w.opened(t, nil).Grant(t.Context(), g, time.Time{}))
		var tokens []string
		bad := map[string]bool{}
		for range 2 * parallel {
			tokens = append(tokens, w.login(t, "alice"))
		}
		for _, token := range tokens[:parallel] {
			var self struct {
				Data struct{ Accessor string }
			}
			w.as(t, token, "GET", "auth/token/lookup-self", nil, &self)
			bad[self.Data.Accessor] = true
		}
		c := w.through(t, func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, path) {
				return false
			}
			text, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(text)))
			var body struct{ Accessor string }
			_ = json.Unmarshal(text, &body)
			if bad[body.Accessor] {
				say(500, `{"errors":["the database is down"]}`)(rw)
			}
			return bad[body.Accessor]
		})
		ok(t, c.Revoke(t.Context(), g))
		refused(t, end(t, c, g), "the database is down")
		for i, token := range tokens {
			w.want(t, map[bool]int{true: 200, false: 403}[i < parallel], token, "GET", "auth/token/lookup-self")
		}
	}
}

func TestAnEntityThatIsDeletedMeanwhileKeepsNobodyBack(t *testing.T) {
	w := newWorld(t)
	var once atomic.Bool
	c := w.through(t, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/db-admin") && !once.Swap(true) {
			w.must(t, "DELETE", "identity/entity/id/"+w.idOf(t, "carol"), nil, nil)
		}
		return false
	})
	batch, _ := connectors.AsBatcher(c)
	errs := batch.Apply(t.Context(), []connectors.Act{{Grant: gr("alice", "group", "db-admin")}, {Grant: gr("carol", "group", "db-admin")}, {Grant: gr("bob", "group", "db-admin")}})
	ok(t, errs[0])
	ok(t, errs[2])
	if !errors.Is(errs[1], connectors.ErrNoAccount) {
		t.Errorf("%v", errs[1])
	}
	if m := w.read(t, "db-admin").Members; len(m) != 2 {
		t.Errorf("members are %v", m)
	}
}

func TestAGroupThatIsDeletedMeanwhileIsAnError(t *testing.T) {
	w := newWorld(t)
	var once atomic.Bool
	c := w.through(t, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/db-admin") && !once.Swap(true) {
			w.must(t, "DELETE", "identity/group/name/db-admin", nil, nil)
		}
		return false
	})
	g := gr("alice", "group", "db-admin")
	refused(t, c.Grant(t.Context(), g, time.Time{}), "deleted and made anew")
	ok(t, c.Revoke(t.Context(), g))
}

func TestTheServersCertificateIsVerified(t *testing.T) {
	w := newWorld(t)
	t.Setenv("VAULT_SKIP_VERIFY", "true") // nothing of the client's own variables is taken
	t.Setenv("VAULT_TOKEN", "from-the-environment")
	t.Setenv("VAULT_NAMESPACE", "from-the-environment")
	var foreign atomic.Int32
	p := w.between(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(fmt.Sprint(r.Header), "from-the-environment") {
			foreign.Add(1)
		}
		return false
	})
	p.StartTLS()
	defer p.Close()
	g := gr("alice", "group", "db-admin")
	wrong := w.opened(t, connectors.Settings{"address": p.URL})
	_, err := wrong.Observe(t.Context(), []string{g.Entitlement})
	refused(t, err, "certificate")
	ca := t.TempDir() + "/ca.pem"
	ok(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}), 0o600))
	right := w.opened(t, connectors.Settings{"address": p.URL, "caFile": ca})
	ok(t, right.Grant(t.Context(), g, time.Time{}))
	name := w.opened(t, connectors.Settings{"address": strings.Replace(p.URL, "127.0.0.1", "localhost", 1), "caFile": ca})
	_, err = name.Observe(t.Context(), []string{g.Entitlement})
	refused(t, err, "certificate")
	if foreign.Load() > 0 {
		t.Error("something of the environment was sent")
	}
}

func TestACallEndsWithItsContextWhileTheServerHangs(t *testing.T) {
	w := newWorld(t)
	g := gr("alice", "group", "db-admin")
	for _, path := range []string{"/v1/identity/entity/id", "/v1/identity/group/name/db-admin", "/v1/auth/token/lookup-self", "/v1/auth/token/accessors"} {
		reached := make(chan struct{}, 100)
		c := w.through(t, func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			reached <- struct{}{}
			<-r.Context().Done()
			return true
		})
		ctx, cancel := contextAfter(t, reached)
		var err error
		if strings.HasSuffix(path, "accessors") {
			ender, _ := connectors.AsSessionEnder(c)
			err = ender.EndSessions(ctx, []grants.Grant{g})
		} else {
			err = c.Grant(ctx, g, time.Time{})
		}
		cancel()
		if err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}

// contextAfter returns a context that ends soon after something was reached.
func contextAfter(t testing.TB, reached <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		select {
		case <-reached:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
