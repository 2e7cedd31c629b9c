package rest

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "s3cret-value"

// client speaks to a server that answers by h, with a token.
func client(t *testing.T, h http.HandlerFunc, change func(*Config)) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	cfg := Config{URL: srv.URL + "/base", Auth: Token{"Bearer", secret}}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); srv.Close() })
	return c
}

func get(t *testing.T, c *Client) error {
	var out struct{ Value int }
	_, err := c.Do(t.Context(), Request{Path: []string{"x"}, Query: url.Values{"filter": {"private words"}}}, &out)
	if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "private")) {
		t.Errorf("a secret or the query in %q", err)
	}
	return err
}

func TestSegmentsOfAnAddressAreEscaped(t *testing.T) {
	var got string
	c := client(t, func(w http.ResponseWriter, r *http.Request) { got = r.RequestURI; fmt.Fprint(w, "{}") }, nil)
	if _, err := c.Do(t.Context(), Request{Path: []string{"a b", "c/../d?e#f%"}}, nil); err != nil {
		t.Fatal(err)
	}
	if got != "/base/a%20b/c%2F..%2Fd%3Fe%23f%25" {
		t.Error(got)
	}
	for _, bad := range []string{"", ".", ".."} {
		if _, err := c.Do(t.Context(), Request{Path: []string{bad, "x"}}, nil); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestFailuresThatPassAreTriedAgain(t *testing.T) {
	for name, fail := range map[string]func(http.ResponseWriter){
		"429 with seconds": func(w http.ResponseWriter) { w.Header().Set("Retry-After", "0"); w.WriteHeader(429) },
		"503 with a date": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", time.Now().UTC().Format(http.TimeFormat))
			w.WriteHeader(503)
		},
		"502": func(w http.ResponseWriter) { w.WriteHeader(502) },
		"a cut connection": func(w http.ResponseWriter) {
			c, _, _ := w.(http.Hijacker).Hijack()
			_ = c.Close()
		},
		"an answer that breaks off": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"value"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			c := client(t, func(w http.ResponseWriter, _ *http.Request) {
				if n.Add(1) < 3 {
					fail(w)
					return
				}
				fmt.Fprint(w, `{"value": 1}`)
			}, nil)
			if err := get(t, c); err != nil || n.Load() != 3 {
				t.Errorf("%v after %d", err, n.Load())
			}
		})
	}
}

func TestOtherFailuresAreErrorsAtOnce(t *testing.T) {
	for status, word := range map[int]string{
		400: "invalidFilter: no such attribute", 401: "does not take the reconciler's credentials", 403: "doctor names it",
		404: "404", 409: "409", 500: "500", 302: "redirects are not followed",
	} {
		var n atomic.Int32
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"scimType": "invalidFilter", "detail": "no such\nattribute %s"}`, r.Header.Get("Authorization"))
		}, nil)
		err := get(t, c)
		if err == nil || !strings.Contains(err.Error(), word) || Status(err) != status || n.Load() != 1 {
			t.Errorf("%d: %v after %d", status, err, n.Load())
		}
	}
}

func TestWaitingIsBounded(t *testing.T) {
	var n atomic.Int32
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(429)
	}, nil)
	began := time.Now()
	err := get(t, c)
	if Status(err) != 429 || !strings.Contains(err.Error(), "asks to wait 1h0m0s") || n.Load() != 1 || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %d", err, n.Load())
	}
	always := client(t, func(w http.ResponseWriter, _ *http.Request) { n.Add(1); w.WriteHeader(503) }, nil)
	n.Store(0)
	if err := get(t, always); Status(err) != 503 || n.Load() != attempts {
		t.Errorf("%v after %d", err, n.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	short := client(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "10"); w.WriteHeader(429) }, nil)
	if _, err := short.Do(ctx, Request{Path: []string{"x"}}, nil); Status(err) != 429 || ctx.Err() != nil {
		t.Errorf("it did not give up before a deadline that it cannot keep: %v", err)
	}
}

func TestAnAnswerThatHangsEndsWithTheContext(t *testing.T) {
	c := client(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Do(ctx, Request{Path: []string{"x"}}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestGarbageIsAnError(t *testing.T) {
	for _, body := range []string{"", "<html>", `{"value": 1`, `{"value": "text"}`, `{"value": 1} {}`} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }, nil)
		if err := get(t, c); err == nil {
			t.Errorf("%q passed", body)
		}
	}
}

func TestTheCredentialGoesNowhereElse(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}, nil)
	if err := get(t, c); Status(err) != 307 {
		t.Error(err)
	}
	for _, link := range []string{elsewhere.URL + "/next", "//" + strings.TrimPrefix(elsewhere.URL, "http://"), "https://" + c.base.Host + "/x", "http://user@" + c.base.Host + "/"} {
		if _, err := c.Do(t.Context(), Request{Link: link}, nil); err == nil || !strings.Contains(err.Error(), "not followed") {
			t.Errorf("%s: %v", link, err)
		}
	}
}

func TestTheServersCertificateIsVerified(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) }))
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	for given, fine := range map[string]bool{"": false, ca: true} {
		c, err := New(Config{URL: srv.URL, CA: given})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(t.Context(), Request{Path: []string{"x"}}, nil); (err == nil) != fine {
			t.Errorf("ca given %v: %v", given != "", err)
		}
		c.Close()
	}
	if _, err := New(Config{URL: srv.URL, CA: "no PEM"}); err == nil {
		t.Error("a ca without a certificate passed")
	}
}

func TestAddresses(t *testing.T) {
	for text, fine := range map[string]bool{
		"https://id.example.com": true, "https://id.example.com:8443/scim/v2": true, "http://127.0.0.1:8080": true, "http://localhost": true, "http://[::1]:1": true,
		"http://id.example.com": false, "id.example.com": false, "https://": false, "https://u:p@id.example.com": false,
		"https://id.example.com?x=1": false, "https://id.example.com#x": false, "ftp://id.example.com": false, "http://127.0.0.1.example.com": false, "": false,
	} {
		if _, err := Address("url", text); (err == nil) != fine {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTokensAreFetchedAndReplaced(t *testing.T) {
	var tokens atomic.Int32
	lifetime := 3600
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		id, password, _ := r.BasicAuth()
		if id != "tenure" || password != secret || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "a b" {
			t.Errorf("%s %v", id, r.Form)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": "t%d", "token_type": "Bearer", "expires_in": %d}`, tokens.Add(1), lifetime)
	})
	mux.HandleFunc("/base/x", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", tokens.Load()) {
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, "{}")
	})
	var o *OAuth
	c := client(t, mux.ServeHTTP, func(cfg *Config) {
		o = &OAuth{TokenURL: strings.TrimSuffix(cfg.URL, "/base") + "/token", ID: "tenure", Secret: secret, Scopes: []string{"a", "b"}}
		cfg.Auth = o
	})
	for range 3 {
		if err := get(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if tokens.Load() != 1 {
		t.Errorf("%d tokens for three calls", tokens.Load())
	}
	tokens.Add(1) // the server forgets the token
	if err := get(t, c); err != nil {
		t.Errorf("a token that the server has forgotten is not replaced: %v", err)
	}
	lifetime = 5 // too short to be used twice
	o.Drop()
	before := tokens.Load()
	for range 2 {
		if err := get(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if n := tokens.Load() - before; n != 2 {
		t.Errorf("%d tokens", n)
	}
}

func TestARefusedClientIsAnErrorWithoutItsSecret(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(401)
		fmt.Fprintf(w, `{"error": "invalid_client", "error_description": "%s"}`, secret)
	}, func(cfg *Config) { cfg.Auth = &OAuth{TokenURL: cfg.URL + "/token", ID: "tenure", Secret: secret} })
	if err := get(t, c); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Error(err)
	}
	c = client(t, func(http.ResponseWriter, *http.Request) {}, func(cfg *Config) {
		cfg.Auth = &OAuth{TokenURL: "http://127.0.0.1:1/token", ID: "tenure", Secret: secret}
	})
	if err := get(t, c); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Error(err)
	}
}

func TestOnlyTheAPIItselfSaysThatSomethingIsMissing(t *testing.T) {
	for body, missing := range map[string]bool{
		`{"error": "no such group"}`: true, "default backend - 404": false, "<html>404</html>": false, "": false, `"404"`: false, "null": false,
	} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); fmt.Fprint(w, body) }, nil)
		if err := get(t, c); err == nil || Missing(err) != missing {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestOneItemDoesNotStopTheOthers(t *testing.T) {
	var done atomic.Int32
	err := All(t.Context(), 2, []string{"a", "b", "c", "d", "e"}, func(_ context.Context, s string) error {
		if s == "a" || s == "d" {
			return errors.New(s + " fails")
		}
		done.Add(1)
		return nil
	})
	if done.Load() != 3 || err == nil || err.Error() != "a fails\nd fails" {
		t.Errorf("%d done, %v", done.Load(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := All(ctx, 2, []string{"a"}, func(context.Context, string) error { t.Error("called"); return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAHeaderThatTheServerRepeatsIsNotInTheError(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"detail": "bad header %s"}`, r.Header.Get("Authorization"))
	}, func(cfg *Config) { cfg.Auth = Basic{"tenure", secret} })
	if err := get(t, c); err == nil || !strings.Contains(err.Error(), "bad header Basic ***") {
		t.Error(err)
	}
}
