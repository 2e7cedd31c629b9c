package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/internal/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func healthy() *web.Health {
	return &web.Health{
		Ledger:     func(context.Context) error { return nil },
		LastPoll:   func() time.Time { return noon.Add(-20 * time.Second) },
		PollWithin: time.Minute,
		Overdue:    func(context.Context) (int, error) { return 0, nil },
		Now:        func() time.Time { return noon },
		Log:        slog.New(slog.DiscardHandler),
	}
}

func get(t *testing.T, h http.Handler, method, path, body string, header map[string]string) (int, string) {
	t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	for k, v := range header {
		req.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

func TestReadinessSaysWhatIsWrongAndNoMore(t *testing.T) {
	secret := errors.New("dial db.internal as tenure with s3cret")
	for name, c := range map[string]struct {
		change func(*web.Health)
		status int
		line   string
	}{
		"all is well":       {func(*web.Health) {}, 200, "poll     ok   read 20s ago; at most 1m0s"},
		"ledger down":       {func(h *web.Health) { h.Ledger = func(context.Context) error { return secret } }, 503, "ledger   FAIL not reachable"},
		"never polled":      {func(h *web.Health) { h.LastPoll = func() time.Time { return time.Time{} } }, 503, "poll     FAIL the branch has not been read yet"},
		"poll too old":      {func(h *web.Health) { h.PollWithin = 19 * time.Second }, 503, "poll     FAIL read 20s ago; at most 19s"},
		"poll at the limit": {func(h *web.Health) { h.PollWithin = 20 * time.Second }, 200, "poll     ok"},
		"overdue revokes":   {func(h *web.Health) { h.Overdue = func(context.Context) (int, error) { return 2, nil } }, 503, "revokes  FAIL 2 overdue"},
		"overdue not known": {func(h *web.Health) { h.Overdue = func(context.Context) (int, error) { return 0, secret } }, 503, "revokes  FAIL not known"},
	} {
		t.Run(name, func(t *testing.T) {
			h := healthy()
			c.change(h)
			status, body := get(t, h, "GET", "/readyz", "", nil)
			if status != c.status || !strings.Contains(body, c.line) {
				t.Errorf("%d\n%s", status, body)
			}
			if strings.Contains(body, "s3cret") || strings.Contains(body, "db.internal") {
				t.Errorf("details are shown:\n%s", body)
			}
		})
	}
}

func TestReadinessChecksAreBounded(t *testing.T) {
	h := healthy()
	h.Ledger = func(ctx context.Context) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("a check has no deadline")
		}
		return nil
	}
	get(t, h, "GET", "/readyz", "", nil)
}

func TestRoutesAnswerOnlyWhatTheyAreFor(t *testing.T) {
	h := web.Routes{Metrics: web.NewMetrics("v1"), Health: healthy()}.Handler()
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/metrics", 200}, {"GET", "/healthz", 200}, {"HEAD", "/healthz", 200}, {"GET", "/readyz", 200},
		{"POST", "/healthz", 405}, {"POST", "/webhook", 404}, {"GET", "/", 404}, {"GET", "/debug/pprof/", 404},
	} {
		if got, _ := get(t, h, c.method, c.path, "", nil); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, got, c.want)
		}
	}
}

func TestServeFinishesRequestsUnderWayWhenItStops(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, finish := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-finish
		_, _ = io.WriteString(w, "done")
	})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- web.Serve(ctx, ln, h, slog.New(slog.DiscardHandler)) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer := make(chan string, 1)
	go func() {
		res, err := client.Get("http://" + ln.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	<-started
	cancel()
	select {
	case err := <-served:
		t.Fatalf("stopped while a request was under way: %v", err)
	default:
	}
	close(finish)
	if got := <-answer; got != "done" {
		t.Errorf("answer %q", got)
	}
	if err := <-served; err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		t.Error("still listening")
	}
}

func TestServeReportsAListenerThatBreaks(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	if err := web.Serve(t.Context(), ln, http.NotFoundHandler(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a closed listener is no error")
	}
}
