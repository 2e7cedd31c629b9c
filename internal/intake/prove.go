package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	now := in.cfg.Now()
	var due []*policy.Record
	for _, path := range in.view.paths() {
		if rec := in.view.records[path]; nextUnsettled(rec, now) >= 0 {
			due = append(due, rec)
		}
	}
	if len(due) == 0 {
		return false, nil
	}
	budget, cancel := context.WithTimeout(ctx, in.cfg.Budget)
	defer cancel()
	repoErr := in.pin(budget)

	next := in.view.clone()
	var b ledger.IntakeBatch
	var mu sync.Mutex // guards next, b and the caches
	var wg sync.WaitGroup
	slots := make(chan struct{}, forgeCalls)
	for _, rec := range due {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			done, events := in.proveRecord(budget, rec, repoErr, &mu)
			mu.Lock()
			defer mu.Unlock()
			next.records[rec.Path] = done
			b.Events = append(b.Events, events...)
		})
	}
	wg.Wait()
	slices.SortStableFunc(b.Events, func(x, y ledger.Event) int { return strings.Compare(x.Request, y.Request) })
	return in.decide(ctx, next, b)
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

// proveRecord judges the versions of one record in order, until one has to wait.
// It returns a changed copy.
func (in *Intake) proveRecord(ctx context.Context, rec *policy.Record, repoErr error, mu *sync.Mutex) (*policy.Record, []ledger.Event) {
	c := *rec
	c.Versions = slices.Clone(rec.Versions)
	var events []ledger.Event
	for {
		now := in.cfg.Now()
		i := nextUnsettled(&c, now)
		if i < 0 {
			return &c, events
		}
		v := &c.Versions[i]
		if v.Evidence == nil {
			err := repoErr
			if err == nil {
				var e forge.Evidence
				if e, err = in.cfg.Forge.Evidence(ctx, in.repoID, v.Introduction); err == nil {
					v.Evidence = &e
				}
			}
			if err != nil {
				in.wait(v, now, "the forge's evidence could not be read: "+err.Error())
				continue
			}
		}
		mu.Lock()
		verdict, err := in.judge(ctx, &c, i)
		mu.Unlock()
		if err != nil {
			in.wait(v, now, err.Error())
			continue
		}
		v.Verdict, v.Problem = &verdict, ""
		if !verdict.Final {
			v.Evidence = nil // to be read again
			in.wait(v, now, "the evidence is not complete yet")
			continue
		}
		data, _ := json.Marshal(map[string]any{"introduction": v.Introduction, "proven": verdict.Proven, "author": verdict.Author, "approvers": verdict.Approvers, "checks": verdict.Checks, "evidence": v.Evidence})
		events = append(events, ledger.Event{At: now, Kind: ledger.EventJudged, Request: c.ID, Data: data})
		in.cfg.Log.Info("request judged", "request", c.Path, "proven", verdict.Proven, "commit", v.Commit)
	}
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

// judge has one version judged by the state that was trusted before its pull
// request.
func (in *Intake) judge(ctx context.Context, rec *policy.Record, i int) (policy.Verdict, error) {
	v := rec.Versions[i]
	request := in.files.document(rec.Path, v.Blob)
	if request == nil {
		return policy.Verdict{}, errors.New("the file could not be read from the local copy of the repository")
	}
	j := policy.Judgement{
		Request: request, Evidence: *v.Evidence, Host: in.cfg.Host, ForgeType: in.cfg.ForgeType,
		ApprovalsValid: in.cfg.ApprovalsValid, Canonical: in.cfg.Canonical,
	}
	if v.Evidence.Before != "" {
		state, ok, err := in.cfg.Ledger.ConfigState(ctx, v.Evidence.Before)
		if err != nil {
			return policy.Verdict{}, fmt.Errorf("read the trusted state at %s: %w", v.Evidence.Before, err)
		}
		if !ok {
			return policy.Verdict{}, fmt.Errorf("the trusted state at %s is not known: it lies before trust.from or was never taken in", v.Evidence.Before)
		}
		if j.Trusted, j.Rules, err = in.trees.get(state.Files); err != nil {
			return policy.Verdict{}, err
		}
	}
	if i > 0 {
		before := rec.Versions[i-1]
		if in.inForce(rec, i-1) {
			j.Previous = in.files.document(rec.Path, before.Blob)
		} else {
			j.Laundered = true
		}
	}
	for _, earlier := range rec.Versions[:i] {
		if earlier.Verdict != nil && earlier.Verdict.Proven && earlier.Evidence != nil && earlier.Evidence.Pull != nil {
			j.FirstMerged = earlier.Evidence.Pull.MergedAt
			break
		}
	}
	return policy.Judge(j), nil
}

// inForce reports whether version i was proven, or has the bytes of the last
// proven one.
func (in *Intake) inForce(rec *policy.Record, i int) bool {
	v := rec.Versions[i].Verdict
	return v != nil && v.Proven || restores(rec, i)
}
