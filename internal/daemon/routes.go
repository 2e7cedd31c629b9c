package daemon

import (
	"context"
	"net/http"
	"time"

	"github.com/tenure-dev/tenure/internal/web"
)

// staleAfter is how old the last look at the branch may be before the daemon
// calls itself not ready, beyond twice the poll interval.
const staleAfter = time.Minute

func (d *Daemon) routes() http.Handler {
	now := d.opts.Clock.Now()
	interval := d.cfg.Poll.Next(now).Sub(now)
	var hook *web.Webhook
	if s := d.cfg.Webhook.Secret; !s.IsZero() {
		hook = &web.Webhook{Forge: d.cfg.Forge.Type, Secret: s.Reveal(), Branch: d.Wake, Pulls: d.WakePulls}
	}
	return web.Routes{
		Metrics: d.Metrics,
		Webhook: hook,
		Health: &web.Health{
			Ledger: d.Ledger.Ping,
			LastPoll: func() time.Time {
				if n := d.lastPoll.Load(); n != 0 {
					return time.Unix(0, n).UTC()
				}
				return time.Time{}
			},
			PollWithin: 2*interval + staleAfter,
			Overdue:    d.overdue,
			Now:        d.opts.Clock.Now,
			Log:        d.log,
		},
	}.Handler()
}

// overdue counts what should be gone and is not known to be.
func (d *Daemon) overdue(ctx context.Context) (int, error) {
	holds, err := d.Ledger.Holds(ctx, "")
	if err != nil {
		return 0, err
	}
	n := 0
	for _, h := range holds {
		if h.Overdue(d.opts.Clock.Now()) {
			n++
		}
	}
	return n, nil
}
