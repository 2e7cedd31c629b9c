package gcp

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

const (
	// attempts of one call, or of one change of a policy.
	attempts = 8
	// shortest and longest are the pauses between them, unless the server asks for more.
	shortest, longest = 50 * time.Millisecond, 4 * time.Second
	// patience is the longest pause that a server may ask for; the caller comes back.
	patience = 30 * time.Second
)

// again repeats f while it fails in a way that passes.
func again(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || !passing(err) || !pause(ctx, try, err) {
			return err
		}
	}
}

// passing reports whether another try can mend it: two writers met, the server has
// enough, or a connection died. A server that is down (connection refused) is the
// caller's to come back to.
func passing(err error) bool {
	var no *refusal
	if errors.As(err, &no) {
		switch no.code {
		case http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests,
			http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// pause waits before the next try: longer each time, never shorter than the server asks
// for, and by chance, so that two writers do not meet again. It returns false when
// there is to be none: too many tries, or a wait that is too long.
func pause(ctx context.Context, try int, err error) bool {
	if try >= attempts {
		return false
	}
	wait := min(shortest<<(try-1), longest)
	wait = wait/2 + rand.N(wait/2+1)
	var no *refusal
	if errors.As(err, &no) && no.wait > 0 {
		wait = max(wait, no.wait)
	}
	if end, ok := ctx.Deadline(); wait > patience || ok && time.Until(end) < wait {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(min(n, 24*3600)) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}
