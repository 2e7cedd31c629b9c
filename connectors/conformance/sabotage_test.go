package conformance

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// broken is a connector with one mistake that others have paid for.
type broken struct {
	*memory
	mistake string
}

func (b *broken) Canonical(s connectors.Spec) (string, error) {
	if b.mistake == "unknown keys are ignored" {
		s = connectors.Spec{"group": s["group"]}
	}
	return b.memory.Canonical(s)
}

func (b *broken) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	switch b.mistake {
	case "a read error is an empty list":
		ctx = context.WithoutCancel(ctx)
	case "scope is ignored":
		b.mu.Lock()
		for g := range b.held {
			scope = append(scope, g.Entitlement)
		}
		b.mu.Unlock()
	}
	found, err := b.memory.Observe(ctx, scope)
	if b.mistake == "only the first record" && len(found) > 1 {
		found = found[:1]
	}
	return found, err
}

func (b *broken) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	switch b.mistake {
	case "names are cut":
		if len(g.Account) > 63 {
			g.Account = g.Account[:63]
		}
	case "names are folded":
		g.Account = strings.ToLower(g.Account)
	case "grant twice fails":
		if b.has(g) {
			return errors.New("it is there")
		}
	}
	return b.memory.Grant(ctx, g, until)
}

func (b *broken) Revoke(ctx context.Context, g grants.Grant) error {
	switch b.mistake {
	case "revoke takes the whole group":
		b.mu.Lock()
		for h := range b.held {
			if h.Entitlement == g.Entitlement {
				delete(b.held, h)
			}
		}
		b.mu.Unlock()
	case "revoke does nothing":
		return ctx.Err()
	case "revoke twice fails":
		if !b.has(g) {
			return errors.New("it is not there")
		}
	}
	return b.memory.Revoke(ctx, g)
}

func (b *broken) has(g grants.Grant) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held[g]
}

// batching is broken in its batch path.
type batching struct{ *broken }

func (b *batching) Apply(ctx context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	for i, a := range acts {
		switch {
		case a.Revoke && b.mistake == "a batched revoke grants":
			errs[i] = b.Grant(ctx, a.Grant, a.Until)
		case a.Revoke:
			errs[i] = b.Revoke(ctx, a.Grant)
		default:
			errs[i] = b.Grant(ctx, a.Grant, a.Until)
		}
		if errs[i] != nil && b.mistake == "the first error stops the batch" {
			break
		}
		if b.mistake == "errors are collected and dropped" {
			errs[i] = nil
		}
	}
	return errs
}

// parting is broken in how it divides its target.
type parting struct{ *broken }

func (p parting) Parts(scope []string) (out [][]string) {
	for _, e := range scope {
		if p.mistake == "a part is forgotten" && e == "group=b" {
			continue
		}
		out = append(out, []string{e})
	}
	if p.mistake == "what cannot be read hides a part" {
		return [][]string{scope}
	}
	return out
}

// mistakes, and the case that must find each.
var mistakes = map[string]Case{
	"unknown keys are ignored":         CaseCanonical,
	"a read error is an empty list":    CaseCancelled,
	"scope is ignored":                 CaseScope,
	"only the first record":            CaseGrant,
	"names are cut":                    CaseHostileAcc,
	"names are folded":                 CaseHostileAcc,
	"grant twice fails":                CaseGrantTwice,
	"revoke takes the whole group":     CaseForeign,
	"revoke does nothing":              CaseGrant,
	"revoke twice fails":               CaseRevokeTwice,
	"a batched revoke grants":          CaseBatch,
	"the first error stops the batch":  CaseBadItem,
	"errors are collected and dropped": CaseBadItem,
	"a part is forgotten":              CaseScope,
	"what cannot be read hides a part": CaseScope,
}

// A suite is worth what it finds: each mistake is run in a process of its own, which
// must fail, and in the right case.
func TestTheSuiteFindsMistakes(t *testing.T) {
	const variable = "CONFORMANCE_MISTAKE"
	if mistake := os.Getenv(variable); mistake != "" {
		if _, ofServer := serverMistakes[mistake]; ofServer {
			w := newServer()
			Run(t, w.subject(mistake))
			return
		}
		m := newMemory()
		b := &broken{m, mistake}
		var c connectors.Connector = b
		if slices.Contains([]Case{CaseBatch, CaseBadItem}, mistakes[mistake]) {
			c = &batching{b}
		}
		if strings.Contains(mistake, "a part") {
			c = parting{b}
		}
		Run(t, subject(m, b, func() connectors.Connector { return c }))
		return
	}
	all := maps.Clone(mistakes)
	maps.Copy(all, serverMistakes)
	for mistake, where := range all {
		t.Run(mistake, func(t *testing.T) {
			t.Parallel()
			name := strings.ReplaceAll(regexp.QuoteMeta(string(where)), " ", "_")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheSuiteFindsMistakes$/^"+name+"$", "-test.v")
			cmd.Env = append(os.Environ(), variable+"="+mistake, MatrixFile+"=")
			out, err := cmd.CombinedOutput()
			if want := " | " + string(where) + " | fail |"; err == nil || !strings.Contains(string(out), want) {
				t.Errorf("not found in %q: %v\n%s", where, err, out)
			}
		})
	}
	found := slices.Sorted(maps.Values(all))
	for _, c := range cases {
		if !slices.Contains(found, c.name) {
			t.Errorf("no mistake shows that %q finds one", c.name)
		}
	}
}
