package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/pulls"
)

// openDesk makes the one that looks at open pull requests.
func (d *Daemon) openDesk(client forge.Client) (*pulls.Desk, error) {
	return pulls.New(pulls.Config{
		Forge: client, Ledger: d.Ledger, Present: d.present,
		Branch: d.cfg.Repository.Branch, Host: client.Host(), ForgeType: d.cfg.Forge.Type,
		TrustGroup: d.cfg.Trust.Group, TrustCount: d.cfg.Trust.Count, ApprovalsValid: d.cfg.Trust.ApprovalsValid,
		Canonical: Canonical(d.opts.Registry), Quiet: !d.cfg.Forge.Report,
		Now: d.opts.Clock.Now, Log: d.log,
	})
}

// present is what is in force on the branch.
func (d *Daemon) present() (intake.Present, bool) {
	in := d.intake.Load()
	if in == nil {
		return intake.Present{}, false
	}
	return in.Present()
}

// WakePulls makes the open pull requests be looked at now.
func (d *Daemon) WakePulls() {
	select {
	case d.wakePulls <- struct{}{}:
	default:
	}
}

// followPulls looks at open pull requests until ctx ends: by poll, by webhook, and
// whenever the branch moved. It has a loop of its own, so that a forge that is slow
// with comments delays nothing on the branch.
func (d *Daemon) followPulls(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		res, err := d.lookAtPulls(ctx)
		now := d.opts.Clock.Now()
		next := d.cfg.Poll.Next(now)
		switch {
		case errors.Is(err, ledger.ErrLeased):
			failures = 0 // another replica does
		case err != nil && ctx.Err() == nil:
			failures++
			d.log.Error("looking at open pull requests failed; access that has to end still ends", "error", err)
			if retry := now.Add(min(time.Second<<min(failures, 6), time.Minute)); retry.After(next) {
				next = retry
			}
		default:
			failures = 0
		}
		if !res.RetryAt.IsZero() && res.RetryAt.Before(next) {
			next = res.RetryAt
		}
		d.opts.Clock.Sleep(ctx, next, d.wakePulls)
	}
	if desk := d.desk.Load(); desk != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := desk.Close(stop); err != nil {
			d.log.Warn("giving the lease on pull requests back failed", "error", err)
		}
	}
}

// lookAtPulls makes one pass over the open pull requests.
func (d *Daemon) lookAtPulls(ctx context.Context) (pulls.Result, error) {
	desk := d.desk.Load()
	if desk == nil {
		return pulls.Result{}, nil // Git and the forge could not be opened yet; the other loop says so
	}
	res, err := desk.Pass(ctx)
	if !errors.Is(err, ledger.ErrLeased) {
		d.Metrics.Emergencies(res.Running, res.Due, res.Late)
	}
	if res.Changed {
		d.Engine.Wake()
	}
	return res, err
}
