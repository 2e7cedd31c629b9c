package intake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
)

// forgeCalls is how many pieces of evidence are gathered at the same time.
const forgeCalls = 6

// prove gathers evidence for every version that waits for it, judges it, and
// writes the new decisions. What the forge does not answer waits with back-off.
func (in *Intake) prove(ctx context.Context) (changed bool, err error) {
	budget, cancel := context.WithTimeout(ctx, in.cfg.Budget)
	defer cancel()
	settling := len(in.view.queue) > 0 && !in.view.queue[0].retryAt.After(in.cfg.Now())
	if !settling && len(in.due()) == 0 {
		return false, nil
	}
	repoErr := in.pin(budget)
	if settling {
		if changed, err = in.proveConfig(ctx, budget, repoErr); err != nil {
			return changed, err
		}
	}
	proven, err := in.proveRequests(ctx, budget, repoErr)
	return changed || proven, err
}

// due returns the records with a version that can be judged now.
func (in *Intake) due() []*policy.Record {
	now := in.cfg.Now()
	var due []*policy.Record
	for _, path := range in.view.paths() {
		if rec := in.view.records[path]; nextUnsettled(rec, now) >= 0 {
			due = append(due, rec)
		}
	}
	return due
}

// proveConfig settles the configuration, which requests are judged by.
func (in *Intake) proveConfig(ctx, budget context.Context, repoErr error) (bool, error) {
	next := in.view.clone()
	var b ledger.IntakeBatch
	moved, err := in.settle(budget, next, &b, repoErr)
	if err != nil {
		return false, err
	}
	if !moved && maps.Equal(next.broken, in.view.broken) {
		return false, nil
	}
	for path, rec := range next.records { // some waited for this alone
		for i, v := range rec.Versions {
			if !settled(v) && v.Evidence != nil && !v.RetryAt.IsZero() {
				c := *rec
				c.Versions = slices.Clone(rec.Versions)
				c.Versions[i].RetryAt = time.Time{}
				next.records[path] = &c
				break
			}
		}
	}
	return in.decide(ctx, next, b)
}

func (in *Intake) proveRequests(ctx, budget context.Context, repoErr error) (bool, error) {
	due := in.due()
	if len(due) == 0 {
		return false, nil
	}
	next := in.view.clone()
	var wg sync.WaitGroup
	slots := make(chan struct{}, forgeCalls)
	for i, rec := range due {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			due[i] = in.gatherRecord(budget, rec, repoErr)
		})
	}
	wg.Wait()
	for _, rec := range due {
		next.records[rec.Path] = rec
	}
	events, err := in.hearing(next).hear(ctx, due)
	if err != nil {
		return false, err
	}
	slices.SortStableFunc(events, func(x, y ledger.Event) int { return strings.Compare(x.Request, y.Request) })
	return in.decide(ctx, next, ledger.IntakeBatch{Events: events})
}

// pin reads the repository's numeric id once and holds the forge to it: another
// repository of the same name proves nothing.
func (in *Intake) pin(ctx context.Context) error {
	repo, err := in.cfg.Forge.Repository(ctx)
	if err != nil {
		return err
	}
	if in.repoID == 0 {
		if err := in.cfg.Ledger.PinRepository(ctx, repo.ID); err != nil {
			return err
		}
		in.repoID = repo.ID
		if now := in.now.Load(); now != nil {
			told := *now
			told.Repo = repo.ID
			in.now.Store(&told)
		}
	}
	if repo.ID != in.repoID {
		return fmt.Errorf("the repository on the forge is another one than before (id %d, was %d): nothing it says proves anything", repo.ID, in.repoID)
	}
	return nil
}

// nextUnsettled returns the index of the first version that can be judged now,
// or -1. A version waits for those before it.
func nextUnsettled(rec *policy.Record, now time.Time) int {
	for i, v := range rec.Versions {
		if settled(v) || restores(rec, i) {
			continue
		}
		if v.RetryAt.After(now) {
			return -1
		}
		return i
	}
	return -1
}

// restores reports whether version i has the bytes of the last proven version
// before it: going back needs no approval.
func restores(rec *policy.Record, i int) bool {
	p := lastProven(rec, i)
	return p >= 0 && rec.Versions[p].Blob == rec.Versions[i].Blob
}

// lastProven returns the index of the last proven version before i, or -1.
func lastProven(rec *policy.Record, i int) int {
	for i--; i >= 0; i-- {
		if v := rec.Versions[i].Verdict; v != nil && v.Proven {
			return i
		}
	}
	return -1
}

// gatherRecord returns a copy of a record with the evidence that can be read now of
// its versions, in order, until one has to wait.
func (in *Intake) gatherRecord(ctx context.Context, rec *policy.Record, repoErr error) *policy.Record {
	c := *rec
	c.Versions = slices.Clone(rec.Versions)
	now := in.cfg.Now()
	for i := range c.Versions {
		v := &c.Versions[i]
		if settled(*v) || restores(&c, i) {
			continue
		}
		if v.RetryAt.After(now) {
			break
		}
		if v.Evidence != nil {
			continue
		}
		err := repoErr
		if err == nil {
			var e forge.Evidence
			if e, err = in.cfg.Forge.Evidence(ctx, in.repoID, v.Introduction); err == nil {
				v.Evidence = &e
			}
		}
		if err != nil {
			in.wait(v, now, "the forge's evidence could not be read: "+err.Error())
			break
		}
	}
	return &c
}

// wait puts a version off: 5 s, 10 s, 20 s … ten minutes.
func (in *Intake) wait(v *policy.Version, now time.Time, why string) {
	v.Attempts++
	v.RetryAt = now.Add(min(5*time.Second<<min(v.Attempts-1, 7), 10*time.Minute))
	if v.Problem != why {
		in.cfg.Log.Warn("not proven yet", "request", v.Path, "commit", v.Commit, "why", why, "retry", v.RetryAt)
	}
	v.Problem = why
}

// builtOn returns the index of the version that stood on the branch before the pull
// request of version i, or -1 when it brought the file, and whether that version was
// not in force. A rebase puts each commit of a pull request on the branch: those are
// its own steps and were never anybody's state, so what one of them takes away or
// brings back makes nothing that follows new or trusted.
func (in *Intake) builtOn(rec *policy.Record, i int) (index int, laundered bool, err error) {
	r, err := in.runOf(rec.Versions[i].Evidence.Before, rec.Versions[i].Commit)
	if err != nil {
		return -1, false, err
	}
	for i--; i >= 0 && r.commits[rec.Versions[i].Commit]; i-- {
	}
	stood := r.stood[rec.Path]
	if i < 0 || stood == "" {
		return -1, stood != "" || i >= 0, nil
	}
	return i, rec.Versions[i].Blob != stood || !in.inForce(rec, i), nil
}

// inForce reports whether version i was proven, or has the bytes of the last
// proven one.
func (in *Intake) inForce(rec *policy.Record, i int) bool {
	v := rec.Versions[i].Verdict
	return v != nil && v.Proven || restores(rec, i)
}
