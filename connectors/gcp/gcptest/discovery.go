package gcptest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// description is Google's own description of an API: its discovery document, which
// comes with the module google.golang.org/api.
type description struct {
	Parameters map[string]parameter `json:"parameters"`
	Schemas    map[string]*schema   `json:"schemas"`
	Resources  map[string]struct {
		Methods map[string]*method `json:"methods"`
	} `json:"resources"`

	// Extra are fields that Google may add one day: "Binding.bindingId".
	Extra []string `json:"-"`
}

type method struct {
	ID         string               `json:"id"`
	HTTPMethod string               `json:"httpMethod"`
	FlatPath   string               `json:"flatPath"`
	Parameters map[string]parameter `json:"parameters"`
	Request    *schema              `json:"request"`
	Response   *schema              `json:"response"`
	Scopes     []string             `json:"scopes"`

	path *regexp.Regexp
}

type parameter struct {
	Location string `json:"location"`
	Pattern  string `json:"pattern"`
}

// schema is the part of JSON Schema (draft 3) that discovery documents use.
type schema struct {
	ID                   string             `json:"id"`
	Ref                  string             `json:"$ref"`
	Type                 string             `json:"type"`
	Format               string             `json:"format"`
	Enum                 []string           `json:"enum"`
	Items                *schema            `json:"items"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties *schema            `json:"additionalProperties"`
}

// load reads the discovery document of the module that go.mod names.
func load(name string) (*description, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module google.golang.org/api: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	d := &description{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, err
	}
	for _, r := range d.Resources {
		for _, m := range r.Methods {
			m.path = pattern(m)
		}
	}
	return d, nil
}

var variable = regexp.MustCompile(`\{[^}]+\}`)

// pattern makes of v3/projects/{projectsId}:getIamPolicy what a request's path must be.
func pattern(m *method) *regexp.Regexp {
	var b strings.Builder
	rest := m.FlatPath
	for {
		at := variable.FindStringIndex(rest)
		if at == nil {
			break
		}
		b.WriteString(regexp.QuoteMeta(rest[:at[0]]) + `([^/]+?)`)
		rest = rest[at[1]:]
	}
	return regexp.MustCompile("^/" + b.String() + regexp.QuoteMeta(rest) + "$")
}

// find returns the method that a request is for, and the problems of its address.
func (d *description) find(r *http.Request) (m *method, problems []string) {
	for _, res := range d.Resources {
		for _, c := range res.Methods {
			if c.HTTPMethod == r.Method && c.path.MatchString(r.URL.Path) && (m == nil || len(c.FlatPath) > len(m.FlatPath)) {
				m = c
			}
		}
	}
	if m == nil {
		return nil, []string{fmt.Sprintf("%s %s is no method of the API", r.Method, r.URL.Path)}
	}
	for name, p := range m.Parameters {
		if p.Location == "path" && p.Pattern != "" {
			value, _, _ := cutLast(strings.TrimPrefix(r.URL.Path, "/v3/"), ":")
			if !regexp.MustCompile(p.Pattern).MatchString(value) {
				problems = append(problems, fmt.Sprintf("parameter %s: %q is not of the form %s", name, value, p.Pattern))
			}
		}
	}
	for name := range query(r.URL) {
		if _, global := d.Parameters[name]; !global && m.Parameters[name].Location != "query" {
			problems = append(problems, fmt.Sprintf("%s has no parameter %q", m.ID, name))
		}
	}
	return m, problems
}

func query(u *url.URL) url.Values { return u.Query() }

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// check returns where a value is not what the schema says.
func (d *description) check(s *schema, at string, value any) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, at+": "+fmt.Sprintf(format, args...)) }
	if s.Ref != "" {
		return d.check(d.Schemas[s.Ref], at, value)
	}
	switch s.Type {
	case "object":
		fields, ok := value.(map[string]any)
		if !ok {
			bad("want an object, not %v", value)
			return problems
		}
		for name, v := range fields {
			p := s.Properties[name]
			switch {
			case p != nil:
				problems = append(problems, d.check(p, at+"."+name, v)...)
			case s.AdditionalProperties != nil:
				problems = append(problems, d.check(s.AdditionalProperties, at+"."+name, v)...)
			case !slices.Contains(d.Extra, s.ID+"."+name):
				bad("%s has no field %q", s.ID, name)
			}
		}
	case "array":
		list, ok := value.([]any)
		if !ok {
			bad("want a list, not %v", value)
		}
		for i, v := range list {
			problems = append(problems, d.check(s.Items, fmt.Sprintf("%s[%d]", at, i), v)...)
		}
	case "string":
		text, ok := value.(string)
		switch {
		case !ok:
			bad("want text, not %v", value)
		case len(s.Enum) > 0 && !slices.Contains(s.Enum, text):
			bad("%q is none of %q", text, s.Enum)
		case s.Format == "byte" && !isBase64(text):
			bad("%q is not base64", text)
		}
	case "integer":
		n, ok := value.(float64)
		if !ok || n != math.Trunc(n) || s.Format == "int32" && math.Abs(n) > math.MaxInt32 {
			bad("want a whole number, not %v", value)
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			bad("want true or false, not %v", value)
		}
	case "any":
	default:
		bad("the schema has the type %q, which is not known here", s.Type)
	}
	return problems
}

func isBase64(text string) bool {
	_, err := base64.StdEncoding.DecodeString(text)
	return err == nil
}
