package rest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// attempts of one call.
const attempts = 6

// retry repeats f while it fails in a way that another try can mend. It never waits
// beyond the caller's deadline: an answer that asks for more is returned at once.
func (c *Client) retry(ctx context.Context, f func() (Answer, error)) (Answer, error) {
	var waited time.Duration
	for i := 1; ; i++ {
		a, err := f()
		if err == nil || i == attempts || ctx.Err() != nil {
			return a, err
		}
		wait, again := pause(err, i)
		end, limited := ctx.Deadline()
		if !again || waited+wait > c.cfg.MaxWait || limited && time.Until(end) < wait {
			return a, err
		}
		waited += wait
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return a, err
		case <-timer.C:
		}
	}
}

// pause is how long to wait after the i-th failure, and whether to try again at all.
// A server that is down (connection refused) is the caller's to come back to.
func pause(err error, i int) (time.Duration, bool) {
	short := time.Duration(1<<i) * 20 * time.Millisecond
	short += rand.N(short/2 + 1) // writers that met do not meet again
	var e *Error
	switch {
	case errors.As(err, &e) && e.asked:
		return max(e.after, short), true
	case errors.As(err, &e) && e.Status == http.StatusTooManyRequests:
		return 20 * short, true
	case errors.As(err, &e):
		return short, slices.Contains([]int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, e.Status)
	case errors.Is(err, errToken):
		return 0, false
	}
	return short, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(h http.Header) (time.Duration, bool) {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 && n < 1<<30 {
		return time.Duration(n) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(time.Until(t), 0), true
	}
	return 0, false
}
