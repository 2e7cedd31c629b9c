package plugin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// Transport carries one request to the plug-in and brings its answer, of at most
// [MaxAnswer] bytes. It is safe for concurrent use and gives up with its context.
type Transport interface {
	Send(ctx context.Context, request []byte) (answer []byte, err error)
	Close() error
}

// ErrTransient is wrapped by errors of a Transport after which the same call may be
// made again at once, under another id.
var ErrTransient = errors.New("the plug-in could not be reached")

// Options is what a connector to a plug-in needs.
type Options struct {
	Target    string
	Transport Transport
	Abilities []string // beyond the minimum, see [Abilities]
	Secrets   []string // values that no error may show
	// Pauses are made before each further try of a call that failed with
	// [ErrTransient]; none: one try.
	Pauses []time.Duration
}

// The abilities that settings name. They are not asked of the plug-in, because what a
// target can do must be known while it is down; Check compares.
const (
	AbilitySessions = "sessions" // it ends live sessions
	AbilityExpiry   = "expiry"   // its system ends access at until by itself
	abilityCheck    = "check"    // only hello names it
)

// New makes the connector. It asks the plug-in nothing yet.
func New(o Options) (connectors.Connector, error) {
	for _, a := range o.Abilities {
		if a != AbilitySessions && a != AbilityExpiry {
			return nil, fmt.Errorf("setting abilities may name %s and %s only", AbilitySessions, AbilityExpiry)
		}
	}
	r, err := newReader()
	if err != nil {
		return nil, err
	}
	return &connector{o: o, read: r, clean: NewCleaner(o.Secrets...)}, nil
}

type connector struct {
	o     Options
	read  reader
	clean *Cleaner
}

func (c *connector) Close() error { return c.o.Transport.Close() }

// Abilities returns those that the settings name.
func (c *connector) Abilities() connectors.AbilitySet {
	s := connectors.AbilitySet{Batcher: c, Checker: c}
	if slices.Contains(c.o.Abilities, AbilitySessions) {
		s.SessionEnder = c
	}
	if slices.Contains(c.o.Abilities, AbilityExpiry) {
		s.NativeExpirer = c
	}
	return s
}

// NativeExpiry tells people how access ends without the reconciler.
func (c *connector) NativeExpiry() string { return "the plug-in's system ends access by itself" }

// call makes one call, and again while the plug-in cannot be reached.
func (c *connector) call(ctx context.Context, r request) (answer, error) {
	r.Protocol, r.Target = Protocol, c.o.Target
	for try := 0; ; try++ {
		a, err := c.once(ctx, r)
		if !errors.Is(err, ErrTransient) || try >= len(c.o.Pauses) {
			if err != nil {
				return answer{}, fmt.Errorf("%s: plug-in: %s: %w", c.o.Target, r.Call, err)
			}
			return a, nil
		}
		pause := time.NewTimer(c.o.Pauses[try])
		select {
		case <-ctx.Done():
			pause.Stop()
			return answer{}, fmt.Errorf("%s: plug-in: %s: %w", c.o.Target, r.Call, errors.Join(ctx.Err(), err))
		case <-pause.C:
		}
	}
}

func (c *connector) once(ctx context.Context, r request) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	r.ID = rand.Text()
	text, err := json.Marshal(r)
	if err != nil {
		return answer{}, err
	}
	text, err = c.o.Transport.Send(ctx, text)
	if err != nil {
		return answer{}, err
	}
	a, err := c.read.read(text, r.Call, r.ID)
	if err != nil {
		return answer{}, errors.New(c.clean.Clean(err.Error())) // may quote the answer
	}
	if a.Error != nil {
		return answer{}, c.failed(a.Error)
	}
	return a, nil
}

// failed is a failure in the plug-in's own words.
func (c *connector) failed(f *failure) error {
	text := c.clean.Clean(f.Message)
	if f.Code == codeNoAccount {
		return fmt.Errorf("%w: %s", connectors.ErrNoAccount, text)
	}
	return errors.New(text)
}

// Observe returns what the plug-in says is complete, and refuses all of it when any
// of it was not asked for.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	asked, err := decodeAll(scope)
	if err != nil {
		return nil, fmt.Errorf("%s: plug-in: observe: %w", c.o.Target, err)
	}
	if len(scope) == 0 {
		return nil, ctx.Err()
	}
	a, err := c.call(ctx, request{Call: callObserve, Scope: asked})
	if err != nil {
		return nil, err
	}
	inScope := make(map[string]bool, len(scope))
	for _, e := range scope {
		inScope[e] = true
	}
	seen := make(map[grants.Grant]bool, len(a.Grants))
	out := make([]grants.Grant, 0, len(a.Grants))
	for _, h := range a.Grants {
		g := grants.Grant{Target: c.o.Target, Account: h.Account, Entitlement: h.Entitlement.canonical()}
		switch _, err := toHolding(g); {
		case err != nil:
			return nil, fmt.Errorf("%s: plug-in: observe: the answer has a name that is not exact", c.o.Target)
		case !inScope[g.Entitlement]:
			return nil, fmt.Errorf("%s: plug-in: observe: the answer has an entitlement that was not asked for", c.o.Target)
		case seen[g]:
			return nil, fmt.Errorf("%s: plug-in: observe: the answer has the same grant twice", c.o.Target)
		}
		seen[g] = true
		out = append(out, g)
	}
	return out, nil
}

// Grant is a batch of one, so that there is one way for changes.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke is a batch of one.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// EndSessions asks the plug-in to end what the accounts no longer may use.
func (c *connector) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if len(lost) == 0 {
		return ctx.Err()
	}
	var all []holding
	var errs []error
	for _, g := range lost {
		h, err := toHolding(g)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", g, err)) // the others' sessions end
			continue
		}
		all = append(all, h)
	}
	if len(all) > 0 {
		_, err := c.call(ctx, request{Call: callEndSessions, Lost: all})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Check asks the plug-in who it is and whether it can do what the settings say and
// what its system needs.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	asked, err := decodeAll(scope)
	if err != nil {
		return []error{fmt.Errorf("%s: plug-in: check: %w", c.o.Target, err)}
	}
	hello, err := c.call(ctx, request{Call: callHello})
	if err != nil {
		return []error{err}
	}
	var errs []error
	who := c.clean.Clean(hello.Name + " " + hello.Version)
	for _, a := range []string{AbilitySessions, AbilityExpiry} {
		switch named, has := slices.Contains(c.o.Abilities, a), slices.Contains(hello.Able, a); {
		case named && !has:
			errs = append(errs, fmt.Errorf("%s: plug-in %s does not have the ability %s; take it out of setting abilities", c.o.Target, who, a))
		case has && !named:
			errs = append(errs, fmt.Errorf("%s: plug-in %s has the ability %s, which is not used; add it to setting abilities", c.o.Target, who, a))
		}
	}
	if !slices.Contains(hello.Able, abilityCheck) {
		return errs
	}
	a, err := c.call(ctx, request{Call: callCheck, Scope: asked})
	if err != nil {
		return append(errs, err)
	}
	for _, p := range a.Problems {
		errs = append(errs, fmt.Errorf("%s: plug-in %s: %s", c.o.Target, who, c.clean.Clean(p)))
	}
	return errs
}
