package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

// phases notes when each step of the engine began and how long it took, so that a
// lag can be told apart into its parts.
type phases struct {
	mu   sync.Mutex
	list []phase
}

type phase struct {
	name string
	at   time.Time
	took time.Duration
}

func (p *phases) time(name string) func() {
	at := time.Now()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.list = append(p.list, phase{name, at, time.Since(at)})
	}
}

// since lists the first steps from a time on, one a line.
func (p *phases) since(t time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortStableFunc(p.list, func(a, b phase) int { return a.at.Compare(b.at) })
	var out strings.Builder
	lines := 0
	for _, s := range p.list {
		if lines == 16 {
			break
		}
		if s.at.Before(t.Add(-time.Millisecond)) || s.took < time.Millisecond {
			continue
		}
		lines++
		fmt.Fprintf(&out, "\n    %+6dms %-28s %4dms", s.at.Sub(t).Milliseconds(), s.name, s.took.Milliseconds())
	}
	return out.String()
}

// timedLedger is a ledger whose steps are noted.
type timedLedger struct {
	reconcile.Ledger
	p *phases
}

func (l timedLedger) Decisions(ctx context.Context) ([]grants.Decision, error) {
	defer l.p.time("read decisions")()
	return l.Ledger.Decisions(ctx)
}

func (l timedLedger) Holds(ctx context.Context, target string) ([]grants.Hold, error) {
	defer l.p.time("read holds")()
	return l.Ledger.Holds(ctx, target)
}

func (l timedLedger) Commit(ctx context.Context, lease *ledger.Lease, b ledger.Batch) error {
	name := "commit"
	if len(b.Events) > 0 {
		name += " " + b.Events[0].Kind
	}
	defer l.p.time(name)()
	return l.Ledger.Commit(ctx, lease, b)
}

func (l timedLedger) Finish(ctx context.Context, ids []string, at time.Time, key string, e []ledger.Event, j []ledger.Job) error {
	defer l.p.time("finish requests")()
	return l.Ledger.Finish(ctx, ids, at, key, e, j)
}

// timedTarget is a connector whose steps are noted.
type timedTarget struct {
	connectors.Connector
	p *phases
}

func (c timedTarget) Abilities() connectors.AbilitySet {
	a := connectors.Abilities(c.Connector)
	return connectors.AbilitySet{Batcher: c, SessionEnder: c, Checker: a.Checker, NativeExpirer: a.NativeExpirer}
}

func (c timedTarget) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	defer c.p.time("target: observe")()
	return c.Connector.Observe(ctx, scope)
}

func (c timedTarget) Apply(ctx context.Context, acts []connectors.Act) []error {
	defer c.p.time(fmt.Sprintf("target: apply %d", len(acts)))()
	b, _ := connectors.AsBatcher(c.Connector)
	return b.Apply(ctx, acts)
}

func (c timedTarget) EndSessions(ctx context.Context, lost []grants.Grant) error {
	defer c.p.time("target: end sessions")()
	s, _ := connectors.AsSessionEnder(c.Connector)
	return s.EndSessions(ctx, lost)
}
