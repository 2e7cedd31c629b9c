package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/minihub"
)

func TestSecondReadingIsConditional(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	w.approve(n, "bob")
	w.merge(n, "squash")
	g := w.client()
	read := func() {
		t.Helper()
		_, err := w.gather(g, file, w.head("main"))
		must(t, err)
	}
	read()
	w.hub.ResetRequests()
	read()
	for _, r := range w.hub.Requests() {
		if !r.Conditional || r.Status != http.StatusNotModified {
			t.Errorf("%s %s?%s: status %d", r.Method, r.Path, r.Query, r.Status)
		}
	}
	_, err := w.hub.Review(repo, n, "carol", "COMMENT", "late")
	must(t, err)
	if reviews, err := g.Reviews(t.Context(), n); err != nil || len(reviews) != 2 {
		t.Errorf("what changed is not read anew: %d, %v", len(reviews), err)
	}
}

// once fails the first request that matches.
func once(n *atomic.Int64, f *minihub.Failure) func(*http.Request) *minihub.Failure {
	return func(*http.Request) *minihub.Failure {
		if n.Add(1) == 1 {
			return f
		}
		return nil
	}
}

func TestSecondaryLimitIsWaitedForAndTheRequestSentAgain(t *testing.T) {
	w := newWorld(t)
	g := w.client()
	var n atomic.Int64
	w.hub.Fail(once(&n, minihub.SecondaryLimited(time.Second)))
	begin := time.Now()
	_, err := g.Repository(t.Context())
	must(t, err)
	if d := time.Since(begin); d < 900*time.Millisecond || n.Load() != 2 {
		t.Errorf("waited %s, %d requests", d, n.Load())
	}
	number := w.ask("ask", file)
	n.Store(0)
	if _, _, err := g.api.Issues.CreateComment(t.Context(), "acme", "access", number, commentOf("hello")); err != nil {
		t.Errorf("a request with a body is not sent again whole: %v", err)
	}
}

func TestSecondaryLimitNeverSleepsPastTheDeadline(t *testing.T) {
	w := newWorld(t)
	g := w.client(func(c *Config) { c.Timeout = 5 * time.Second })
	var n atomic.Int64
	w.hub.Fail(func(*http.Request) *minihub.Failure { n.Add(1); return minihub.SecondaryLimited(time.Hour) })
	begin := time.Now()
	for range 3 {
		if _, err := g.Repository(t.Context()); !errors.Is(err, forge.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	if d := time.Since(begin); d > 2*time.Second || n.Load() != 1 {
		t.Errorf("took %s and %d requests; GitHub asked for none before an hour", d, n.Load())
	}
}

func TestPrimaryLimitIsUnavailableAndIsNotAskedAgain(t *testing.T) {
	w := newWorld(t)
	g := w.client()
	var n atomic.Int64
	w.hub.Fail(func(*http.Request) *minihub.Failure { n.Add(1); return minihub.RateLimited(time.Now().Add(time.Hour)) })
	for range 3 {
		if _, err := g.Reviews(t.Context(), 1); !errors.Is(err, forge.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	if n.Load() != 1 {
		t.Errorf("%d requests", n.Load())
	}
}

// calls is every call of the client that reaches out.
func calls(g *Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Repository":  func(ctx context.Context) error { _, err := g.Repository(ctx); return err },
		"PullsOf":     func(ctx context.Context) error { _, err := g.PullsOf(ctx, strings.Repeat("a", 40)); return err },
		"Reviews":     func(ctx context.Context) error { _, err := g.Reviews(ctx, 1); return err },
		"Pushes":      func(ctx context.Context) error { _, err := g.Pushes(ctx, repo, "main"); return err },
		"BaseChanged": func(ctx context.Context) error { _, err := g.BaseChanged(ctx, 1); return err },
		"BlobAt":      func(ctx context.Context) error { _, err := g.BlobAt(ctx, strings.Repeat("a", 40), "a"); return err },
		"Find":        func(ctx context.Context) error { _, err := g.Find(ctx, "k"); return err },
		"Open": func(ctx context.Context) error {
			_, err := g.Open(ctx, forge.RevertRequest{Key: "k", Base: "main", Title: "t", Remove: map[string]string{"a": "b"}})
			return err
		},
		"OpenPulls": func(ctx context.Context) error { _, err := g.OpenPulls(ctx); return err },
		"Pull":      func(ctx context.Context) error { _, err := g.Pull(ctx, 1); return err },
		"Changed":   func(ctx context.Context) error { _, err := g.Changed(ctx, 1); return err },
		"ReadBlob":  func(ctx context.Context) error { _, err := g.ReadBlob(ctx, strings.Repeat("a", 40), 9); return err },
		"SetStatus": func(ctx context.Context) error {
			return g.SetStatus(ctx, strings.Repeat("a", 40), forge.Status{State: forge.StatusError})
		},
		"PutComment": func(ctx context.Context) error { return g.PutComment(ctx, 1, "k", "c") },
		"Close":      func(ctx context.Context) error { return g.Close(ctx, 1, "c") },
		"Merge":      func(ctx context.Context) error { return g.Merge(ctx, 1, "s", []string{"a"}) },
		"Check":      func(ctx context.Context) error { return errors.Join(g.Check(ctx)...) },
	}
}

func TestTroubleIsUnavailableAndNeverTellsASecret(t *testing.T) {
	var status atomic.Int64
	const secret = "ghp_verySecretToken0123456789"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := int(status.Load())
		if s == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(s)
		// A server that repeats what it was sent.
		fmt.Fprintf(w, `{"message":"you sent %s","errors":[{"message":"%s"}]}`, r.Header.Get("Authorization"), secret)
	}))
	tr := &http.Transport{}
	t.Cleanup(func() { tr.CloseIdleConnections(); srv.Close() })
	g, err := New(Config{Repo: repo, BaseURL: srv.URL, Token: secret, HTTPTransport: tr})
	must(t, err)
	want := map[int]error{0: forge.ErrUnavailable, 401: forge.ErrUnavailable, 403: forge.ErrUnavailable, 404: forge.ErrNotFound, 422: nil, 429: forge.ErrUnavailable, 500: forge.ErrUnavailable, 502: forge.ErrUnavailable, 503: forge.ErrUnavailable}
	for s, sentinel := range want {
		status.Store(int64(s))
		for name, call := range calls(g) {
			err := call(t.Context())
			if err == nil {
				t.Errorf("%s, HTTP %d: no error", name, s)
				continue
			}
			if sentinel != nil && !errors.Is(err, sentinel) || sentinel == nil && (errors.Is(err, forge.ErrUnavailable) || errors.Is(err, forge.ErrNotFound)) {
				t.Errorf("%s, HTTP %d: %v", name, s, err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s, HTTP %d: the token is in %v", name, s, err)
			}
		}
	}
	srv.Close()
	for name, call := range calls(g) {
		if err := call(t.Context()); !errors.Is(err, forge.ErrUnavailable) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s, server down: %v", name, err)
		}
	}
}

func TestTokensOfAnAppAreNotToldEither(t *testing.T) {
	const secret = "ghs_installationToken0123456789"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/access_tokens") {
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"token":"%s","expires_at":"%s"}`, secret, time.Now().Add(time.Hour).Format(time.RFC3339))
			return
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, `{"message":"you sent %s"}`, r.Header.Get("Authorization"))
	}))
	tr := &http.Transport{}
	t.Cleanup(func() { tr.CloseIdleConnections(); srv.Close() })
	file, _ := key(t)
	g, err := New(Config{Repo: repo, BaseURL: srv.URL, AppID: 1, InstallationID: 2, PrivateKeyFile: file, HTTPTransport: tr})
	must(t, err)
	for name, call := range calls(g) {
		if err := call(t.Context()); err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerThatHangsIsGivenUp(t *testing.T) {
	w := newWorld(t)
	g := w.client(func(c *Config) { c.Timeout = 200 * time.Millisecond })
	w.hub.Fail(func(*http.Request) *minihub.Failure { return &minihub.Failure{Hang: true} })
	if _, err := g.Repository(t.Context()); !errors.Is(err, forge.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Repository(ctx); !errors.Is(err, forge.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTokenNeverLeavesTheServer(t *testing.T) {
	var stolen atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stolen.Store(r.Header.Get("Authorization") != "")
	}))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+r.URL.Path, http.StatusMovedPermanently)
	}))
	tr := &http.Transport{}
	t.Cleanup(func() { tr.CloseIdleConnections(); srv.Close(); other.Close() })
	g, err := New(Config{Repo: repo, BaseURL: srv.URL, Token: "t", HTTPTransport: tr})
	must(t, err)
	if _, err := g.Repository(t.Context()); err == nil || stolen.Load() {
		t.Errorf("redirect to another host: %v, token sent: %v", err, stolen.Load())
	}
}

func TestAppSignsInAndItsTokenServesGitToo(t *testing.T) {
	w := newWorld(t)
	file, public := key(t)
	bot := w.hub.AddApp(12, "tenure-app", public)
	must(t, w.hub.InstallApp(12, 34, repo, minihub.Write))
	g := w.client(func(c *Config) { c.Token, c.AppID, c.InstallationID, c.PrivateKeyFile = "", 12, 34, file })
	if me, err := g.whoami(t.Context()); err != nil || me != bot.ID {
		t.Fatalf("the App is %d, %v; want %d", me, err, bot.ID)
	}
	w.push(minihub.Commit{By: "bob", Write: map[string]string{"requests/x.yaml": "x\n"}})
	must(t, w.hub.SetPrivate(repo, true))
	if r := w.copy(g); r.Head() != w.head("main") {
		t.Error("the private repository was not fetched with the App's token")
	}
	w.hub.ResetRequests()
	for range 3 {
		_, err := g.Token(t.Context())
		must(t, err)
	}
	if n := len(w.hub.Requests()); n != 0 {
		t.Errorf("a token that is valid was asked for again %d times", n)
	}
	blob, err := g.BlobAt(t.Context(), w.head("main"), "requests/x.yaml")
	must(t, err)
	p, err := g.Open(t.Context(), forge.RevertRequest{Key: "k", Title: "Remove", Base: "main", Remove: map[string]string{"requests/x.yaml": blob}})
	must(t, err)
	must(t, g.Merge(t.Context(), p.Number, p.HeadSHA, p.Paths))
	for _, err := range g.Check(t.Context()) {
		t.Errorf("check: %v", err)
	}
}

func TestAppThatIsRefused(t *testing.T) {
	w := newWorld(t)
	file, _ := key(t)
	_, public := key(t)
	w.hub.AddApp(12, "tenure-app", public) // another key than the file's
	must(t, w.hub.InstallApp(12, 34, repo, minihub.Write))
	g := w.client(func(c *Config) { c.Token, c.AppID, c.InstallationID, c.PrivateKeyFile = "", 12, 34, file })
	pem, err := os.ReadFile(file)
	must(t, err)
	_, err = g.Token(t.Context())
	errs := []error{err}
	for _, call := range calls(g) {
		errs = append(errs, call(t.Context()))
	}
	for _, err := range errs {
		if !errors.Is(err, forge.ErrUnavailable) {
			t.Errorf("got %v", err)
		} else if strings.Contains(err.Error(), string(pem[100:140])) || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("a secret is in %v", err)
		}
	}
}

func TestConfigurationThatCannotWorkIsRefused(t *testing.T) {
	good, _ := key(t)
	bad := filepath.Join(t.TempDir(), "bad.pem")
	must(t, os.WriteFile(bad, []byte("BEGIN hunter2"), 0o600))
	for name, c := range map[string]Config{
		"no repository":         {Token: "t"},
		"a URL":                 {Repo: "https://github.com/acme/access", Token: "t"},
		"a way up":              {Repo: "acme/..", Token: "t"},
		"no credentials":        {Repo: repo},
		"both credentials":      {Repo: repo, Token: "hunter2", AppID: 1, InstallationID: 2, PrivateKeyFile: good},
		"App without its key":   {Repo: repo, AppID: 1, InstallationID: 2},
		"key file missing":      {Repo: repo, AppID: 1, InstallationID: 2, PrivateKeyFile: good + "x"},
		"key file of no key":    {Repo: repo, AppID: 1, InstallationID: 2, PrivateKeyFile: bad},
		"http to elsewhere":     {Repo: repo, Token: "t", BaseURL: "http://github.example.com"},
		"credentials in URL":    {Repo: repo, Token: "t", BaseURL: "https://u:hunter2@github.example.com"},
		"no URL":                {Repo: repo, Token: "t", BaseURL: "github.example.com"},
		"another scheme":        {Repo: repo, Token: "t", BaseURL: "ftp://github.example.com"},
		"URL that cannot parse": {Repo: repo, Token: "t", BaseURL: "https://u:hunter2@[::1"},
	} {
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for base, want := range map[string][3]string{
		"":                                    {"https://api.github.com/", "github.com", "https://github.com/acme/access.git"},
		"https://api.github.com":              {"https://api.github.com/", "github.com", "https://github.com/acme/access.git"},
		"https://api.acme.ghe.com":            {"https://api.acme.ghe.com/", "acme.ghe.com", "https://acme.ghe.com/acme/access.git"},
		"https://git.example.com":             {"https://git.example.com/api/v3/", "git.example.com", "https://git.example.com/acme/access.git"},
		"https://git.example.com:8443/api/v3": {"https://git.example.com:8443/api/v3/", "git.example.com", "https://git.example.com:8443/acme/access.git"},
	} {
		g, err := New(Config{Repo: repo, Token: "t", BaseURL: base})
		must(t, err)
		if got := [3]string{g.base.String(), g.Host(), g.GitURL()}; got != want {
			t.Errorf("%q: got %v, want %v", base, got, want)
		}
	}
}
