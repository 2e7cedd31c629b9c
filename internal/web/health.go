package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Health is what readiness looks at. Every field is required.
type Health struct {
	Ledger     func(ctx context.Context) error        // reachable: nil
	LastPoll   func() time.Time                       // last look at the branch that succeeded; zero: none yet
	PollWithin time.Duration                          // how old that may be
	Overdue    func(ctx context.Context) (int, error) // revokes past due, over all targets
	Now        func() time.Time
	Log        *slog.Logger
}

// checkTimeout bounds all checks of one request.
const checkTimeout = 5 * time.Second

// Live answers as long as the process can answer. It looks at nothing else: a
// restart would not repair a ledger or a forge that is down, and would delay
// revokes.
func Live(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "ok\n")
}

// ServeHTTP answers 200 when the reconciler does its job, and otherwise 503 with
// one line for each check. Details of errors go to the log only, because they may
// name hosts and people.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()

	var out strings.Builder
	ready := true
	line := func(name string, ok bool, text string) {
		word := "ok"
		if !ok {
			word, ready = "FAIL", false
		}
		fmt.Fprintf(&out, "%-8s %-4s %s\n", name, word, text)
	}

	if err := h.Ledger(ctx); err != nil {
		h.Log.WarnContext(ctx, "readiness: ledger", "error", err)
		line("ledger", false, "not reachable")
	} else {
		line("ledger", true, "reachable")
	}

	if last := h.LastPoll(); last.IsZero() {
		line("poll", false, "the branch has not been read yet")
	} else {
		age := h.Now().Sub(last)
		line("poll", age <= h.PollWithin, fmt.Sprintf("read %s ago; at most %s", age.Round(time.Second), h.PollWithin))
	}

	if n, err := h.Overdue(ctx); err != nil {
		h.Log.WarnContext(ctx, "readiness: overdue revokes", "error", err)
		line("revokes", false, "not known")
	} else {
		line("revokes", n == 0, fmt.Sprintf("%d overdue", n))
	}

	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	plain(w, status, out.String())
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client may be gone; there is nobody to tell
}
