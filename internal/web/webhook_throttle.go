package web

import (
	"sync"
	"time"
)

// wakeGap is the least time between two looks that deliveries of one kind cause:
// whoever can make or replay them in a flood does not use up the forge's rate limit.
const wakeGap = time.Second

// throttle passes calls on, at most one in wakeGap. Those that come sooner are one
// call, made when the gap is over: the last of them is never lost. The zero value is
// ready.
type throttle struct {
	mu   sync.Mutex
	last time.Time // of the last call that was passed on, by the monotonic clock
	due  bool      // a call waits for the end of the gap
}

// call calls f now or at the end of the gap. f must not block.
func (t *throttle) call(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.due {
		return
	}
	if wait := wakeGap - time.Since(t.last); !t.last.IsZero() && wait > 0 {
		t.due = true
		time.AfterFunc(wait, func() { t.pass(f) })
		return
	}
	t.last = time.Now()
	f()
}

func (t *throttle) pass(f func()) {
	t.mu.Lock()
	t.due, t.last = false, time.Now()
	t.mu.Unlock()
	f() // after due is unset: an event that comes now causes one more look
}
