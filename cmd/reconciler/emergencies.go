package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/pulls"
)

// emergency is one use of break-glass as commands show it.
type emergency struct {
	Pull      int            `json:"pull"`
	URL       string         `json:"url"`
	Path      string         `json:"path"`
	Subject   string         `json:"subject"`
	Roles     []string       `json:"roles"`
	Head      string         `json:"head"`  // what is to be reviewed
	State     string         `json:"state"` // running, over
	From      time.Time      `json:"from"`
	Until     time.Time      `json:"until"` // as it is now: an early end counts
	EndedBy   string         `json:"endedBy,omitempty"`
	ReviewBy  time.Time      `json:"reviewBy"`
	Late      bool           `json:"late"` // the review is overdue
	Reviewers []string       `json:"reviewers"`
	Checks    []grants.Check `json:"checks,omitempty"`
}

// readEmergencies lists the uses of break-glass that match, sorted by request.
func readEmergencies(ctx context.Context, led *ledger.Ledger, now time.Time, match func(ledger.Request) bool) ([]emergency, error) {
	rows, err := led.Emergencies(ctx)
	if err != nil {
		return nil, err
	}
	out := []emergency{}
	for _, row := range rows {
		if !match(row) {
			continue
		}
		u, err := pulls.Decode(row)
		if err != nil {
			return nil, err
		}
		e := emergency{
			Pull: u.Pull, URL: u.URL, Path: u.Path, Subject: u.Subject, Roles: u.Roles, Head: u.Head, State: "running",
			From: pulls.Window(row.Decision).From, Until: row.Decision.Ends(), EndedBy: u.EndedBy, ReviewBy: u.ReviewBy,
			Late: u.ReviewedAt.IsZero() && !now.Before(u.ReviewBy), Reviewers: append([]string{}, u.Reviewers...), Checks: row.Decision.Checks,
		}
		if !now.Before(e.Until) {
			e.State = "over"
		}
		out = append(out, e)
	}
	return out, nil
}

// emergencyLine says how one use stands.
func (a *app) emergencyLine(w io.Writer, e emergency) {
	word := a.tint(w, yellow, "break-glass")
	fmt.Fprintf(w, "%s: %s, %s, %s until %s", word, safe(e.Subject), safe(strings.Join(e.Roles, ", ")), e.State, stamp(e.Until))
	if e.EndedBy != "" {
		fmt.Fprintf(w, " (%s)", safe(e.EndedBy))
	}
	switch {
	case len(e.Reviewers) > 0:
		fmt.Fprintf(w, "; reviewed by %s", safe(strings.Join(e.Reviewers, ", ")))
	case e.Late:
		fmt.Fprintf(w, "; %s since %s", a.tint(w, red, "review overdue"), stamp(e.ReviewBy))
	default:
		fmt.Fprintf(w, "; review due by %s", stamp(e.ReviewBy))
	}
	fmt.Fprintf(w, ": %s at %.12s\n", safe(e.URL), e.Head)
}
