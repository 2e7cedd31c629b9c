// Package pulls looks at the pull requests that are still open. It tells on each,
// by a commit status and one comment, what it would grant and what is missing; and
// it runs break-glass: access that begins with the pull request itself.
//
// It is the third loop, beside the intake and the workers. It reads what is in
// force from the intake, writes the decisions of emergencies to the ledger, and
// never touches a target. An emergency's end needs none of it: its window is in
// the ledger.
package pulls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
)

// Forge is what is asked of the forge, and said on it.
type Forge interface {
	forge.Reader
	forge.Desk
}

// Ledger is what is needed of the ledger. *ledger.Ledger is one.
type Ledger interface {
	Acquire(ctx context.Context, name string) (*ledger.Lease, error)
	TakeIn(ctx context.Context, l *ledger.Lease, b ledger.IntakeBatch) error
	Emergencies(ctx context.Context) ([]ledger.Request, error)
	RequestByPath(ctx context.Context, path string) ([]ledger.Request, error)
	// PinRepository stores the forge's id of the repository, once.
	PinRepository(ctx context.Context, id int64) error
}

// Config is what a Desk needs.
type Config struct {
	Forge          Forge
	Ledger         Ledger
	Present        func() (intake.Present, bool) // what is in force; false: not known yet
	Branch         string                        // that is watched
	Host           string                        // of the forge
	ForgeType      string                        // key of a person's identities
	TrustGroup     string
	TrustCount     int
	ApprovalsValid time.Duration
	Canonical      policy.Canonical
	Quiet          bool // no status and no comment; break-glass all the same
	Now            func() time.Time
	Log            *slog.Logger
}

// Result says what one pass did.
type Result struct {
	Changed bool      // decisions were written: targets have something to do
	RetryAt time.Time // when it wants to be called again; zero: with the next look
	Running int       // uses of break-glass whose window is open
	Due     int       // uses that wait for their review
	Late    int       // of these, past their deadline
}

// Desk is the one that looks at open pull requests. It is not safe for concurrent
// use.
type Desk struct {
	cfg   Config
	lease *ledger.Lease
	seen  map[int]glance // what was looked at already, by pull request
	told  map[int]string // what was said of a use on a pull request that is no longer open
}

// New returns a desk that has looked at nothing yet.
func New(cfg Config) (*Desk, error) {
	if cfg.Forge == nil || cfg.Ledger == nil || cfg.Present == nil || cfg.Canonical == nil || cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("pulls: forge, ledger, what is in force, canonical forms, clock and log are needed")
	}
	return &Desk{cfg: cfg, seen: map[int]glance{}, told: map[int]string{}}, nil
}

// Close gives the lease back.
func (d *Desk) Close(ctx context.Context) error {
	if d.lease == nil {
		return nil
	}
	l := d.lease
	d.lease = nil
	return l.Release(ctx)
}

// Budget bounds what one pass spends on the forge.
const Budget = time.Minute

// calls is how many pull requests are looked at at the same time.
const calls = 6

// Pass looks at what changed. Running emergencies are narrowed first, which needs
// no forge; new emergencies come before anything is said anywhere.
func (d *Desk) Pass(ctx context.Context) (Result, error) {
	var res Result
	now, ok := d.cfg.Present()
	if !ok {
		// The branch was never read, or another replica reads it now. Only who reads it
		// can look at pull requests, so nobody is kept from it.
		return res, d.Close(ctx)
	}
	if d.lease == nil {
		l, err := d.cfg.Ledger.Acquire(ctx, "pulls")
		if err != nil {
			return res, err
		}
		d.lease = l
	}
	p := &pass{Desk: d, present: now, res: &res, had: map[int]bool{}, shut: map[int]bool{}}
	err := p.run(ctx)
	if errors.Is(err, ledger.ErrLostLease) {
		d.lease = nil
	}
	return res, err
}

// pass is one look at everything.
type pass struct {
	*Desk
	present intake.Present
	res     *Result
	uses    []*use       // every use of break-glass that is running or not reviewed
	had     map[int]bool // the pull requests that ever had one, also if it is over
	shut    map[int]bool // whose pull request is no longer open

	mu   sync.Mutex // guards uses and res while several pull requests are looked at
	repo forge.Repository
	open []forge.PullRequest
}

func (p *pass) run(ctx context.Context) error {
	if err := p.load(ctx); err != nil {
		return err
	}
	var errs *multierror.Error
	errs = multierror.Append(errs, p.narrow(ctx))
	budget, cancel := context.WithTimeout(ctx, Budget)
	defer cancel()
	if err := p.list(budget); err != nil {
		errs = multierror.Append(errs, err)
		p.count()
		return errs.ErrorOrNil()
	}
	errs = multierror.Append(errs, p.follow(budget))
	looked, err := p.look(budget)
	errs = multierror.Append(errs, err)
	errs = multierror.Append(errs, p.remind(ctx))
	p.count()
	if p.cfg.Quiet {
		for _, s := range looked {
			p.saw(s)
		}
	} else {
		errs = multierror.Append(errs, p.speak(budget, looked), p.conclude(budget))
	}
	return errs.ErrorOrNil()
}

// list reads the open pull requests.
func (p *pass) list(ctx context.Context) (err error) {
	if p.repo, err = p.cfg.Forge.Repository(ctx); err != nil {
		return err
	}
	if p.present.Repo == 0 { // the intake had nothing to ask the forge yet
		if err := p.cfg.Ledger.PinRepository(ctx, p.repo.ID); err != nil {
			return err
		}
		p.present.Repo = p.repo.ID
	}
	if p.repo.ID != p.present.Repo {
		return fmt.Errorf("open pull requests: the forge's repository %s has id %d, the one that is followed has %d", p.repo.Name, p.repo.ID, p.present.Repo)
	}
	if p.open, err = p.cfg.Forge.OpenPulls(ctx); err != nil {
		return err
	}
	still := map[int]bool{}
	for _, pull := range p.open {
		still[pull.Number] = true
	}
	for n := range p.seen {
		if !still[n] {
			delete(p.seen, n)
		}
	}
	return nil
}

// look reads the pull requests that changed since they were last looked at, and
// grants those that are emergencies.
func (p *pass) look(ctx context.Context) ([]*subject, error) {
	var due []*subject
	for _, pull := range p.open {
		s := &subject{pull: pull}
		if old, ok := p.seen[pull.Number]; ok && !p.stale(old, pull) {
			continue
		}
		due = append(due, s)
	}
	p.inOrder(due)
	more := len(due) > batch
	due = due[:min(len(due), batch)]
	errs := each(due, func(s *subject) error {
		if err := p.read(ctx, s); err != nil {
			return fmt.Errorf("pull request %d: %w", s.pull.Number, err)
		}
		err := p.emergency(ctx, s)
		s.unsettled = s.unsettled || err != nil
		return err
	})
	if more && errs == nil { // otherwise the caller backs off
		p.again(time.Second)
	}
	return slices.DeleteFunc(due, func(s *subject) bool { return s.files == nil }), errs
}

// each calls f for all, a few at a time, and collects what went wrong.
func each(all []*subject, f func(*subject) error) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs *multierror.Error
	slots := make(chan struct{}, calls)
	for _, s := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f(s); err != nil {
				mu.Lock()
				errs = multierror.Append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errs.ErrorOrNil()
}
