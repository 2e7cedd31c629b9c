package ssh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// perRequest is how many acts one request to a host holds. Each takes some milliseconds
// there, and all of them must fit into the time-out.
const perRequest = 250

// todo is one change on a host, which all acts on the same grant share.
type todo struct {
	entitlement
	account string
	revoke  bool
	until   time.Time
	acts    []int
}

// Apply works on hosts at the same time. Acts on a host that is out of reach have an
// error each; the others go on.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	work := map[*host][]todo{}
	same := map[grants.Grant][]int{} // the last of them decides
	for i, a := range acts {
		same[a.Grant] = append(same[a.Grant], i)
	}
	var keys map[string][]ssh.PublicKey
	var noKeys error
	if c.keys != nil && slices.ContainsFunc(acts, func(a connectors.Act) bool { return !a.Revoke }) {
		keys, noKeys = c.keys.read()
	}
	for i, a := range acts {
		all := same[a.Grant]
		if all[len(all)-1] != i {
			continue
		}
		t, h, err := c.plan(a, keys, noKeys)
		if err != nil {
			for _, j := range all {
				errs[j] = err
			}
		}
		if err == nil && h != nil {
			t.acts = all
			work[h] = append(work[h], t)
		}
	}
	_ = each(work, func(h *host, list []todo) error {
		slices.SortStableFunc(list, func(a, b todo) int { return strings.Compare(a.String(), b.String()) })
		for part := range slices.Chunk(list, perRequest) {
			for i, err := range c.change(ctx, h, part, keys) {
				for _, j := range part[i].acts {
					errs[j] = err
				}
			}
		}
		return nil
	})
	for i, err := range errs {
		if err != nil {
			verb, to := "grant", "to"
			if acts[i].Revoke {
				verb, to = "revoke", "from"
			}
			g := acts[i].Grant
			errs[i] = fmt.Errorf("%s: %s %.200s %s %+.80q: %w", c.target, verb, g.Entitlement, to, g.Account, err)
		}
	}
	return errs
}

// plan checks an act without the host. A host of nil means that there is nothing to do.
func (c *connector) plan(a connectors.Act, keys map[string][]ssh.PublicKey, noKeys error) (t todo, h *host, err error) {
	e, err := readText(a.Grant.Entitlement)
	if err != nil {
		return t, nil, err
	}
	t = todo{entitlement: e, account: a.Grant.Account, revoke: a.Revoke, until: a.Until}
	if err := checkUser(t.account); err != nil {
		return t, nil, fmt.Errorf("account: %w", err)
	}
	if t.account == c.user || t.account == "root" {
		return t, nil, fmt.Errorf("account %q is not one that is given or loses anything here", t.account)
	}
	h, err = c.find(e.host)
	if err != nil || a.Revoke {
		return t, h, err
	}
	if h == nil {
		return t, nil, fmt.Errorf("host %q is retired", e.host)
	}
	if err := c.allowed(e); err != nil {
		return t, nil, err
	}
	if e.kind == login {
		if noKeys != nil {
			return t, nil, noKeys
		}
		if len(keys[t.account]) == 0 {
			return t, nil, fmt.Errorf("%q has no public key in the target's settings: %w", t.account, connectors.ErrNoAccount)
		}
	}
	return t, h, nil
}

// change makes one request of a host's changes and returns an error for each.
func (c *connector) change(ctx context.Context, h *host, list []todo, keys map[string][]ssh.PublicKey) []error {
	errs := make([]error, len(list))
	lines := make([]int, len(list))
	r := &request{}
	var open entitlement
	for i, t := range list {
		if t.entitlement != open {
			open = t.entitlement
			words := []string{"change", t.kind, t.name}
			if rule := c.rules[t.name]; t.kind == sudo && rule != "" {
				words = append(words, rule)
			}
			r.add(words...)
		}
		switch {
		case t.revoke:
			lines[i] = r.add("-", t.account)
		case t.kind == login:
			lines[i] = r.add("+", t.account, stamp(t.until), wire(keys[t.account]))
		default:
			lines[i] = r.add("+", t.account, stamp(t.until))
		}
	}
	a, err := c.run(ctx, h, r)
	for i, t := range list {
		if errs[i] = err; err != nil {
			continue
		}
		if err := a.line(lines[i]).err(); err != nil {
			errs[i] = fmt.Errorf("%s: %w", h.name, err)
		}
		if t.revoke && errors.Is(errs[i], connectors.ErrNoAccount) {
			errs[i] = nil
		}
	}
	return errs
}

// stamp is a time for the host, in whole seconds and never before the time itself.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Add(time.Second - 1).UTC().Format("20060102150405Z")
}
