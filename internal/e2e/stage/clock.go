package stage

import (
	"context"
	"sync"
	"time"
)

// Clock is a reconcile.Clock that stands still until it is moved.
type Clock struct {
	mu    sync.Mutex
	now   time.Time
	moved chan struct{} // closed when the clock moves
}

func newClock(t time.Time) *Clock { return &Clock{now: t.UTC(), moved: make(chan struct{})} }

// Now returns the time in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d and wakes whoever sleeps.
func (c *Clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

// Set moves the clock to t, which may lie in its past.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t.UTC()
	close(c.moved)
	c.moved = make(chan struct{})
}

// Sleep returns when t has come, wake received, or ctx ended; a zero t never
// comes.
func (c *Clock) Sleep(ctx context.Context, t time.Time, wake <-chan struct{}) {
	for {
		c.mu.Lock()
		now, moved := c.now, c.moved
		c.mu.Unlock()
		if !t.IsZero() && !now.Before(t) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
			return
		case <-moved:
		}
	}
}
