package reconcile

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// finishing is a ledger that notes what is asked for when requests end.
type finishing struct {
	Ledger
	keys map[string]string // by request
	jobs []string
}

func (f *finishing) Finish(ctx context.Context, ids []string, at time.Time, key string, e []ledger.Event, jobs []ledger.Job) error {
	for _, id := range ids {
		f.keys[id] = key
	}
	for _, j := range jobs {
		f.jobs = append(f.jobs, j.Kind+" "+j.Key)
	}
	return f.Ledger.Finish(ctx, ids, at, key, e, jobs)
}

func TestNoPullRequestRemovesTheFileOfAnEmergency(t *testing.T) {
	for name, c := range map[string]struct {
		requests []string
		reverts  bool
	}{
		"an emergency":        {[]string{"pull/12"}, false},
		"a file":              {[]string{"requests/a.yaml@0123456789ab"}, true},
		"a file in pull/":     {[]string{"pull/12.yaml@0123456789ab"}, true},
		"both, ended at once": {[]string{"pull/12", "requests/a.yaml@0123456789ab"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			f := &finishing{Ledger: w.engine.cfg.Ledger, keys: map[string]string{}}
			w.engine.cfg.Ledger = f
			for _, id := range c.requests {
				d := asks("x", "alice", "rw", 0, 60)
				d.Request = id
				w.decide(d)
			}
			w.settled()
			w.now = start.Add(time.Hour)
			w.settled()
			for _, id := range c.requests {
				key, ended := f.keys[id]
				if !ended || (key == "") != ledger.IsEmergency(id) {
					t.Errorf("%s ended: %t, key %q", id, ended, key)
				}
			}
			job := slices.ContainsFunc(f.jobs, func(j string) bool { return j == JobRevert+" 100000" })
			if job != c.reverts || !slices.Contains(f.jobs, JobEvidence+" log") {
				t.Errorf("jobs %q", f.jobs)
			}
		})
	}
}
