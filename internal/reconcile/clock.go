package reconcile

import (
	"context"
	"time"
)

// Clock is the engine's only source of time. Times are UTC.
type Clock interface {
	Now() time.Time
	// Sleep returns when t has come, wake received, or ctx ended. A zero t
	// means that only wake or ctx end the sleep.
	Sleep(ctx context.Context, t time.Time, wake <-chan struct{})
}

// SystemClock is the machine's clock. Make one with [NewSystemClock] so that jumps
// of the wall clock are noticed; the zero value works and believes it.
type SystemClock struct{ began time.Time }

// NewSystemClock returns the machine's clock.
func NewSystemClock() SystemClock { return SystemClock{began: time.Now()} }

// Elapsed counts on the monotonic clock.
func (c SystemClock) Elapsed() time.Duration { return time.Since(c.began) }

// Now returns the present time in UTC.
func (SystemClock) Now() time.Time { return time.Now().UTC() }

// maxNap bounds one sleep, so that a wall clock that was set forward while we
// slept delays an expiry by no more than this.
const maxNap = 10 * time.Second

// Sleep waits on the monotonic clock in naps and looks at the wall clock between
// them.
func (SystemClock) Sleep(ctx context.Context, t time.Time, wake <-chan struct{}) {
	for {
		var fire <-chan time.Time
		var timer *time.Timer
		if !t.IsZero() {
			left := time.Until(t)
			if left <= 0 {
				return
			}
			timer = time.NewTimer(min(left, maxNap))
			fire = timer.C
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-fire:
			if time.Until(t) > 0 {
				continue
			}
		}
		if timer != nil {
			timer.Stop()
		}
		return
	}
}
