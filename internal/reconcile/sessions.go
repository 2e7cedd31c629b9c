package reconcile

import (
	"context"
	"fmt"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// endSessions cuts live sessions of what was revoked. A failure counts as the
// failure of the revoke: the hold stays owned and both are tried again. Where a target
// falls into parts, it is that of the revokes on the same part only.
func (w *worker) endSessions(ctx context.Context, changes []grants.Change, out []result) {
	ender, ok := connectors.AsSessionEnder(w.conn)
	if !ok {
		return
	}
	of := map[string][]int{} // entitlement -> changes
	for i, c := range changes {
		if c.Op == grants.OpRevoke && out[i].err == nil && !out[i].untried {
			of[c.Item.Entitlement] = append(of[c.Item.Entitlement], i)
		}
	}
	if len(of) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, w.cfg.ActTimeout)
	defer cancel()
	free := make(chan struct{}, maxLooks)
	var wg sync.WaitGroup
	end := func(part []string) {
		var lost []grants.Grant
		var which []int
		for _, e := range part {
			for _, i := range of[e] {
				lost = append(lost, changes[i].Item.Grant)
			}
			which = append(which, of[e]...)
			delete(of, e)
		}
		if len(lost) == 0 {
			return
		}
		free <- struct{}{}
		wg.Go(func() {
			if err := ender.EndSessions(ctx, lost); err != nil {
				for _, i := range which { // no other part has these
					out[i].err = fmt.Errorf("access is revoked, but ending live sessions failed: %w", err)
				}
			}
			<-free
		})
	}
	if p, ok := connectors.AsPartitioner(w.conn); ok {
		for _, part := range p.Parts(sortedKeys(of)) {
			end(part)
		}
	}
	end(sortedKeys(of)) // what no part has
	wg.Wait()
}
