// Package holders is what connectors of code hosts share: things (teams, repositories,
// roles) that accounts hold at a level, which are read whole, as a list of holders, and
// changed one account at a time.
//
// It knows no host. It keeps the rules that all of them need: a thing is read once a
// batch, a revoke is read back, and what somebody holds at another level is not changed.
package holders

import (
	"context"
	"fmt"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// Held is one account's hold on a thing, as the host has it.
type Held interface {
	Account() string
	// Level is the level for people; Has reports whether the hold is the level's. It may
	// be of several where the host does not tell them apart.
	Level() string
	Has(level string) bool
	// Dead is a hold that gives nothing any more, but is still there.
	Dead() bool
}

// Thing is one thing during one call.
type Thing[H Held] interface {
	// Look returns all holders, or an error. What is certainly not there has none.
	Look(ctx context.Context) ([]H, error)
	// Grant gives an account that holds nothing of the thing a level of it; now is what
	// Look returned.
	Grant(ctx context.Context, account, level string, now []H) error
	// Revoke takes a hold away; it is no error when it is gone.
	Revoke(ctx context.Context, h H) error
}

// Revoked is what a revoke was about, and whether it was found to be held.
type Revoked struct {
	Account, Level string
	Found          bool
	Err            error // for a Cleaner to set: this one alone has failed
}

// Cleaner is a thing on which something may be left besides what is held, such as a
// failed invitation, or the access of an account under another name.
type Cleaner interface {
	Clean(ctx context.Context, revoked []Revoked) error
}

// Host is one target: K names a thing.
type Host[K comparable, H Held] struct {
	Target   string // of the grants
	Parallel int    // how many requests at once
	// Read divides an entitlement into thing and level, or refuses it.
	Read func(text string) (K, string, error)
	// Things starts a call: what is learnt about accounts may be kept until its end.
	Things func() func(K) Thing[H]
	// Allowed refuses what the settings do not allow to grant.
	Allowed func(thing K, level string) error
	// Explain makes an error of the host readable and takes secrets out.
	Explain func(ctx context.Context, err error) error
}

// Observe implements connectors.Connector.
func (t *Host[K, H]) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	levels := map[K]map[string]string{} // thing -> level -> canonical text
	var keys []K
	for _, text := range scope {
		k, level, err := t.Read(text)
		if err != nil {
			return nil, t.wrap(ctx, "observe", err)
		}
		if levels[k] == nil {
			levels[k] = map[string]string{}
			keys = append(keys, k)
		}
		levels[k][level] = text
	}
	thing := t.Things()
	found := make([][]H, len(keys))
	errs := make([]error, len(keys))
	t.each(len(keys), func(i int) { found[i], errs[i] = thing(keys[i]).Look(ctx) })
	var out []grants.Grant
	seen := map[grants.Grant]bool{}
	for i, k := range keys {
		if errs[i] != nil {
			return nil, t.wrap(ctx, fmt.Sprintf("observe %v", k), errs[i])
		}
		for _, h := range found[i] {
			for level, text := range levels[k] {
				g := grants.Grant{Target: t.Target, Account: h.Account(), Entitlement: text}
				if h.Has(level) && !h.Dead() && !seen[g] {
					seen[g] = true
					out = append(out, g)
				}
			}
		}
	}
	return out, nil
}

// Parts implements connectors.Partitioner: every thing is a part, so that one that
// cannot be read does not hide the others.
func (t *Host[K, H]) Parts(scope []string) [][]string {
	var out [][]string
	at := map[K]int{}
	for _, text := range scope {
		k, _, err := t.Read(text)
		if err != nil {
			out = append(out, []string{text})
			continue
		}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], text)
	}
	return out
}

// Check looks at every thing of the scope, and returns what is wrong with it.
func (t *Host[K, H]) Check(ctx context.Context, scope []string, look func(Thing[H]) error) []error {
	var errs []error
	thing := t.Things()
	for _, part := range t.Parts(scope) {
		var k K
		var err error
		for _, text := range part {
			var level string
			if k, level, err = t.Read(text); err == nil {
				err = t.Allowed(k, level)
			}
			if err != nil {
				errs = append(errs, t.wrap(ctx, "check", err))
			}
		}
		if err == nil {
			if err := look(thing(k)); err != nil {
				errs = append(errs, t.wrap(ctx, fmt.Sprintf("check %v", k), err))
			}
		}
	}
	return errs
}

func (t *Host[K, H]) wrap(ctx context.Context, what string, err error) error {
	return fmt.Errorf("%s: %s: %w", t.Target, what, t.Explain(ctx, err))
}

// each calls f for 0 to n-1, a few at once.
func (t *Host[K, H]) each(n int, f func(int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, t.Parallel)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

var _ connectors.Batcher = (*Host[string, Held])(nil)
