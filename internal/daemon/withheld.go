package daemon

import (
	"context"
	"time"
)

// reviewedTimeout bounds the look at one withheld commit.
const reviewedTimeout = time.Minute

// confirmReviewed lets through what the guard withholds when the commit that takes
// it away came by an approved pull request: it is meant. The guard is there for
// what nobody looked at. A commit without an approval waits for an operator.
func (d *Daemon) confirmReviewed(ctx context.Context) (done bool) {
	for _, commit := range d.Engine.Withheld() {
		if !d.unreviewed[commit] {
			done = d.confirmCommit(ctx, commit) || done
		}
	}
	return done
}

func (d *Daemon) confirmCommit(ctx context.Context, commit string) (done bool) {
	in := d.intake.Load()
	if in == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, reviewedTimeout)
	defer cancel()
	ok, by, err := in.Reviewed(ctx, commit)
	switch {
	case err != nil:
		d.log.Warn("whether a withheld commit was reviewed cannot be told yet", "commit", commit, "error", err)
		return false
	case !ok:
		d.unreviewed[commit] = true
		return false
	}
	if err := d.Ledger.ConfirmRemovals(ctx, commit, by); err != nil {
		d.log.Error("a reviewed commit could not be confirmed; trying again", "commit", commit, "error", err)
		return false
	}
	d.log.Info("removals go ahead: they were reviewed", "commit", commit, "by", by)
	d.Engine.Wake()
	return true
}
