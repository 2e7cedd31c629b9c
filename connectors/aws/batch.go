package aws

import (
	"context"
	"fmt"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// parallel is how many calls of a batch are under way at once. Identity Center takes ten
// changes of assignments at a time.
const parallel = 8

// each does the last act on every grant, a few at once; an act on a grant that a later
// one is about has the later one's error. Errors name target, verb, entitlement and
// account.
func each(ctx context.Context, target string, acts []connectors.Act, do func(context.Context, connectors.Act) error) []error {
	last := map[grants.Grant]int{}
	for i, a := range acts {
		last[a.Grant] = i
	}
	which := make([]int, 0, len(last))
	for _, i := range last {
		which = append(which, i)
	}
	errs := make([]error, len(acts))
	spread(len(which), func(n int) {
		i := which[n]
		a := acts[i]
		err := ctx.Err()
		if err == nil {
			err = do(ctx, a)
		}
		if err != nil {
			verb, to := "grant", "to"
			if a.Revoke {
				verb, to = "revoke", "from"
			}
			errs[i] = fmt.Errorf("%s: %s %s %s %+.80q: %w", target, verb, a.Grant.Entitlement, to, a.Grant.Account, explain(err))
		}
	})
	for i, a := range acts {
		errs[i] = errs[last[a.Grant]]
	}
	return errs
}

// spread calls do with 0 to n-1, a few at once, and returns when all are done.
func spread(n int, do func(int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	wg.Wait()
}

// gather is spread for work that fails as a whole with the first of its errors.
func gather(ctx context.Context, n int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	spread(n, func(i int) {
		if ctx.Err() != nil {
			return
		}
		if err := do(ctx, i); err != nil {
			cancel(err)
		}
	})
	return context.Cause(ctx)
}

// once remembers what a batch has looked up.
type once[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]func() (V, error)
}

func (o *once[K, V]) get(k K, look func() (V, error)) (V, error) {
	o.mu.Lock()
	f, ok := o.known[k]
	if !ok {
		f = sync.OnceValues(look)
		if o.known == nil {
			o.known = map[K]func() (V, error){}
		}
		o.known[k] = f
	}
	o.mu.Unlock()
	return f()
}
