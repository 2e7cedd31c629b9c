package revert

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/markdown"
)

// request writes the pull request of a group: who, what, window, granted at and
// revoked at, for each file.
func (t *Tender) request(ctx context.Context, key string, ended []ended) (forge.RevertRequest, error) {
	r := forge.RevertRequest{Key: key, Base: t.Branch, Remove: map[string]string{}}
	var body strings.Builder
	body.WriteString("The access below has ended and is gone from its targets. This pull request only removes the files that asked for it; nothing depends on when it is merged.\n")
	for _, e := range ended {
		r.Remove[e.row.Path] = e.last.Blob
		granted, revoked, err := t.times(ctx, e.row.ID)
		if err != nil {
			return r, err
		}
		section(&body, e.row, granted, revoked)
	}
	r.Title = title(ended)
	r.Body = body.String()
	return r, nil
}

func title(ended []ended) string {
	if len(ended) == 1 {
		return "Remove expired access: " + markdown.Plain(ended[0].row.Path)
	}
	return fmt.Sprintf("Remove expired access: %d requests", len(ended))
}

func section(b *strings.Builder, r ledger.Request, granted, revoked time.Time) {
	d := r.Decision
	fmt.Fprintf(b, "\n### %s\n\n", markdown.Code(r.Path))
	var who, what []string
	var window grants.Window
	for i, t := range d.Terms {
		if i == 0 {
			window = t.Span
		} else {
			window = window.Intersect(t.Span)
		}
		for _, it := range t.Items {
			who = append(who, it.Subject)
			what = append(what, it.Entitlement+" on "+it.Target)
		}
	}
	line := func(name, value string) { fmt.Fprintf(b, "- %s: %s\n", name, value) }
	line("who", markdown.Codes(who))
	line("what", markdown.Codes(what))
	line("window", markdown.Code(stamp(window.From)+" – "+stamp(window.Until)))
	line("granted at", markdown.Code(stamp(granted)))
	line("revoked at", markdown.Code(stamp(revoked)))
	if d.Ticket != "" {
		line("ticket", markdown.Code(d.Ticket))
	}
}

// times returns when a request's first grant was made and its last one was read
// back as gone.
func (t *Tender) times(ctx context.Context, id string) (granted, revoked time.Time, err error) {
	events, err := t.Ledger.Events(ctx, ledger.Filter{Request: id, Kinds: []string{ledger.EventGranted, ledger.EventRevoked}})
	if err != nil {
		return granted, revoked, err
	}
	for _, e := range events {
		switch {
		case e.Kind == ledger.EventGranted && granted.IsZero():
			granted = e.At
		case e.Kind == ledger.EventRevoked:
			revoked = e.At
		}
	}
	return granted, revoked, nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
