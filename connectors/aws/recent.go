package aws

import (
	"context"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// A list of AWS may be some seconds older than a change that AWS has confirmed. What this
// connection itself changed lately is remembered, and a list that contradicts it is read
// again after a pause, a few times. Then the list has the last word: another hand may have
// changed it since.
const memory = 30 * time.Second

// pauses are before the second and each further reading.
func pauses() []time.Duration {
	return []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, time.Second}
}

type recent struct {
	mu   sync.Mutex
	last map[grants.Grant]change
}

type change struct {
	held bool
	at   time.Time
}

func newRecent() *recent { return &recent{last: map[grants.Grant]change{}} }

// note remembers what was just confirmed.
func (r *recent) note(g grants.Grant, held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for k, c := range r.last {
		if now.Sub(c.at) > memory {
			delete(r.last, k)
		}
	}
	r.last[g] = change{held, now}
}

// revoked reports whether the last thing that this connection did to the grant, lately,
// was to take it away.
func (r *recent) revoked(g grants.Grant) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.last[g]
	return ok && !c.held && time.Since(c.at) <= memory
}

// contradicts reports whether a list of these entitlements is older than a change.
func (r *recent) contradicts(found []grants.Grant, scope map[string]bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.last) == 0 {
		return false
	}
	held := make(map[grants.Grant]bool, len(found))
	for _, g := range found {
		held[g] = true
	}
	for g, c := range r.last {
		if scope[g.Entitlement] && time.Since(c.at) <= memory && held[g] != c.held {
			return true
		}
	}
	return false
}

// settled forgets changes that a list contradicted to the end, so that the next look
// does not wait for them again.
func (r *recent) settled(scope map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for g := range r.last {
		if scope[g.Entitlement] {
			delete(r.last, g)
		}
	}
}

// observe lists until the list agrees with what was changed lately, or has had its time.
func (r *recent) observe(ctx context.Context, scope []string, list func() ([]grants.Grant, error)) ([]grants.Grant, error) {
	in := make(map[string]bool, len(scope))
	for _, e := range scope {
		in[e] = true
	}
	for again := 0; ; again++ {
		found, err := list()
		if err != nil || !r.contradicts(found, in) {
			return found, err
		}
		if again == len(pauses()) {
			r.settled(in)
			return found, nil
		}
		if err := wait(ctx, pauses()[again]); err != nil {
			return nil, err
		}
	}
}

// wait pauses, unless the context ends.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
