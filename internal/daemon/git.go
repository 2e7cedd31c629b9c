package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/internal/revert"
)

// errNoForge is returned by what needs the forge before its client could be made,
// because a key cannot be read, for example. Jobs are tried again.
var errNoForge = errors.New("the client of the forge could not be made yet; the log says why")

// forgeSide is what speaks to the forge.
type forgeSide struct {
	client forge.Client
	tender *revert.Tender
}

// openGit builds what speaks to Git and the forge, as far as that has not been done
// yet. What fails is tried again with the next look at the branch: access that has to
// end needs none of it. Only one goroutine at a time may call it.
func (d *Daemon) openGit(ctx context.Context) error {
	if d.intake.Load() != nil {
		return nil
	}
	side := d.forge.Load()
	if side == nil {
		client, err := OpenForge(d.cfg, d.opts.Clock.Now)
		if err != nil {
			return err
		}
		side = &forgeSide{client: client, tender: &revert.Tender{
			Ledger: d.Ledger, Forge: client, Branch: d.cfg.Repository.Branch,
			Merge: d.cfg.Reverts.Merge == config.MergeAuto, ReviewAhead: d.cfg.Reverts.ReviewAhead,
			Now: d.opts.Clock.Now, Log: d.log,
		}}
		d.forge.Store(side)
	}
	repo, err := OpenSource(ctx, d.cfg, side.client)
	if err != nil {
		return err
	}
	in, err := intake.New(intake.Config{
		Source: repo, Forge: gatherer{side.client, repo, d.cfg.Repository.Branch, d.opts.Clock.Now}, Ledger: d.Ledger,
		Canonical: Canonical(d.opts.Registry), TrustFrom: d.cfg.Trust.From, TrustGroup: d.cfg.Trust.Group, TrustCount: d.cfg.Trust.Count,
		ApprovalsValid: d.cfg.Trust.ApprovalsValid,
		ForgeType:      d.cfg.Forge.Type, Host: side.client.Host(), Now: d.opts.Clock.Now, Log: d.log,
	})
	if err != nil {
		return errors.Join(err, repo.Close())
	}
	desk, err := d.openDesk(side.client)
	if err != nil {
		return errors.Join(err, repo.Close())
	}
	d.source = repo
	d.intake.Store(in)
	d.desk.Store(desk)
	d.WakePulls()
	return nil
}

// deactivated reports whether a person is known to be deactivated.
func (d *Daemon) deactivated(subject string) bool {
	in := d.intake.Load()
	return in != nil && in.Deactivated(subject)
}

// forgeTime is the forge's clock, for a second opinion on ours.
func (d *Daemon) forgeTime(ctx context.Context) (time.Time, error) {
	side := d.forge.Load()
	if side == nil {
		return time.Time{}, errNoForge
	}
	repo, err := side.client.Repository(ctx)
	return repo.Now, err
}

// openRevert opens the revert pull request of a group.
func (d *Daemon) openRevert(ctx context.Context, key string) error {
	side := d.forge.Load()
	if side == nil {
		return fmt.Errorf("revert pull request %s: %w", key, errNoForge)
	}
	return side.tender.Open(ctx, key)
}

// Tend looks after the open revert pull requests now; while the daemon runs, a
// schedule does.
func (d *Daemon) Tend(ctx context.Context) error {
	side := d.forge.Load()
	if side == nil {
		return fmt.Errorf("revert pull requests: %w", errNoForge)
	}
	return side.tender.Tend(ctx)
}

// Recertify asks, by pull requests, to renew or remove standing access that is about
// to end; while the daemon runs, a schedule does.
func (d *Daemon) Recertify(ctx context.Context) error {
	side := d.forge.Load()
	if side == nil {
		return fmt.Errorf("standing access: %w", errNoForge)
	}
	return side.tender.Recertify(ctx)
}
