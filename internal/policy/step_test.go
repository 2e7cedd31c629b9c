package policy

import (
	"testing"
	"time"

	"github.com/tenure-dev/tenure/schema"
)

// lasting is the request of the tests with another duration.
func lasting(d time.Duration) *schema.AccessRequest {
	r := good().Request
	doc := *r
	doc.Duration = d
	return &doc
}

func TestAStepOfAPullRequestIsNoEdit(t *testing.T) {
	start := clock("12:00")
	for _, c := range []struct {
		name   string
		change func(short, long *Version)
		ended  bool
	}{
		{"nothing is known of either", func(*Version, *Version) {}, false},
		{"only the step is known", func(short, _ *Version) { known(short, 7) }, false},
		{"only the last is known", func(_, long *Version) { known(long, 7) }, false},
		{"one pull request brought both", func(short, long *Version) { known(short, 7); known(long, 7) }, false},
		{"two pull requests", func(short, long *Version) { known(short, 7); known(long, 8) }, true},
		{"the step was pushed directly", func(short, long *Version) { known(short, 0); known(long, 7) }, true},
		{"the last was pushed directly", func(short, long *Version) { known(short, 7); known(long, 0) }, true},
		{"merged only in name", func(short, long *Version) {
			known(short, 7)
			known(long, 7)
			long.Evidence.Problem = "its head became reachable"
		}, true},
		{"it was seen to stand there", func(short, _ *Version) { short.Passed = false }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLife()
			l.version(lasting(4*time.Hour), start, true)
			l.decide()
			l.version(lasting(10*time.Minute), time.Time{}, false)
			l.version(lasting(3*time.Hour), time.Time{}, false)
			v := l.in.Record.Versions
			v[1].Passed = true
			c.change(&v[1], &v[2])
			d := l.decide()
			want := start.Add(3 * time.Hour)
			if c.ended {
				want = start.Add(10 * time.Minute)
			}
			if got := d.Ends(); !got.Equal(want) {
				t.Errorf("it ends at %s, want %s", stamp(got), stamp(want))
			}
		})
	}
}

// known gives a version evidence that proves nothing; pull 0: a direct push.
func known(v *Version, pull int) {
	e := good().Evidence
	e.Introduction = v.Introduction
	if pull == 0 {
		e.Pull, e.Problem = nil, "it was pushed directly"
	} else {
		p := *e.Pull
		p.Number = pull
		p.MergedAt = clock("12:30")
		e.Pull = &p
	}
	v.Evidence, v.Verdict = &e, &Verdict{Final: true}
}

func TestABrokenStepIsLookedPast(t *testing.T) {
	start := clock("12:00")
	l := newLife()
	l.version(lasting(4*time.Hour), start, true)
	l.version(lasting(10*time.Minute), time.Time{}, false)
	l.version(nil, time.Time{}, false)
	l.version(lasting(4*time.Hour), time.Time{}, false)
	v := l.in.Record.Versions
	v[1].Passed, v[2].Passed, v[2].Broken = true, true, true
	known(&v[1], 7)
	known(&v[3], 7)
	if got := l.decide().Ends(); !got.Equal(start.Add(4 * time.Hour)) {
		t.Errorf("it ends at %s", stamp(got))
	}
	known(&v[3], 8)
	if got := l.decide().Ends(); !got.Equal(start.Add(10 * time.Minute)) {
		t.Errorf("of another pull request: it ends at %s", stamp(got))
	}
	l.in.Record.Versions = v[:3] // the branch ends with the broken one
	if got := l.decide().Ends(); !got.Equal(start.Add(10 * time.Minute)) {
		t.Errorf("before a broken one: it ends at %s", stamp(got))
	}
}

func TestAProvenVersionIsNoStep(t *testing.T) {
	start := clock("12:00")
	l := newLife()
	l.version(lasting(4*time.Hour), start, true)
	l.version(lasting(time.Hour), clock("12:10"), true)
	l.version(lasting(4*time.Hour), time.Time{}, false)
	l.in.Record.Versions[1].Passed = true
	if got := l.decide().Ends(); !got.Equal(start.Add(time.Hour)) {
		t.Errorf("it ends at %s", stamp(got))
	}
}

func TestTheProvenBytesBroughtBackOnTheWaySettleWhatWasPending(t *testing.T) {
	start := clock("12:00")
	l := newLife()
	l.version(lasting(4*time.Hour), start, true)
	l.version(lasting(2*time.Hour), time.Time{}, false) // seen, and never proven
	l.again("blob1", time.Time{}, false)
	l.version(lasting(3*time.Hour), time.Time{}, false)
	l.in.Record.Versions[2].Passed = true
	if got := l.decide().Ends(); !got.Equal(start.Add(3 * time.Hour)) {
		t.Errorf("it ends at %s", stamp(got))
	}
}
