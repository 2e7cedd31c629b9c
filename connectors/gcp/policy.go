package gcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
)

// version of policies that hold conditions. A policy that is read or written with a
// lower one loses them (Google's reference of Policy says so).
const version = 3

// policy is what a resource's role bindings are at one moment.
type policy struct {
	etag     string
	bindings []*binding
	at       time.Time // by the server's clock, which is the one that conditions go by
}

// binding is one role binding. Fields that this code does not know are kept as they
// came, so that writing a policy back never drops them.
type binding struct {
	role      string
	members   []string
	condition *condition // nil: always
	raw       map[string]json.RawMessage
	touched   bool // members are not those of raw any more
}

type condition struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Expression  string `json:"expression"`
}

// readPolicy reads an answer of the server. What cannot be understood is an error: a
// binding that is overlooked would be access that nobody sees, or be lost on writing.
func readPolicy(body []byte, at time.Time) (*policy, error) {
	var doc struct {
		Etag     string            `json:"etag"`
		Bindings []json.RawMessage `json:"bindings"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, errors.New("the server's answer is not a policy")
	}
	if doc.Etag == "" {
		return nil, errors.New("the server's answer is a policy without an etag, which cannot be changed safely")
	}
	p := &policy{etag: doc.Etag, at: at}
	for i, text := range doc.Bindings {
		b := &binding{}
		known := struct {
			Role      *string    `json:"role"`
			Members   *[]string  `json:"members"`
			Condition *condition `json:"condition"`
		}{&b.role, &b.members, nil}
		if json.Unmarshal(text, &known) != nil || json.Unmarshal(text, &b.raw) != nil || b.role == "" {
			return nil, fmt.Errorf("binding %d of the policy cannot be read", i)
		}
		b.condition = known.Condition
		p.bindings = append(p.bindings, b)
	}
	return p, nil
}

// clone copies what the changes touch.
func (p *policy) clone() *policy {
	out := &policy{etag: p.etag, at: p.at}
	for _, b := range p.bindings {
		c := *b
		c.members = slices.Clone(b.members)
		out.bindings = append(out.bindings, &c)
	}
	return out
}

// MarshalJSON writes the policy as setIamPolicy wants it.
func (p *policy) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"version": version, "etag": p.etag, "bindings": append([]*binding{}, p.bindings...)})
}

// MarshalJSON writes the binding with all that it had.
func (b *binding) MarshalJSON() ([]byte, error) {
	out := maps.Clone(b.raw)
	if out == nil {
		out = map[string]json.RawMessage{}
	}
	known := map[string]any{}
	if b.touched {
		known["members"] = b.members
	}
	if b.raw == nil {
		known["role"], known["condition"] = b.role, b.condition
	}
	for k, v := range known {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		out[k] = text
	}
	return json.Marshal(out)
}

// own reports whether Tenure made the binding, for the target with this title.
func (b *binding) own(title string) bool { return b.condition != nil && b.condition.Title == title }

// ending is the one form of condition that is written, and that is understood.
var ending = regexp.MustCompile(`^request\.time < timestamp\((?:"([^"'\\]+)"|'([^"'\\]+)')\)$`)

// expression ends access at t.
func expression(t time.Time) string {
	return `request.time < timestamp("` + t.UTC().Format(time.RFC3339Nano) + `")`
}

// end returns when the binding's condition ends it; false: it has none that is known.
func (b *binding) end() (time.Time, bool) {
	if b.condition == nil {
		return time.Time{}, false
	}
	m := ending.FindStringSubmatch(b.condition.Expression)
	if m == nil {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, m[1]+m[2])
	return t, err == nil
}

// over reports whether the binding's condition has ended it. A condition of another
// form may be true for some request: it counts as access.
func (b *binding) over(now time.Time) bool {
	t, ok := b.end()
	return ok && !now.Before(t)
}
