// Package draft writes request files: new ones, and those whose end moves. It is
// pure: it reads no clock and no file, and whoever calls it says where the text goes
// and checks it as any other request.
package draft

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/tenure-dev/tenure/schema"
)

// Compose writes a request as people do: the keys in the order in which the
// documentation shows them, lists on one line. What it writes reads back as the same
// request; what could not is an error.
func Compose(r *schema.AccessRequest) ([]byte, error) {
	m := &yaml.Node{Kind: yaml.MappingNode}
	put := func(key string, value *yaml.Node) { m.Content = append(m.Content, text(key), value) }
	put("apiVersion", text(schema.APIVersion))
	put("kind", text(schema.KindAccessRequest))
	if len(r.Subjects) == 1 {
		put("subject", text(r.Subjects[0]))
	} else if len(r.Subjects) > 1 {
		put("subjects", texts(r.Subjects))
	}
	put("roles", roles(r.Roles))
	put("reason", text(r.Reason))
	if r.Ticket != "" {
		put("ticket", text(r.Ticket))
	}
	if r.Duration != 0 {
		put("duration", text(schema.FormatDuration(r.Duration)))
	}
	if !r.StartsAt.IsZero() {
		put("startsAt", instant(moment(r.StartsAt)))
	}
	if !r.ExpiresAt.IsZero() {
		put("expiresAt", instant(moment(r.ExpiresAt)))
	}
	if r.Schedule != nil {
		put("schedule", schedule(r.Schedule))
	}
	if r.Emergency {
		put("emergency", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	if !r.ReviewBy.IsZero() {
		put("reviewBy", instant(day(r.ReviewBy)))
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{m}}); err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	return out.Bytes(), nil
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func texts(values []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, v := range values {
		n.Content = append(n.Content, text(v))
	}
	return n
}

func instant(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!timestamp", Value: s}
}

func roles(uses []schema.RoleUse) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, u := range uses {
		if len(u.Params) == 0 {
			n.Content = append(n.Content, text(u.Role))
			continue
		}
		params := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for _, k := range slices.Sorted(maps.Keys(u.Params)) {
			params.Content = append(params.Content, text(k), text(u.Params[k]))
		}
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle,
			Content: []*yaml.Node{text("role"), text(u.Role), text("params"), params}})
	}
	return n
}

func schedule(s *schema.Schedule) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	n.Content = append(n.Content, text("cron"), text(s.Cron))
	if s.Timezone != "" {
		n.Content = append(n.Content, text("timezone"), text(s.Timezone))
	}
	n.Content = append(n.Content, text("duration"), text(schema.FormatDuration(s.Duration)))
	return n
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// day writes midnight as the date that means it.
func day(t time.Time) string {
	if t = t.UTC(); t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return moment(t)
}

var unfit = regexp.MustCompile(`[^a-z0-9._]+`)

// maxStem is the length of the longest name of a file, without its ending.
const maxStem = 80

// PathFor proposes where a request goes: requests/YEAR/SUBJECT-ROLE-TICKET.yaml.
// taken says what is there already; such a name gets a number.
func PathFor(r *schema.AccessRequest, now time.Time, taken func(path string) bool) string {
	var words []string
	words = append(words, r.Subjects...)
	for _, u := range r.Roles {
		words = append(words, u.Role)
	}
	if r.Ticket != "" {
		words = append(words, r.Ticket)
	}
	stem := strings.Trim(unfit.ReplaceAllString(strings.ToLower(strings.Join(words, "-")), "-"), "-._")
	stem = strings.TrimRight(stem[:min(len(stem), maxStem)], "-._")
	if stem == "" {
		stem = "request"
	}
	path := func(suffix string) string {
		return fmt.Sprintf("requests/%d/%s%s.yaml", now.UTC().Year(), stem, suffix)
	}
	out := path("")
	for i := 2; taken(out); i++ {
		out = path(fmt.Sprintf("-%d", i))
	}
	return out
}
