package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// notInForceLine is one file of the branch that is not in force, in one line.
func notInForceLine(f ledger.NotInForce) string {
	if f.Path == "" {
		return fmt.Sprintf("the whole tree: %s; if it is meant, `reconciler confirm %s` (since %s)", safe(f.Why), f.Commit, stamp(f.Since))
	}
	return fmt.Sprintf("%s: %s (%s)", safe(f.Path), safe(f.Why), brought(f))
}

// brought says which change left a file out of force, and since when.
func brought(f ledger.NotInForce) string {
	by := ""
	if f.Commit != "" {
		by = fmt.Sprintf("commit %.12s, ", f.Commit)
	}
	if f.Pull != 0 {
		by += fmt.Sprintf("pull request #%d, ", f.Pull)
	}
	return by + "since " + stamp(f.Since)
}

// standing fills in what the ledger knows of a file beside a request: whether it is in
// force as configuration, and why it is not. It reports whether it knows anything.
func (e *explanation) standing(ctx context.Context, led *ledger.Ledger) (known bool, err error) {
	files, err := led.NotInForce(ctx)
	if err != nil {
		return false, err
	}
	for _, f := range files {
		if f.Path == e.Path {
			e.NotInForce = &f
		}
	}
	now, _, err := led.ConfigState(ctx, ledger.InForce)
	e.InForce = now.Files[e.Path]
	switch {
	case e.NotInForce == nil && e.InForce != "":
		e.State = "in force"
	case e.NotInForce != nil && e.NotInForce.Waits != "":
		e.State = "waiting"
	case e.NotInForce != nil:
		e.State = "not in force"
	}
	return e.State != "", err
}

func (a *app) standingText(w io.Writer, e explanation) {
	f := e.NotInForce
	switch {
	case f == nil && e.InForce != "":
		fmt.Fprintf(w, "  %s blob %.12s is in force as configuration\n", a.mark(true), e.InForce)
		return
	case f == nil:
		return
	}
	fmt.Fprintf(w, "  %s what stands on the branch is not in force: %s (%s)\n", a.mark(false), safe(f.Why), brought(*f))
	if e.InForce != "" {
		fmt.Fprintf(w, "  blob %.12s, from before, stays in force\n", e.InForce)
	}
}
