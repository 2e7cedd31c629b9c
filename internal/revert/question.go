package revert

import (
	"fmt"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/markdown"
)

// question writes the pull request that asks to renew or remove standing access: who
// holds what since when, and the two ways.
func (t *Tender) question(key string, s standing) forge.RevertRequest {
	d := s.row.Decision
	var who, what []string
	for _, it := range d.Allowed() {
		who = append(who, it.Subject)
		what = append(what, it.Entitlement+" on "+it.Target)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The standing access below ends at %s unless it is renewed. Is it still needed?\n\n", markdown.Code(stamp(s.ends)))
	line := func(name, value string) { fmt.Fprintf(&b, "- %s: %s\n", name, value) }
	line("file", markdown.Code(s.row.Path))
	line("who", markdown.Codes(who))
	line("what", markdown.Codes(what))
	line("since", markdown.Code(stamp(s.since)))
	if !s.renewed.IsZero() {
		last := markdown.Code(stamp(s.renewed))
		if len(s.by) > 0 {
			last += ", approved by " + markdown.Codes(s.by)
		}
		line("last approved", last)
	}
	line("reason", markdown.Code(d.Reason))
	b.WriteString("\n**It is not needed any more:** merge this pull request. It removes the file, and the access ends at once.\n")
	b.WriteString("\n**It is still needed:** a person opens a pull request that moves the end, and has it approved like any other. This one is closed by itself then.\n\n")
	next := day(t.next(s))
	fmt.Fprintf(&b, "```diff\n-reviewBy: %s\n+reviewBy: %s\n```\n\n", written(d.ReviewBy), next)
	fmt.Fprintf(&b, "%s does that.\n", markdown.Code("reconciler extend "+s.row.Path+" --review-by "+next))
	b.WriteString("\nIf nobody does anything, the access ends by itself. The reconciler never merges this pull request.\n")
	return forge.RevertRequest{
		Key: key, Base: t.Branch, Title: "Renew or remove standing access: " + markdown.Plain(s.row.Path),
		Body: b.String(), Remove: map[string]string{s.row.Path: d.Blob},
	}
}

// next is the end to propose: as far from the day of the question as the last one was
// from its approval, which its roles allowed. It is the same every day, so that the
// text holds still.
func (t *Tender) next(s standing) time.Time {
	asked := s.ends.Add(-t.ReviewAhead)
	if asked.Before(s.renewed) {
		asked = s.renewed.Add(24 * time.Hour)
	}
	return asked.Add(s.row.Decision.ReviewBy.Sub(s.renewed))
}

// written is an end as a file says it.
func written(t time.Time) string {
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return day(t)
	}
	return t.UTC().Format(time.RFC3339)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
