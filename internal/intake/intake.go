// Package intake takes in what is new on the watched branch: it walks the new
// first-parent commits, keeps the configuration that is in force and the life of
// every request file, has each change proven by the forge's evidence, and writes
// the resulting decisions to the ledger.
//
// It never touches a target. When Git or the forge is down it changes nothing:
// the last decisions stay in the ledger and time moves on without it.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/source"
	"github.com/tenure-dev/tenure/schema"
)

// Source is the watched branch. *source.Repo is one.
type Source interface {
	Poll(ctx context.Context) (head string, changed bool, err error)
	FirstParents(from, to string) ([]string, error)
	Changes(commit string) ([]source.Change, error)
	Files(commit string) ([]source.Entry, error)
	Read(blob string, max int64) ([]byte, error)
}

// Forge gathers evidence.
type Forge interface {
	Repository(ctx context.Context) (forge.Repository, error)
	// Evidence reads all that the forge recorded about an introduction. An
	// error means that it is to be asked again.
	Evidence(ctx context.Context, repositoryID int64, in forge.Introduction) (forge.Evidence, error)
}

// Config is what an Intake needs.
type Config struct {
	Source         Source
	Forge          Forge
	Ledger         Ledger
	Canonical      policy.Canonical
	TrustFrom      string // full hash of the commit where the chain of trust starts
	TrustGroup     string // whose members approve changes of the configuration
	TrustCount     int    // how many of them; less than 1 means 1
	ApprovalsValid time.Duration
	ForgeType      string // key of a person's identities, such as "github"
	Host           string // of the forge: identities match on (host, id)
	Now            func() time.Time
	Log            *slog.Logger
	// Budget bounds the time one pass spends on the forge, so that a slow forge
	// delays what is new and never what is taken away.
	Budget time.Duration
}

// Result says what one pass did.
type Result struct {
	Head     string            // accepted head
	Changed  bool              // decisions were written
	Diverged string            // a head that is not followed; empty: none
	Pending  int               // versions that wait for evidence
	RetryAt  time.Time         // when the earliest of them is asked for again; zero: none
	Problems []schema.Problem  // files of the branch that are not in force
	Targets  map[string]string // connector by target, as the documents in force say
}

// Intake is the one reader of the branch. It is not safe for concurrent use.
type Intake struct {
	cfg     Config
	files   *fileCache
	trees   *treeCache
	lease   *ledger.Lease
	view    *view // nil: to be loaded from the ledger
	repoID  int64
	history history                   // see orderOf
	unread  bool                      // the last look at the branch failed
	scoped  map[*schema.Tree]scopeSet // of the last trees
	run     *run                      // the last pull request that was followed to its beginning; nil: none

	now        atomic.Pointer[Present] // as last decided on; read by other goroutines
	judgeTrust func(policy.TrustJudgement) policy.Verdict
}

// New checks the configuration and returns an intake that has read nothing yet.
func New(cfg Config) (*Intake, error) {
	if cfg.Source == nil || cfg.Forge == nil || cfg.Ledger == nil || cfg.Now == nil || cfg.Log == nil || cfg.Canonical == nil {
		return nil, errors.New("intake: source, forge, ledger, clock, log and canonical forms are needed")
	}
	if len(cfg.TrustFrom) != 40 {
		return nil, errors.New("intake: trust.from must be a full commit hash")
	}
	if cfg.Budget <= 0 {
		cfg.Budget = time.Minute
	}
	files := newFileCache(cfg.Source)
	return &Intake{cfg: cfg, files: files, scoped: map[*schema.Tree]scopeSet{}, trees: newTreeCache(files), judgeTrust: policy.JudgeTrust}, nil
}

// Close gives the lease back.
func (in *Intake) Close(ctx context.Context) error {
	if in.lease == nil {
		return nil
	}
	l := in.lease
	in.lease, in.view = nil, nil
	in.now.Store(nil)
	return l.Release(ctx)
}

// Pass takes in what is new and judges what waits. What is taken away takes
// effect before the forge is asked anything.
func (in *Intake) Pass(ctx context.Context) (Result, error) {
	if err := in.begin(ctx); err != nil {
		return Result{}, err
	}
	_ = in.files.failed() // what an earlier pass could not read is tried again
	head, _, pollErr := in.cfg.Source.Poll(ctx)
	if pollErr != nil {
		pollErr = fmt.Errorf("poll the branch: %w", pollErr)
		if in.view.head == "" {
			return Result{}, pollErr
		}
		head = in.view.head
	}
	var res Result
	in.unread = pollErr != nil
	err := in.catchUp(ctx)
	if err == nil {
		res, err = in.takeIn(ctx, head)
	}
	if err == nil {
		err = in.noticeBranch(ctx)
	}
	if err != nil {
		in.forget(err)
		return res, errors.Join(pollErr, err)
	}
	if res.Diverged == "" {
		proven, err := in.prove(ctx)
		res.Changed = res.Changed || proven
		if err != nil {
			in.forget(err)
			return res, errors.Join(pollErr, err)
		}
	}
	res.Head = in.view.head
	res.Problems = in.problems()
	res.Targets = in.view.targets
	res.Pending, res.RetryAt = in.pending()
	if res.Diverged != "" {
		res.RetryAt = time.Time{} // nothing is asked for until the branch is followed again
	}
	return res, pollErr
}

// begin takes the lease and loads the view, where that is not done yet.
func (in *Intake) begin(ctx context.Context) error {
	if in.lease == nil {
		l, err := in.cfg.Ledger.Acquire(ctx, "intake")
		if err != nil {
			return err
		}
		in.lease = l
	}
	if in.view == nil {
		v, err := in.load(ctx)
		if err != nil {
			return err
		}
		in.view = v
	}
	return nil
}

// catchUp finds out what a restart left open. When the history of the accepted
// head is gone, only an operator's word can go on from there.
func (in *Intake) catchUp(ctx context.Context) error {
	if !in.view.unsettled {
		return nil
	}
	err := in.resettle(ctx, in.view)
	if errors.Is(err, source.ErrNotOnHistory) || errors.Is(err, source.ErrUnknown) {
		in.cfg.Log.Error("which configuration is in force is not known", "error", err)
		return nil // nothing is decided on it: see takeIn
	}
	return err
}

// forget drops the view, so that the next pass starts from what the ledger says.
func (in *Intake) forget(err error) {
	in.view = nil
	if errors.Is(err, ledger.ErrLostLease) {
		in.lease = nil
		in.now.Store(nil) // somebody else knows better
	}
}

// takeIn walks from the accepted head to head and writes what that changes.
func (in *Intake) takeIn(ctx context.Context, head string) (Result, error) {
	confirmed, err := in.cfg.Ledger.Confirmed(ctx)
	if err != nil {
		return Result{}, err
	}
	next := in.view.clone()
	var b ledger.IntakeBatch
	res := Result{}
	switch err := in.walk(next, head, confirmed, &b); {
	case errors.Is(err, source.ErrNotOnHistory), errors.Is(err, source.ErrMalformed):
		if !confirmed[ledger.Confirmation{Reason: ledger.Rewritten, Commit: head, Head: in.view.head}] {
			return in.diverge(ctx, head, err)
		}
		if err := in.rebase(next, head, &b); err != nil {
			return res, err
		}
	case err != nil:
		return res, err
	case next.unsettled:
		return res, fmt.Errorf("which configuration is in force at %s is not known: the local copy does not have its history", next.head)
	}
	if err := in.files.failed(); err != nil {
		return res, err
	}
	passOver(in.view, next)
	if err := in.refuseReturned(ctx, next); err != nil {
		return res, err
	}
	if in.view.diverged != "" {
		none := ""
		next.diverged, b.Diverged = "", &none
	}
	if next.head == in.view.head && b.Diverged == nil && in.view.decided && maps.Equal(next.broken, in.view.broken) {
		return res, nil
	}
	changed, err := in.decide(ctx, next, b)
	res.Changed = changed
	return res, err
}

// diverge notes a head that does not descend from the accepted one, or to which no
// readable history leads. Nothing of it is granted, trusted or taken away until an operator confirms it.
func (in *Intake) diverge(ctx context.Context, head string, why error) (Result, error) {
	res := Result{Head: in.view.head, Diverged: head}
	if err := in.tellDiverged(); err != nil {
		return res, err
	}
	if in.view.diverged == head {
		return res, nil
	}
	in.cfg.Log.Error("the branch was rewritten, moved back or cannot be read: nothing new is granted until `reconciler confirm` names its head; expiries go on",
		"accepted", in.view.head, "head", head, "why", why)
	b := ledger.IntakeBatch{Diverged: &head, Events: []ledger.Event{in.event(ledger.EventDiverged, "", map[string]any{"accepted": in.view.head, "head": head})}}
	if err := in.cfg.Ledger.TakeIn(ctx, in.lease, b); err != nil {
		return res, err
	}
	in.view.diverged = head
	return res, nil
}
