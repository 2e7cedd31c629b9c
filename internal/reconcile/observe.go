package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// errMakeWay is the cause when a look at the target is cut short by an end.
var errMakeWay = errors.New("something has to end now")

// view is what a look at the target has shown. Of the entitlements in unseen it has
// shown nothing: their part of the target could not be reached.
type view struct {
	found  []grants.Grant
	unseen map[string]bool
	blind  bool // nothing at all was seen
}

// Plan is grants.Plan of what can be compared with found: all but the entitlements in
// unseen, of which a look at the target said nothing.
func Plan(claims []grants.Claim, found []grants.Grant, holds []grants.Hold, unseen map[string]bool) []grants.Change {
	if len(unseen) > 0 {
		claims = slices.DeleteFunc(slices.Clone(claims), func(c grants.Claim) bool { return unseen[c.Entitlement] })
		holds = slices.DeleteFunc(slices.Clone(holds), func(h grants.Hold) bool { return unseen[h.Entitlement] })
	}
	return grants.Plan(claims, found, holds)
}

// hidden returns the grants of an earlier report that this look says nothing about.
func (v view) hidden(before []grants.Grant) []grants.Grant {
	var out []grants.Grant
	for _, g := range before {
		if v.unseen[g.Entitlement] {
			out = append(out, g)
		}
	}
	return out
}

// observe lists who holds what, in everything that is claimed, held or named by
// a role. A slow look makes way for the next end, but not twice in a row. An error
// beside a view is of the parts of the target that the view does not show.
func (w *worker) observe(ctx context.Context, s *state) (view, error) {
	named, err := w.cfg.Ledger.Scope(ctx, w.target)
	if err != nil {
		return view{blind: true}, fmt.Errorf("read scope: %w", err)
	}
	set := make(map[string]bool, len(named))
	for _, e := range named {
		set[e] = true
	}
	for _, c := range s.claims {
		set[c.Entitlement] = true
	}
	for g := range s.holds {
		set[g.Entitlement] = true
	}
	if len(set) == 0 {
		return view{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.cfg.ObserveTimeout)
	defer cancel()
	if end := s.nextEnd(); !end.IsZero() && !w.cut && !s.doubted {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, end.Sub(w.now()), errMakeWay)
		defer stop()
	}
	w.cut = false
	v, err := w.look(ctx, sortedKeys(set))
	if err != nil && errors.Is(context.Cause(ctx), errMakeWay) {
		return view{blind: true}, errMakeWay
	}
	if err != nil {
		w.cfg.Metrics.Failed(w.target, "observe")
		err = fmt.Errorf("observe: %w", err)
	}
	return v, err
}

// maxLooks is how many parts of a target are observed at the same time.
const maxLooks = 64

func (w *worker) look(ctx context.Context, scope []string) (view, error) {
	found, unseen, err := Look(ctx, w.conn, scope)
	return view{found: found, unseen: unseen, blind: len(unseen) == len(scope)}, err
}

// Look observes a scope, each part of the target by itself if it falls into parts. An
// error is of the parts that could not be seen; unseen are the entitlements in them, of
// which what was found says nothing.
func Look(ctx context.Context, c connectors.Connector, scope []string) (found []grants.Grant, unseen map[string]bool, err error) {
	parts := [][]string{scope}
	if p, ok := connectors.AsPartitioner(c); ok {
		parts = p.Parts(scope)
	}
	seen := make([][]grants.Grant, len(parts))
	errs := make([]error, len(parts))
	free := make(chan struct{}, maxLooks)
	var wg sync.WaitGroup
	for i, part := range parts {
		free <- struct{}{}
		wg.Go(func() {
			seen[i], errs[i] = c.Observe(ctx, part)
			<-free
		})
	}
	wg.Wait()
	unseen = make(map[string]bool, len(scope))
	for _, e := range scope {
		unseen[e] = true // until its part has been seen
	}
	var failed *multierror.Error
	for i, part := range parts {
		if errs[i] != nil {
			failed = multierror.Append(failed, errs[i])
			continue
		}
		found = append(found, seen[i]...)
		for _, e := range part {
			delete(unseen, e)
		}
	}
	if failed == nil && len(unseen) > 0 {
		failed = multierror.Append(failed, errors.New("the connector left entitlements out of the parts of its target"))
	}
	return found, unseen, failed.ErrorOrNil()
}

// nextEnd returns when the first of what is held has to end; zero: nothing is.
func (s *state) nextEnd() (end time.Time) {
	for _, c := range s.claims {
		if h, held := s.holds[c.Grant]; held && !h.PreExisting {
			end = earlier(end, c.Until)
		}
	}
	return end
}
