package githubapi

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gofri/go-github-ratelimit/v2/github_ratelimit"
	"github.com/gofri/go-github-ratelimit/v2/github_ratelimit/github_secondary_ratelimit"
)

// limits waits when GitHub says to slow down (a secondary rate limit), but never
// past the request's deadline: what cannot be had in time fails at once, and so
// does every request until the wait is over. Primary limits are go-github's.
type limits struct {
	waits http.RoundTripper
	now   func() time.Time

	mu    sync.Mutex
	until time.Time // no request before; zero: none
}

// Limited is the error of a request that was not sent.
type Limited struct{ Until time.Time }

func (e *Limited) Error() string {
	return fmt.Sprintf("rate limit; GitHub asks to wait until %s", e.Until.UTC().Format(time.RFC3339))
}

func newLimits(next http.RoundTripper, now func() time.Time) *limits {
	l := &limits{now: now}
	l.waits = github_ratelimit.NewSecondaryLimiter(next, github_secondary_ratelimit.WithLimitDetectedCallback(l.detected))
	return l
}

// detected is told when a limit begins. Times in GitHub's answers are relative
// to the machine's clock, as the limiter's are.
func (l *limits) detected(c *github_secondary_ratelimit.CallbackContext) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = l.now().Add(time.Until(*c.ResetTime))
}

func (l *limits) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	until := l.until
	l.mu.Unlock()
	deadline, bounded := r.Context().Deadline()
	wait := until.Sub(l.now())
	if bounded && wait > 0 && wait >= time.Until(deadline) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, &Limited{Until: until}
	}
	if bounded {
		left := time.Until(deadline)
		ctx := github_ratelimit.WithOverrideConfig(r.Context(),
			github_secondary_ratelimit.WithSingleSleepLimit(left, l.detected))
		r = r.WithContext(ctx)
	}
	return l.waits.RoundTrip(r)
}
