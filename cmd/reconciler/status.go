package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
)

type status struct {
	At       time.Time       `json:"at"`
	Head     string          `json:"head"`
	Diverged string          `json:"diverged,omitempty"`
	Holds    []grants.Hold   `json:"holds"`
	Overdue  int             `json:"overdue"`
	Withheld []withheld      `json:"withheld"`
	Paused   []pausedTarget  `json:"paused"`
	Drift    []ledger.Drift  `json:"drift"`
	Requests []requestStatus `json:"requests"`
	// NotInForce are the files of the branch that are not in force as they stand.
	NotInForce []ledger.NotInForce `json:"notInForce"`
	// Emergencies are the uses of break-glass that are running or wait for a review.
	Emergencies []emergency     `json:"emergencies"`
	Reverts     []ledger.Revert `json:"reverts"`
}

type requestStatus struct {
	Path    string    `json:"path"`
	State   string    `json:"state"` // in force, not granted, waiting, ended
	Until   time.Time `json:"until,omitzero"`
	Missing string    `json:"missing,omitempty"`
	// ReviewBy is when standing access ends unless it is renewed, and DaysLeft how many
	// whole days are left until it ends; only of standing access in force.
	ReviewBy time.Time `json:"reviewBy,omitzero"`
	DaysLeft *int      `json:"daysLeft,omitempty"`
}

func (a *app) statusCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Who holds what now, and until when",
		Long: `Show who holds what on which target, until when and because of which request;
access that nobody asked for (drift); paused targets; requests that are not
granted, and files of the branch that are not in force, with what is missing. It
reads the ledger only and works while Git and the forge are down.

Exit code 1: a revoke is overdue or withheld by the guard, drift was found, the
review of a use of break-glass is overdue, or the branch was rewritten.`,
		Example: `  reconciler status
  reconciler status -o json | jq '.holds[].subject'`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, led, err := a.readLedger(cmd.Context())
			if err != nil {
				return err
			}
			defer led.Close()
			s, err := readStatus(cmd.Context(), cfg, led, a.now())
			if err != nil {
				return err
			}
			if err := a.print(s, func(w io.Writer) error { return a.statusTable(w, s) }); err != nil {
				return err
			}
			if s.Overdue > 0 || len(s.Withheld) > 0 || len(s.Drift) > 0 || s.Diverged != "" || slices.ContainsFunc(s.Emergencies, func(e emergency) bool { return e.Late }) {
				return errNotFine
			}
			return nil
		},
	}
	a.configFlag(cmd)
	a.outputFlag(cmd)
	return cmd
}

func readStatus(ctx context.Context, cfg *config.Config, led *ledger.Ledger, now time.Time) (status, error) {
	s := status{At: now, Requests: []requestStatus{}}
	head, err := led.Head(ctx)
	if err != nil {
		return s, err
	}
	s.Head, s.Diverged = head.Accepted, head.Diverged
	if s.Holds, err = led.Holds(ctx, ""); err != nil {
		return s, err
	}
	s.Holds = append([]grants.Hold{}, s.Holds...) // [] rather than null
	for _, h := range s.Holds {
		if h.Overdue(now) {
			s.Overdue++
		}
	}
	if s.Withheld, err = readWithheld(ctx, cfg, led, s.Holds, now); err != nil {
		return s, err
	}
	if s.Paused, err = readPaused(ctx, led); err != nil {
		return s, err
	}
	if s.Drift, err = led.Drift(ctx); err != nil {
		return s, err
	}
	s.Drift = append([]ledger.Drift{}, s.Drift...)
	if s.Emergencies, err = readEmergencies(ctx, led, now, func(r ledger.Request) bool { return r.Live }); err != nil {
		return s, err
	}
	if s.Reverts, err = led.Reverts(ctx, "open"); err != nil {
		return s, err
	}
	s.Reverts = append([]ledger.Revert{}, s.Reverts...)
	if s.NotInForce, err = led.NotInForce(ctx); err != nil {
		return s, err
	}
	s.NotInForce = append([]ledger.NotInForce{}, s.NotInForce...)
	rows, err := led.Requests(ctx)
	if err != nil {
		return s, err
	}
	for _, r := range rows {
		if r.Live {
			s.Requests = append(s.Requests, requestState(r, now))
		}
	}
	return s, nil
}

func requestState(r ledger.Request, now time.Time) requestStatus {
	out := requestStatus{Path: r.Path}
	var rec policy.Record
	_ = json.Unmarshal(r.Body, &rec) // a row that cannot be read shows as not granted
	for _, v := range rec.Versions {
		if v.Problem != "" && !v.Broken {
			out.Missing = v.Problem
		}
	}
	end := r.Decision.Ends()
	switch {
	case !r.EndedAt.IsZero():
		out.State, out.Missing = "ended", ""
	case r.Decision.Granted:
		out.State, out.Until = "in force", end
		if !end.IsZero() && !now.Before(end) {
			out.State = "ending"
		}
		if d := r.Decision; !d.ReviewBy.IsZero() {
			days := int(max(end.Sub(now), 0) / (24 * time.Hour))
			out.ReviewBy, out.DaysLeft = d.ReviewBy, &days
		}
	case out.Missing != "":
		out.State = "waiting"
	default:
		out.State = "not granted"
		out.Missing = firstFailed(r.Decision.Checks)
	}
	return out
}

// firstFailed returns the first check that denied. That nothing is in force only
// sums the others up, and a single review only informs.
func firstFailed(checks []grants.Check) string {
	last := ""
	for _, c := range checks {
		switch {
		case c.OK:
		case c.Rule == "in-force" || c.Rule == "review":
			last = c.Rule + ": " + c.Detail
		default:
			return c.Rule + ": " + c.Detail
		}
	}
	return last
}

func (a *app) statusTable(w io.Writer, s status) error {
	if s.Diverged != "" {
		fmt.Fprintln(a.err, a.tint(a.err, red, "The branch was rewritten or moved back to "+s.Diverged+"; nothing new is granted until `reconciler confirm "+s.Diverged+"`."))
	}
	var rows [][]string
	for _, h := range s.Holds {
		state := string(h.State)
		switch {
		case h.PreExisting:
			state = "pre-existing"
		case !h.Until.After(s.At):
			state = a.tint(w, red, "overdue")
		}
		if h.LastError != "" {
			state += ": " + safe(h.LastError)
		}
		rows = append(rows, []string{safe(h.Subject), h.Target, safe(h.Account), safe(h.Entitlement), stamp(h.Until), left(h.Until, s.At), safe(paths(h.Holders)), state})
	}
	if err := a.table(w, []string{"SUBJECT", "TARGET", "ACCOUNT", "ENTITLEMENT", "UNTIL", "LEFT", "REQUEST", "STATE"}, rows); err != nil {
		return err
	}
	for _, x := range s.Withheld {
		fmt.Fprintf(a.err, "%s: %s\n", a.tint(a.err, red, "withheld"), x)
	}
	for _, p := range s.Paused {
		fmt.Fprintf(a.err, "%s: %s\n", a.tint(a.err, yellow, "paused"), p)
	}
	for _, e := range s.Emergencies {
		a.emergencyLine(a.err, e)
	}
	for _, d := range s.Drift {
		fmt.Fprintf(a.err, "%s: %s (since %s)\n", a.tint(a.err, yellow, "drift"), safe(d.Grant.String()), stamp(d.Since))
	}
	for _, r := range s.Requests {
		if r.Missing != "" {
			fmt.Fprintf(a.err, "%s: %s: %s\n", safe(r.Path), r.State, safe(r.Missing))
		}
	}
	for _, f := range s.NotInForce {
		fmt.Fprintf(a.err, "%s: %s\n", a.tint(a.err, yellow, "not in force"), notInForceLine(f))
	}
	if len(rows) == 0 {
		fmt.Fprintln(a.err, "Nobody holds anything through Tenure now.")
	}
	return nil
}

func paths(holders []grants.Holder) string {
	var out []string
	for _, h := range holders {
		out = append(out, h.Path)
	}
	return strings.Join(out, ", ")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// left is the time until t, to the second.
func left(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Sub(now).Truncate(time.Second).String()
}
