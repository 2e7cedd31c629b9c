package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

// view is what the intake knows at its accepted head.
type view struct {
	head     string
	diverged string
	config   map[string]string            // path → blob of the configuration files in force
	records  map[string]*policy.Record    // live requests, by path
	rows     map[string]ledger.Request    // as stored in the ledger, by request
	broken   map[string]ledger.NotInForce // by path: files of the branch that are not in force; as the ledger has them
	targets  map[string]string            // connector by target, of the documents in force
	queue    []*unsettled                 // steps whose configuration waits to be trusted, oldest first
	branch   map[string]string            // path → blob of the configuration files on the branch, in force or not
	files    map[string]string            // path → blob of every document on the branch, broken or not
	last     map[string]string            // config as it was last given to a state; never changed
	// unsettled: which configuration is in force at head is not found out yet
	unsettled bool
	scopes    []ledger.Scope // as the ledger has them; nil: not known yet
	unread    bool           // they are those of a branch that could not be read
	decided   bool           // decisions of this view are in the ledger
}

// clone copies what a walk changes. Records are copied when they are changed.
func (v *view) clone() *view {
	c := *v
	c.config = maps.Clone(v.config)
	c.records = maps.Clone(v.records)
	c.rows = maps.Clone(v.rows)
	c.broken = maps.Clone(v.broken)
	c.branch = maps.Clone(v.branch)
	c.files = maps.Clone(v.files)
	c.queue = slices.Clone(v.queue)
	return &c
}

// frozen returns the configuration in force as it is now, for a state that is kept.
// Commits that change nothing share it: a long history is taken in at once.
func (v *view) frozen() map[string]string {
	if v.last == nil || !maps.Equal(v.last, v.config) {
		v.last = maps.Clone(v.config)
	}
	return v.last
}

// paths returns the paths of all live requests, sorted.
func (v *view) paths() []string { return slices.Sorted(maps.Keys(v.records)) }

// load builds the view from the ledger.
func (in *Intake) load(ctx context.Context) (*view, error) {
	h, err := in.cfg.Ledger.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the accepted head: %w", err)
	}
	in.repoID = h.RepositoryID
	v := &view{
		head: h.Accepted, diverged: h.Diverged,
		config: map[string]string{}, records: map[string]*policy.Record{},
		rows: map[string]ledger.Request{}, broken: map[string]ledger.NotInForce{}, branch: map[string]string{}, files: map[string]string{},
	}
	files, err := in.cfg.Ledger.NotInForce(ctx)
	if err != nil {
		return nil, fmt.Errorf("read which files are not in force: %w", err)
	}
	for _, f := range files {
		v.broken[f.Path] = f
	}
	if v.head == "" {
		return v, nil
	}
	state, ok, err := in.cfg.Ledger.ConfigState(ctx, v.head)
	if err != nil {
		return nil, fmt.Errorf("read the configuration in force: %w", err)
	}
	if v.unsettled = !ok; ok {
		v.config = maps.Clone(state.Files)
	}
	rows, err := in.cfg.Ledger.Requests(ctx)
	if err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	for _, r := range rows {
		if !r.Live {
			continue
		}
		rec := new(policy.Record)
		if err := json.Unmarshal(r.Body, rec); err != nil {
			return nil, fmt.Errorf("ledger row of %s: %w", r.ID, err)
		}
		v.rows[r.ID] = r
		v.records[r.Path] = rec
	}
	return v, in.readBranch(v)
}

// pending counts the versions that wait for evidence.
func (in *Intake) pending() (n int, retry time.Time) {
	for _, rec := range in.view.records {
		for i, v := range rec.Versions {
			if settled(v) || restores(rec, i) {
				continue
			}
			n++
			if !v.RetryAt.IsZero() && (retry.IsZero() || v.RetryAt.Before(retry)) {
				retry = v.RetryAt
			}
		}
	}
	for i, u := range in.view.queue {
		n += len(u.paths)
		if i == 0 && !u.retryAt.IsZero() && (retry.IsZero() || u.retryAt.Before(retry)) {
			retry = u.retryAt
		}
	}
	return n, retry
}

// settled reports whether nothing more is to be asked about a version.
func settled(v policy.Version) bool {
	return v.Broken || v.Verdict != nil && v.Verdict.Final
}

func (in *Intake) event(kind, request string, data map[string]any) ledger.Event {
	raw, _ := json.Marshal(data) // maps of strings and numbers always encode
	return ledger.Event{At: in.cfg.Now(), Kind: kind, Request: request, Data: raw}
}

// decide computes the decision of every live request of next, and of those that
// the batch says are gone, and writes all that changed in one transaction.
func (in *Intake) decide(ctx context.Context, next *view, b ledger.IntakeBatch) (changed bool, err error) {
	now, err := in.standing(next)
	if err != nil {
		return false, err
	}
	next.targets = make(map[string]string, len(now.Trusted.Targets))
	for name, t := range now.Trusted.Targets {
		next.targets[name] = t.Connector
	}
	gone := b.Requests
	b.Requests = nil
	for _, r := range gone {
		rec := new(policy.Record)
		if err := json.Unmarshal(r.Body, rec); err != nil {
			return false, err
		}
		row, err := in.row(*rec, r.Decision, now, next.head)
		if err != nil {
			return false, err
		}
		b.Requests = append(b.Requests, row)
		delete(next.rows, row.ID)
	}
	for _, path := range next.paths() {
		rec := next.records[path]
		old, known := next.rows[rec.ID]
		row, err := in.row(*rec, old.Decision, now, next.head)
		if err != nil {
			return false, err
		}
		if known && sameRow(old, row) {
			continue
		}
		row.EndedAt, row.Floor, row.Revert = old.EndedAt, old.Floor, old.Revert
		b.Requests = append(b.Requests, row)
		next.rows[rec.ID] = row
	}
	if err := in.files.failed(); err != nil {
		return false, err
	}
	if next.head != in.view.head {
		b.Head = next.head
		b.Events = append(b.Events, in.event(ledger.EventHead, "", map[string]any{"head": next.head, "from": in.view.head}))
	}
	next.unread = in.unread
	if next.scopes = in.scopes(next, now); !reflect.DeepEqual(next.scopes, in.view.scopes) {
		b.Scopes = next.scopes
	}
	if in.view.head == "" || !maps.Equal(next.config, in.view.config) {
		b.States = append(b.States, ledger.ConfigState{Commit: ledger.InForce, Files: next.frozen(), Replace: true})
	}
	if !maps.Equal(next.broken, in.view.broken) {
		faults := next.faults()
		b.NotInForce = &faults
	}
	if err := in.tell(next, now); err != nil {
		return false, err
	}
	changed = b.Head != "" || b.Diverged != nil || len(b.Requests) > 0 || len(b.States) > 0
	if changed || b.NotInForce != nil || b.Scopes != nil {
		if err := in.cfg.Ledger.TakeIn(ctx, in.lease, b); err != nil {
			return false, err
		}
	}
	next.decided = true
	in.view = next
	in.now.Store(now)
	return changed, nil
}

func (in *Intake) row(rec policy.Record, prev grants.Decision, now *Present, commit string) (ledger.Request, error) {
	body, err := json.Marshal(rec)
	if err != nil {
		return ledger.Request{}, fmt.Errorf("encode the record of %s: %w", rec.ID, err)
	}
	d := policy.Decide(policy.DecideInput{
		Record: rec,
		Docs: func(blob string) *schema.AccessRequest {
			return in.files.document(rec.Path, blob)
		},
		Tree: now.Trusted, Branch: now.Branch, Commit: commit, At: in.cfg.Now(), Previous: prev, Canonical: in.cfg.Canonical,
	})
	if rec.GoneIn == "" {
		d.Blob = rec.Versions[len(rec.Versions)-1].Blob
	}
	return ledger.Request{ID: rec.ID, Path: rec.Path, Live: rec.GoneIn == "", Body: body, Decision: d}, nil
}

func sameRow(a, b ledger.Request) bool {
	if a.Live != b.Live || string(a.Body) != string(b.Body) {
		return false
	}
	x, _ := json.Marshal(a.Decision) // decisions always encode
	y, _ := json.Marshal(b.Decision)
	return string(x) == string(y)
}
