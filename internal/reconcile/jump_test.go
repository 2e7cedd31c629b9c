package reconcile

import (
	"context"
	"testing"
	"time"
)

// twoClocks is a wall clock and a monotonic one that can disagree.
type twoClocks struct {
	wall time.Time
	mono time.Duration
}

func (c *twoClocks) Now() time.Time                                    { return c.wall }
func (c *twoClocks) Elapsed() time.Duration                            { return c.mono }
func (c *twoClocks) Sleep(context.Context, time.Time, <-chan struct{}) {}
func (c *twoClocks) pass(d time.Duration)                              { c.wall, c.mono = c.wall.Add(d), c.mono+d }

func TestAWallClockThatJumpsAYearAhead(t *testing.T) {
	c := &twoClocks{wall: start}
	k := newTimekeeper(c)
	if r := k.read(); !r.starts || !r.now.Equal(start) {
		t.Fatalf("an honest clock is not believed: %+v", r)
	}
	c.pass(time.Minute)
	c.wall = c.wall.AddDate(1, 0, 0)
	if r := k.read(); r.starts || !r.now.Equal(start.Add(time.Minute)) {
		t.Fatalf("right after the jump: %+v", r)
	}
	c.pass(jumpPatience - time.Second)
	if r := k.read(); r.starts || !r.now.Equal(start.Add(time.Minute+jumpPatience-time.Second)) {
		t.Fatalf("within the patience: %+v", r)
	}
	c.pass(time.Second)
	if r := k.read(); r.starts || !r.now.Equal(c.wall) {
		t.Fatalf("after the patience ends must be carried out, and nothing granted: %+v", r)
	}
	c.wall = c.wall.AddDate(-1, 0, 0)
	if r := k.read(); !r.starts || !r.now.Equal(c.wall) {
		t.Fatalf("the clock is right again: %+v", r)
	}
}

func TestASecondOpinionSettlesAJump(t *testing.T) {
	for name, tc := range map[string]struct {
		jump    time.Duration
		opinion func(c *twoClocks) time.Time
		starts  bool
		now     func(c *twoClocks) time.Time
	}{
		"machine slept, wall is right":   {time.Hour, func(c *twoClocks) time.Time { return c.wall }, true, func(c *twoClocks) time.Time { return c.wall }},
		"wall was set ahead by mistake":  {time.Hour, func(*twoClocks) time.Time { return start }, true, func(*twoClocks) time.Time { return start }},
		"wall was set back":              {-time.Hour, func(*twoClocks) time.Time { return start }, true, func(*twoClocks) time.Time { return start }},
		"wall is right after going back": {-time.Hour, func(c *twoClocks) time.Time { return c.wall }, true, func(c *twoClocks) time.Time { return c.wall }},
		"agrees with neither":            {time.Hour, func(*twoClocks) time.Time { return start.Add(-time.Hour) }, false, func(*twoClocks) time.Time { return start }},
	} {
		t.Run(name, func(t *testing.T) {
			c := &twoClocks{wall: start}
			k := newTimekeeper(c)
			k.read()
			c.wall = c.wall.Add(tc.jump)
			if r := k.read(); r.starts {
				t.Fatal("access may start before an opinion")
			}
			k.opinion(tc.opinion(c))
			if r := k.read(); r.starts != tc.starts || !r.now.Equal(tc.now(c)) {
				t.Fatalf("after the opinion: %+v, want starts %t at %s", r, tc.starts, tc.now(c))
			}
		})
	}
}

func TestAClockBehindTheLedgerIsDoubted(t *testing.T) {
	c := &twoClocks{wall: start}
	k := newTimekeeper(c)
	k.before(start.Add(24 * time.Hour))
	// The ledger's last event may itself be from a clock that was wrong: what ends
	// only by its time waits, like what ends only by any other jump.
	if r := k.read(); r.starts || !r.jumped || !r.now.Equal(start) {
		t.Fatalf("at once: %+v", r)
	}
	c.pass(jumpPatience)
	if r := k.read(); r.starts || !r.now.Equal(start.Add(24*time.Hour+jumpPatience)) {
		t.Fatalf("after the patience: %+v", r)
	}
}

func TestASecondOpinionSettlesAClockBehindTheLedger(t *testing.T) {
	for _, right := range []time.Time{start, start.Add(24 * time.Hour)} {
		c := &twoClocks{wall: start}
		k := newTimekeeper(c)
		k.before(start.Add(24 * time.Hour))
		k.read()
		k.opinion(right)
		if r := k.read(); !r.starts || !r.now.Equal(right) {
			t.Fatalf("right is %s: %+v", right, r)
		}
	}
}

func TestWorkersAreWokenWhenTheTimeToActByJumps(t *testing.T) {
	w := newWorld(t)
	j := &jumpy{world: w}
	w.clock = j
	w.restart()
	w.engine.time.read()
	w.now = w.now.AddDate(1, 0, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	naps := 0
	w.engine.cfg.Clock = ticking{jumpy: j, tick: func() {
		switch naps++; naps {
		case 1:
			<-w.engine.workers[0].wake // of the jump itself
		case 2:
			select {
			case <-w.engine.workers[0].wake:
				t.Error("woken without a reason")
			default:
			}
			j.mono += jumpPatience
		case 4:
			cancel()
		}
	}}
	w.engine.watch(ctx)
	select {
	case <-w.engine.workers[0].wake:
	default:
		t.Fatal("the worker sleeps on although ends are due now")
	}
}

func TestADoubtedClockDoesNotMakeAPassEverySecond(t *testing.T) {
	w := newWorld(t)
	j := &jumpy{world: w}
	w.clock = j
	w.restart()
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	w.now = w.now.AddDate(-1, 0, 0)
	if wait := w.mustPass().Sub(w.now); wait < 10*time.Second || wait > time.Minute {
		t.Errorf("far from an end, the next pass is in %s", wait)
	}
	j.mono += 60*time.Minute - 5*time.Second
	if wait := w.mustPass().Sub(w.now); wait > 5*time.Second {
		t.Errorf("five seconds before an end, the next pass is in %s", wait)
	}
}

// ticking calls tick at each sleep.
type ticking struct {
	*jumpy
	tick func()
}

func (c ticking) Sleep(context.Context, time.Time, <-chan struct{}) { c.tick() }

func TestASlewedClockIsBelieved(t *testing.T) {
	c := &twoClocks{wall: start}
	k := newTimekeeper(c)
	for range 1000 {
		c.pass(time.Minute)
		c.wall = c.wall.Add(time.Second)
		if r := k.read(); !r.starts {
			t.Fatal("a slowly corrected clock was taken for a jump")
		}
	}
}

// jumpy is the world's clock with a monotonic one beside it.
type jumpy struct {
	*world
	mono time.Duration
}

func (j *jumpy) Elapsed() time.Duration { return j.mono }

func TestAClockAYearAheadAndBackGrantsNothingAndEndsLate(t *testing.T) {
	w := newWorld(t)
	j := &jumpy{world: w}
	w.clock = j
	w.restart()
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()

	w.now = w.now.AddDate(1, 0, 0)
	w.decide(asks("b", "bob", "rw", 365*24*60, 365*24*60+60))
	w.mustPass()
	if !w.target.held[grant("alice", "rw")] || w.target.held[grant("bob", "rw")] {
		t.Fatalf("right after the jump: %v", w.target.held)
	}
	j.mono += jumpPatience
	w.now = w.now.Add(jumpPatience)
	w.mustPass()
	if len(w.target.held) != 0 {
		t.Fatalf("five minutes after the jump: %v", w.target.held)
	}
	w.now = w.now.AddDate(-1, 0, 0)
	if w.mustPass(); len(w.target.held) != 0 {
		t.Fatalf("the clock went back and ended access came back: %v", w.target.held)
	}
}
