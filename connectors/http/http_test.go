package http

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

var scope = []string{"role=a"}

// good answers observe, signed.
func good(w nethttp.ResponseWriter, r *nethttp.Request) { answer(w, r, key) }

func answer(w nethttp.ResponseWriter, r *nethttp.Request, key string) {
	body, _ := io.ReadAll(r.Body)
	var q struct{ ID string }
	_ = json.Unmarshal(body, &q)
	text := `{"protocol":"tenure.plugin/v1","id":"` + q.ID + `","complete":true,"grants":[]}`
	w.Header().Set(headerSignature, signAnswer([]byte(key), r.Header.Get(headerSignature), []byte(text)))
	_, _ = io.WriteString(w, text)
}

func listen(t *testing.T, h nethttp.HandlerFunc) (c connectors.Connector) {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c = open(t, connectors.Settings{"url": s.URL + "/tenure", "key": key, "timeout": "20s"})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestARequestIsSignedOverAllThatCounts(t *testing.T) {
	var seen []string
	c := listen(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		given := r.Header.Get(headerSignature)
		seen = append(seen, given)
		at, err := strconv.ParseInt(r.Header.Get(headerTime), 10, 64)
		when := time.Unix(at, 0)
		if err != nil || time.Since(when).Abs() > time.Minute {
			t.Errorf("time %q", r.Header.Get(headerTime))
		}
		if given != signRequest([]byte(key), "POST", "/tenure", when, body) {
			t.Error("the signature is another one")
		}
		for name, other := range map[string]string{
			"key":    signRequest([]byte(key+"x"), "POST", "/tenure", when, body),
			"method": signRequest([]byte(key), "PUT", "/tenure", when, body),
			"path":   signRequest([]byte(key), "POST", "/tenure/", when, body),
			"time":   signRequest([]byte(key), "POST", "/tenure", when.Add(time.Second), body),
			"body":   signRequest([]byte(key), "POST", "/tenure", when, append(body, ' ')),
			"answer": signAnswer([]byte(key), given, body),
		} {
			if given == other {
				t.Errorf("the signature does not cover the %s", name)
			}
		}
		good(w, r)
	})
	for range 2 {
		if _, err := c.Observe(t.Context(), scope); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 2 || seen[0] == seen[1] {
		t.Errorf("signatures %v", seen)
	}
}

func TestAHostileServerIsAnErrorWithoutSecretsAndNeverAHang(t *testing.T) {
	var stolen atomic.Pointer[string]
	for name, c := range map[string]struct {
		handler nethttp.HandlerFunc
		want    string
	}{
		"redirect": {func(w nethttp.ResponseWriter, r *nethttp.Request) {
			nethttp.Redirect(w, r, "/elsewhere", nethttp.StatusTemporaryRedirect)
		}, "redirects are not followed"},
		"not signed":  {func(w nethttp.ResponseWriter, r *nethttp.Request) { _, _ = io.WriteString(w, key) }, "not signed"},
		"another key": {func(w nethttp.ResponseWriter, r *nethttp.Request) { answer(w, r, key+"x") }, "not signed"},
		"echo": {func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set(headerSignature, r.Header.Get(headerSignature))
			_, _ = io.Copy(w, r.Body)
		}, "not signed"},
		"unauthorized": {func(w nethttp.ResponseWriter, r *nethttp.Request) { nethttp.Error(w, key, nethttp.StatusUnauthorized) }, "setting key"},
		"failure":      {func(w nethttp.ResponseWriter, r *nethttp.Request) { nethttp.Error(w, key, 500) }, "status 500"},
		"no content":   {func(w nethttp.ResponseWriter, r *nethttp.Request) { w.WriteHeader(204) }, "status 204"},
		"endless": {func(w nethttp.ResponseWriter, r *nethttp.Request) {
			for b := make([]byte, 1<<20); r.Context().Err() == nil; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}, "longer than"},
		"cut in the middle": {func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "{")
		}, "could not be reached"},
		"replayed": {func(w nethttp.ResponseWriter, r *nethttp.Request) {
			// The first answer, with its signature, is shown for the second request.
			if old := stolen.Load(); old != nil {
				sig, body, _ := strings.Cut(*old, " ")
				w.Header().Set(headerSignature, sig)
				_, _ = io.WriteString(w, body)
				return
			}
			rec := httptest.NewRecorder()
			good(rec, r)
			text := rec.Header().Get(headerSignature) + " " + rec.Body.String()
			stolen.Store(&text)
			w.Header().Set(headerSignature, rec.Header().Get(headerSignature))
			_, _ = io.WriteString(w, rec.Body.String())
		}, "not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := listen(t, c.handler)
			if name == "replayed" {
				if _, err := conn.Observe(t.Context(), scope); err != nil {
					t.Fatal(err)
				}
			}
			found, err := conn.Observe(t.Context(), scope)
			if err == nil || found != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, %v; want %q", found, err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), key[:8]) || len(err.Error()) > 700) {
				t.Errorf("%q", err)
			}
		})
	}
}

func TestAHangingServerIsLeftAtTheDeadline(t *testing.T) {
	release := make(chan struct{})
	c := listen(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Observe(ctx, scope); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestAServerThatIsBackSoonIsAskedAgain(t *testing.T) {
	var n atomic.Int32
	c := listen(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if n.Add(1) < 3 {
			w.WriteHeader(503)
			return
		}
		good(w, r)
	})
	if _, err := c.Observe(t.Context(), scope); err != nil || n.Load() != 3 {
		t.Errorf("%d tries: %v", n.Load(), err)
	}
	n.Store(-100)
	if _, err := c.Observe(t.Context(), scope); err == nil || n.Load() != -97 {
		t.Errorf("%d tries: %v", n.Load()+100, err)
	}
}

func TestTheCertificateIsVerified(t *testing.T) {
	s := httptest.NewTLSServer(nethttp.HandlerFunc(good))
	defer s.Close()
	s.Config.ErrorLog = nil
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	for trusted, set := range map[bool]connectors.Settings{true: {"ca": ca}, false: {}} {
		set["url"], set["key"] = s.URL, key
		c := open(t, set)
		if _, err := c.Observe(t.Context(), scope); (err == nil) != trusted {
			t.Errorf("trusted %v: %v", trusted, err)
		}
		_ = c.Close()
	}
}

func TestSettingsAreStrictAndKeepTheirValues(t *testing.T) {
	at := "https://plugin.example.com/"
	for name, s := range map[string]connectors.Settings{
		"none":             {},
		"no key":           {"url": at},
		"short key":        {"url": at, "key": "k3y-hunter2"},
		"plain text":       {"url": "http://plugin.example.com/hunter2", "key": key},
		"localhost":        {"url": "http://localhost/hunter2", "key": key},
		"no host":          {"url": "https:///hunter2", "key": key},
		"no scheme":        {"url": "hunter2.example.com", "key": key},
		"a file":           {"url": "file:///hunter2", "key": key},
		"login":            {"url": "https://bob:hunter2@plugin.example.com/", "key": key},
		"query":            {"url": at + "?token=hunter2", "key": key},
		"fragment":         {"url": at + "#hunter2", "key": key},
		"bad ca":           {"url": at, "key": key, "ca": "hunter2"},
		"unknown":          {"url": at, "key": key, "insecure": "hunter2"},
		"bad ability":      {"url": at, "key": key, "abilities": []any{"hunter2"}},
		"no connections":   {"url": at, "key": key, "connections": 0},
		"many connections": {"url": at, "key": key, "connections": 65},
	} {
		_, err := (Driver{}).Open(t.Context(), "t", s)
		if err == nil || !strings.Contains(err.Error(), "setting") || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, fine := range []string{at, "http://127.0.0.1:8080", "http://[::1]/x"} {
		_ = open(t, connectors.Settings{"url": fine, "key": key}).Close()
	}
}
