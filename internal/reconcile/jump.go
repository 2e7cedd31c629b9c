package reconcile

import (
	"sync"
	"time"
)

// monotonic is a clock that can also count time on its own, which a change of the
// wall clock does not touch. A Clock without it is believed.
type monotonic interface {
	Elapsed() time.Duration // since some fixed instant of this process
}

const (
	// jumpTolerance is how far the wall clock may move against the monotonic one:
	// more than a clock is slewed, less than any window.
	jumpTolerance = 30 * time.Second
	// jumpPatience is how long an end that is due only because the clock jumped
	// ahead waits for a second opinion. Then it is carried out: nobody stays in
	// because a clock could not be confirmed.
	jumpPatience = 5 * time.Minute
)

// timekeeper notices jumps of the wall clock. While one is unexplained, time moves
// on by the monotonic clock and nothing new is granted; a second opinion (the
// forge's Date header) settles which of the two clocks is right.
type timekeeper struct {
	clock Clock

	mu      sync.Mutex
	wall    time.Time     // anchor: this wall time …
	mono    time.Duration // … was this monotonic time
	suspect time.Duration // monotonic time at which a jump was noticed
	jumped  bool          // the wall clock is off the anchor
	agreed  bool          // an opinion said that the anchor is right
	told    bool          // the anchor is not our own: the ledger's last event
}

func newTimekeeper(c Clock) *timekeeper { return &timekeeper{clock: c} }

// reading is the time to act by.
type reading struct {
	now    time.Time
	starts bool // new access may be given
	jumped bool // the wall clock is not believed
}

// read returns the time to act by.
func (k *timekeeper) read() reading {
	wall := k.clock.Now()
	m, ok := k.clock.(monotonic)
	if !ok {
		return reading{now: wall, starts: true}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	mono := m.Elapsed()
	if k.wall.IsZero() {
		k.wall, k.mono = wall, mono
	}
	expected := k.wall.Add(mono - k.mono)
	off := wall.Round(0).Sub(expected)
	if off.Abs() <= jumpTolerance {
		// A clock that is slewed takes the anchor with it.
		k.wall, k.mono, k.jumped, k.agreed, k.told = wall.Round(0), mono, false, false, false
		return reading{now: wall, starts: true}
	}
	if !k.jumped {
		k.jumped, k.suspect = true, mono
	}
	r := reading{now: expected, starts: k.agreed, jumped: true}
	patient := mono-k.suspect < jumpPatience
	switch {
	case k.agreed:
	case off > 0 && !patient:
		r.now = wall
	case off < 0 && k.told && patient:
		r.now = wall // the event may be from a clock that was wrong then
	}
	return r
}

// before makes the timekeeper doubt a wall clock that is behind a time that is
// known to have passed, such as that of the ledger's last event.
func (k *timekeeper) before(passed time.Time) {
	m, ok := k.clock.(monotonic)
	if !ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.wall.IsZero() && k.clock.Now().Before(passed.Add(-jumpTolerance)) {
		k.wall, k.mono, k.told = passed, m.Elapsed(), true
	}
}

// opinion settles a jump by another clock's time. It is ignored when it agrees
// with neither.
func (k *timekeeper) opinion(other time.Time) {
	m, ok := k.clock.(monotonic)
	if !ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.jumped {
		return
	}
	mono, wall := m.Elapsed(), k.clock.Now().Round(0)
	expected := k.wall.Add(mono - k.mono)
	switch {
	case wall.Sub(other).Abs() <= jumpTolerance:
		k.wall, k.mono, k.jumped, k.agreed, k.told = wall, mono, false, false, false
	case expected.Sub(other).Abs() <= jumpTolerance:
		k.agreed = true
	}
}
