package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

// hearing judges the versions of requests whose evidence was read. Where a rule
// looks across requests, they are judged in the order in which they came to the
// branch, each beside what those before it were granted.
type hearing struct {
	in      *Intake
	view    *view
	states  map[string]state // by commit, as far as it was asked for
	others  *others          // nil: no rule looks across requests, or unknown
	unknown error            // why the others are not known
}

// state is the configuration that was in force at a commit.
type state struct {
	files map[string]string
	tree  *schema.Tree
	rules *policy.Rules
	err   error
}

func (in *Intake) hearing(v *view) *hearing {
	return &hearing{in: in, view: v, states: map[string]state{}}
}

func (h *hearing) at(ctx context.Context, commit string) state {
	s, ok := h.states[commit]
	if !ok {
		if s.files, s.err = h.in.stateAt(ctx, commit, nil); s.err == nil {
			s.tree, s.rules, s.err = h.in.trees.get(s.files)
		}
		h.states[commit] = s
	}
	return s
}

// hear judges what can be judged of some records, which it may change, and returns
// the events of that.
func (h *hearing) hear(ctx context.Context, records []*policy.Record) ([]ledger.Event, error) {
	var events []ledger.Event
	stopped := map[string]bool{} // records with a version that waits, and so do those after it
	for _, t := range h.turns(ctx, records) {
		v := &t.rec.Versions[t.i]
		if stopped[t.rec.ID] || settled(*v) || restores(t.rec, t.i) {
			continue
		}
		e, err := h.turn(ctx, t.rec, t.i)
		if err != nil {
			return nil, err
		}
		if e != nil {
			events = append(events, *e)
		}
		stopped[t.rec.ID] = !settled(*v)
	}
	return events, nil
}

// turn is one version that is to be judged.
type turn struct {
	rec *policy.Record
	i   int
}

// turns returns what is to be judged: record by record, and in the order of the
// branch when a rule of any of them looks across requests.
func (h *hearing) turns(ctx context.Context, records []*policy.Record) []turn {
	now := h.in.cfg.Now()
	var out []turn
	across := false
	for _, rec := range records {
		for i, v := range rec.Versions {
			if settled(v) || restores(rec, i) {
				continue
			}
			if v.Evidence == nil || v.RetryAt.After(now) {
				break
			}
			out = append(out, turn{rec, i})
			across = across || v.Evidence.Before != "" && h.at(ctx, v.Evidence.Before).rules.AcrossRequests()
		}
	}
	if !across {
		return out
	}
	if h.others, h.unknown = h.in.others(ctx, h.view); h.unknown == nil {
		slices.SortFunc(out, h.others.order.compare)
	}
	return out
}

// turn judges one version and returns the event of a verdict that is final; nil: it
// has to wait.
func (h *hearing) turn(ctx context.Context, rec *policy.Record, i int) (*ledger.Event, error) {
	in, v := h.in, &rec.Versions[i]
	now := in.cfg.Now()
	verdict, err := h.judge(ctx, rec, i)
	switch {
	case errors.As(err, new(waitsFor)): // and is looked at again whenever that may be settled
		v.Problem, v.RetryAt = err.Error(), time.Time{}
		return nil, nil
	case err != nil:
		in.wait(v, now, err.Error())
		return nil, nil
	}
	v.Verdict, v.Problem = &verdict, ""
	if !verdict.Final {
		v.Evidence = nil // to be read again
		in.wait(v, now, "the evidence is not complete yet")
		return nil, nil
	}
	if h.others != nil && verdict.Proven {
		if err := h.others.granted(rec); err != nil {
			return nil, err
		}
	}
	in.cfg.Log.Info("request judged", "request", rec.Path, "proven", verdict.Proven, "commit", v.Commit)
	data, _ := json.Marshal(map[string]any{"introduction": v.Introduction, "proven": verdict.Proven, "author": verdict.Author, "approvers": verdict.Approvers, "checks": verdict.Checks, "evidence": v.Evidence})
	return &ledger.Event{At: now, Kind: ledger.EventJudged, Request: rec.ID, Data: data}, nil
}

// judge has one version judged by the state that was trusted before its pull
// request.
func (h *hearing) judge(ctx context.Context, rec *policy.Record, i int) (policy.Verdict, error) {
	in, v := h.in, rec.Versions[i]
	request := in.files.document(rec.Path, v.Blob)
	if request == nil {
		return policy.Verdict{}, errors.New("the file could not be read from the local copy of the repository")
	}
	j := policy.Judgement{
		Request: request, Evidence: *v.Evidence, Host: in.cfg.Host, ForgeType: in.cfg.ForgeType,
		ApprovalsValid: in.cfg.ApprovalsValid, Canonical: in.cfg.Canonical,
	}
	if v.Evidence.Before != "" {
		s := h.at(ctx, v.Evidence.Before)
		if s.err != nil {
			return policy.Verdict{}, s.err
		}
		j.Trusted, j.Rules = s.tree, s.rules
		p, laundered, err := in.builtOn(rec, i)
		if err != nil {
			return policy.Verdict{}, err
		}
		switch j.Laundered = laundered; {
		case laundered:
		case p >= 0:
			j.Previous = in.files.document(rec.Path, rec.Versions[p].Blob)
		default:
			r, err := in.runOf(v.Evidence.Before, v.Commit)
			if err != nil {
				return policy.Verdict{}, err
			}
			if j.Hidden, err = in.hides(ctx, r, s.files, v.Blob); err != nil {
				return policy.Verdict{}, err
			}
		}
		if s.rules.AcrossRequests() {
			if h.unknown != nil {
				return policy.Verdict{}, fmt.Errorf("a rule looks across requests, and the others are not known: %w", h.unknown)
			}
			if j.Others, err = h.others.before(turn{rec, i}, request, s.tree); err != nil {
				return policy.Verdict{}, err
			}
		}
	}
	j.FirstMerged = in.firstMerged(rec, i)
	return policy.Judge(j), nil
}
