package daemon

import (
	"context"
	"net"
	"time"

	"github.com/tenure-dev/tenure/internal/web"
)

// serve answers on the configured address until ctx ends. An address that is taken
// is tried again: nothing that has to end waits for a page.
func (d *Daemon) serve(ctx context.Context) error {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", d.cfg.Listen)
		if err == nil {
			d.log.Info("listening", "address", ln.Addr().String())
			wait = time.Second
			if err = web.Serve(ctx, ln, d.routes(), d.log); ctx.Err() != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		d.log.Error("metrics, health and webhook cannot be served; trying again, and access is reconciled all the same", "error", err, "pause", wait)
		d.opts.Clock.Sleep(ctx, d.opts.Clock.Now().Add(wait), nil)
	}
}
