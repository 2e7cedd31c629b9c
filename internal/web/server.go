package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Routes are the pages of the listener. Metrics and Health are required; without a
// Webhook that path does not exist.
type Routes struct {
	Metrics *Metrics
	Health  *Health
	Webhook *Webhook
}

// Handler returns the routes: GET /metrics, /healthz, /readyz, and POST /webhook.
func (r Routes) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", r.Metrics.Handler())
	mux.HandleFunc("GET /healthz", Live)
	mux.Handle("GET /readyz", r.Health)
	if r.Webhook != nil {
		mux.Handle("POST /webhook", r.Webhook)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, req)
	})
}

// How long a client may take. Nothing here streams.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = time.Minute
	stopTimeout   = 5 * time.Second
)

// Serve answers on the listener until the context ends, then lets the requests
// under way finish for a few seconds. It closes the listener in any case, and
// returns nil after a stop.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()

	select {
	case err := <-done:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := srv.Shutdown(stop)
	if err != nil {
		_ = srv.Close() // what did not finish is cut
	}
	closed := <-done
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop %s: %w", ln.Addr(), err)
	}
	if !errors.Is(closed, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", ln.Addr(), closed)
	}
	return nil
}
