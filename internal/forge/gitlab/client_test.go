package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

func TestWhatIsNoConfiguration(t *testing.T) {
	good := Config{Repo: "acme/access", BaseURL: "https://gitlab.example.com", Token: "glpat-x"}
	for name, change := range map[string]func(*Config){
		"no group":               func(c *Config) { c.Repo = "access" },
		"a way up":               func(c *Config) { c.Repo = "acme/../access" },
		"a query":                func(c *Config) { c.Repo = "acme/access?x" },
		"no token":               func(c *Config) { c.Token = "" },
		"a token with a line":    func(c *Config) { c.Token = "glpat-x\nHost: y" },
		"plain http":             func(c *Config) { c.BaseURL = "http://gitlab.example.com" },
		"credentials in baseURL": func(c *Config) { c.BaseURL = "https://me:secret@gitlab.example.com" },
		"no URL":                 func(c *Config) { c.BaseURL = "gitlab" },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for base, want := range map[string]string{
		"":                                "https://gitlab.com/acme/access.git",
		"https://gitlab.example.com/":     "https://gitlab.example.com/acme/access.git",
		"https://example.com/git/api/v4/": "https://example.com/git/acme/access.git",
	} {
		c := good
		c.BaseURL = base
		g, err := New(c)
		must(t, err)
		if g.GitURL() != want {
			t.Errorf("%q: %s", base, g.GitURL())
		}
	}
	g, err := New(good)
	must(t, err)
	if token, err := g.Token(t.Context()); token != "glpat-x" || err != nil || g.Host() != "gitlab.example.com" || !strings.Contains(g.Preview(), "preview") {
		t.Errorf("%q %v %s %s", token, err, g.Host(), g.Preview())
	}
}

// serve makes a client of a server that answers as it is told.
func serve(t *testing.T, f http.HandlerFunc, change ...func(*Config)) *Client {
	t.Helper()
	srv := httptest.NewServer(f)
	tr := &http.Transport{}
	t.Cleanup(func() { tr.CloseIdleConnections(); srv.Close() })
	c := Config{Repo: "acme/access", BaseURL: srv.URL, Token: "glpat-secret", HTTPTransport: tr, Timeout: 5 * time.Second}
	for _, f := range change {
		f(&c)
	}
	g, err := New(c)
	must(t, err)
	return g
}

func TestErrorsSayWhetherTheyMayGoAway(t *testing.T) {
	for status, want := range map[int]error{401: forge.ErrUnavailable, 403: forge.ErrUnavailable, 404: forge.ErrNotFound, 410: forge.ErrNotFound, 500: forge.ErrUnavailable} {
		g := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"message": "no: %s"}`, r.Header.Get("PRIVATE-TOKEN"))
		})
		_, err := g.Repository(t.Context())
		if !errors.Is(err, want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: %v", status, err)
		}
	}
	g := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(422); fmt.Fprint(w, `{"message": "no"}`) })
	_, err := g.Repository(t.Context())
	if err == nil || errors.Is(err, forge.ErrUnavailable) || errors.Is(err, forge.ErrNotFound) {
		t.Errorf("422: %v", err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	asked := 0
	g := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
	})
	if _, err := g.Repository(t.Context()); err == nil || !strings.Contains(err.Error(), "moved") || asked != 1 {
		t.Errorf("%v after %d requests", err, asked)
	}
	far := &onlyTo{base: g.base, next: http.DefaultTransport}
	req := httptest.NewRequest(http.MethodGet, "https://gitlab.example.org/", nil)
	if _, err := far.RoundTrip(req); err == nil || !strings.Contains(err.Error(), "refused to leave") {
		t.Errorf("another server: %v", err)
	}
}

func TestAnAnswerThatIsTooLarge(t *testing.T) {
	g := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"id": 1, "description": "`)
		for range maxAnswer >> 20 {
			fmt.Fprint(w, strings.Repeat("x", 1<<20))
		}
		fmt.Fprint(w, `"}`)
	})
	if _, err := g.Repository(t.Context()); !errors.Is(err, forge.ErrTooMany) {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatDoesNotAnswer(t *testing.T) {
	stop := make(chan struct{})
	g := serve(t, func(w http.ResponseWriter, r *http.Request) { <-stop }, func(c *Config) { c.Timeout = 50 * time.Millisecond })
	_, err := g.Repository(t.Context())
	close(stop)
	if !errors.Is(err, forge.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// rests makes a patient transport that notes its waits instead of waiting.
func rests(next http.RoundTripper, waited *[]time.Duration) *patient {
	now := start
	return &patient{next: next, now: func() time.Time { return now }, wait: func(_ context.Context, d time.Duration) error {
		*waited = append(*waited, d)
		now = now.Add(d)
		return nil
	}}
}

type answers []func() *http.Response

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	f := (*a)[0]
	if len(*a) > 1 {
		*a = (*a)[1:]
	}
	return f(), nil
}

func says(status int, retryAfter string) func() *http.Response {
	return func() *http.Response {
		w := httptest.NewRecorder()
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		return w.Result()
	}
}

func TestItWaitsAsLongAsGitLabAsks(t *testing.T) {
	tests := map[string]struct {
		method string
		given  answers
		waits  []time.Duration
		status int
		err    bool
	}{
		"a limit":                 {"POST", answers{says(429, "7"), says(201, "")}, []time.Duration{7 * time.Second}, 201, false},
		"a limit without a time":  {"GET", answers{says(429, ""), says(200, "")}, []time.Duration{defaultWait}, 200, false},
		"a limit until a date":    {"GET", answers{says(429, start.Add(9*time.Second).Format(http.TimeFormat)), says(200, "")}, []time.Duration{9 * time.Second}, 200, false},
		"busy while reading":      {"GET", answers{says(503, "2"), says(502, "3"), says(200, "")}, []time.Duration{2 * time.Second, 3 * time.Second}, 200, false},
		"busy while writing":      {"POST", answers{says(503, "2")}, nil, 503, false},
		"busy for ever":           {"GET", answers{says(503, "1")}, []time.Duration{1e9, 1e9, 1e9}, 503, false},
		"longer than the request": {"GET", answers{says(429, "3600")}, nil, 0, true},
		"an error of ours":        {"GET", answers{says(400, "5")}, nil, 400, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var waited []time.Duration
			p := rests(&tt.given, &waited)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			resp, err := p.RoundTrip(httptest.NewRequest(tt.method, "/", nil).WithContext(ctx))
			if (err != nil) != tt.err || fmt.Sprint(waited) != fmt.Sprint(tt.waits) {
				t.Fatalf("%v, waited %v, want %v", err, waited, tt.waits)
			}
			if err == nil && resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
		})
	}
}

func TestAListGoesOnWhereTheNextPageIsNotNamed(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	for i := range 230 {
		must(t, s.lab.Comment(repo, n, "dave", fmt.Sprint(i)))
	}
	g := s.client(func(c *Config) { c.HTTPTransport = forgetful{s.tr} })
	notes, err := g.notes(t.Context(), n)
	if err != nil || len(notes) != 230 {
		t.Errorf("%d notes, %v", len(notes), err)
	}
}

// forgetful drops the headers of pagination, as a proxy may.
type forgetful struct{ next http.RoundTripper }

func (f forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := f.next.RoundTrip(r)
	if err == nil {
		resp.Header.Del("X-Next-Page")
		resp.Header.Del("Link")
	}
	return resp, err
}

func TestAListThatBreaksOffIsAnError(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	for i := range 120 {
		must(t, s.lab.Comment(repo, n, "dave", fmt.Sprint(i)))
	}
	s.lab.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("page") != "2" {
			return false
		}
		w.WriteHeader(http.StatusInternalServerError)
		return true
	})
	if got, err := s.client().notes(t.Context(), n); !errors.Is(err, forge.ErrUnavailable) || got != nil {
		t.Errorf("%d notes, %v", len(got), err)
	}
}

func TestTheRepository(t *testing.T) {
	s := newStage(t)
	r, err := s.client().Repository(t.Context())
	must(t, err)
	if r.ID == 0 || r.Name != repo || !r.Now.Equal(s.clock()) || r.Host != "gitlab.example.com" {
		t.Errorf("got %+v", r)
	}
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		change func(s *stage, c *Config)
		want   string // empty: nothing is found
	}{
		"all is well":       {func(s *stage, c *Config) {}, ""},
		"a wrong token":     {func(s *stage, c *Config) { c.Token = "glpat-wrong" }, "check the token"},
		"a wrong path":      {func(s *stage, c *Config) { c.Repo = "acme/nothing" }, "check its path"},
		"a wrong branch":    {func(s *stage, c *Config) { c.Branch = "nothing" }, "branch nothing"},
		"archived":          {func(s *stage, c *Config) { must(s.t, s.lab.Archive(repo)) }, "archived"},
		"a reporter":        {func(s *stage, c *Config) { must(s.t, s.lab.SetRole(repo, 20)) }, "below Developer"},
		"fast-forward":      {func(s *stage, c *Config) { must(s.t, s.lab.Set(repo, "ff", "always")) }, "choose a merge commit"},
		"always squashed":   {func(s *stage, c *Config) { must(s.t, s.lab.Set(repo, "", "always")) }, "do not allow squashing"},
		"no events":         {func(s *stage, c *Config) { s.instead("/events", 403, "{}") }, "without the push record"},
		"semi-linear merge": {func(s *stage, c *Config) { must(s.t, s.lab.Set(repo, string(gl.RebaseMerge), "never")) }, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			g := s.client(func(c *Config) { tt.change(s, c) })
			text := fmt.Sprint(g.Check(t.Context()))
			if (text == "[]") != (tt.want == "") || !strings.Contains(text, tt.want) {
				t.Errorf("got %s, want %q", text, tt.want)
			}
		})
	}
}
