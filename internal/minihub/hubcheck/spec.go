// Package hubcheck holds requests to GitHub, and minihub's answers, to GitHub's
// published OpenAPI description. Tests put its handler between a client and a hub;
// it changes nothing and is never part of the program.
package hubcheck

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

var (
	//go:embed testdata/openapi/github.json
	description []byte
	//go:embed testdata/openapi/organizations.json
	organizations []byte
)

// spec is the description with a router of our own: parameters such as the ref of
// /git/ref/{ref} span several segments, which no router of OpenAPI knows.
type spec struct {
	doc   *openapi3.T
	paths []path
}

type path struct {
	pattern string
	parts   []string
	item    *openapi3.PathItem
	literal int // parts that are not parameters: the more, the earlier it is tried
}

// A description is read once for all tests of a process: it is large, and nothing
// changes it.
var (
	load              = sync.OnceValues(func() (*spec, error) { return readSpec(description) })
	loadOrganizations = sync.OnceValues(func() (*spec, error) { return readSpec(organizations) })
)

func readSpec(text []byte) (*spec, error) {
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("hubcheck: load description: %w", err)
	}
	s := &spec{doc: doc}
	for pattern, item := range doc.Paths.Map() {
		p := path{pattern: pattern, parts: strings.Split(strings.Trim(pattern, "/"), "/"), item: item}
		for _, part := range p.parts {
			if !strings.HasPrefix(part, "{") {
				p.literal++
			}
		}
		s.paths = append(s.paths, p)
	}
	sort.Slice(s.paths, func(i, j int) bool {
		if a, b := s.paths[i].literal, s.paths[j].literal; a != b {
			return a > b
		}
		return s.paths[i].pattern < s.paths[j].pattern
	})
	return s, nil
}

// route finds the operation for a request path without the API's prefix.
func (s *spec) route(method, escapedPath string) (*routers.Route, map[string]string, error) {
	segments := strings.Split(strings.Trim(escapedPath, "/"), "/")
	for i, seg := range segments {
		if u, err := url.PathUnescape(seg); err == nil {
			segments[i] = u
		}
	}
	for _, p := range s.paths {
		op := p.item.GetOperation(method)
		if op == nil {
			continue
		}
		if params, ok := p.match(segments, op); ok {
			return &routers.Route{Spec: s.doc, Path: p.pattern, PathItem: p.item, Method: method, Operation: op}, params, nil
		}
	}
	return nil, nil, fmt.Errorf("%s /%s is not in the description", method, strings.Join(segments, "/"))
}

func (p path) match(segments []string, op *openapi3.Operation) (map[string]string, bool) {
	params := map[string]string{}
	for i, part := range p.parts {
		name := strings.Trim(part, "{}")
		switch {
		case name != part && i == len(p.parts)-1 && i <= len(segments) && multi(op, name):
			params[name] = strings.Join(segments[i:], "/")
			if params[name] == "" {
				params[name] = "/" // the root directory; the validator takes no empty parameters
			}
			return params, true
		case i >= len(segments):
			return nil, false
		case name == part:
			if part != segments[i] {
				return nil, false
			}
		default:
			params[name] = segments[i]
		}
	}
	return params, len(segments) == len(p.parts)
}

// multi reports whether a path parameter takes the rest of the path. The
// description marks some of them; branches and commits it leaves unmarked although
// the service takes names with slashes there.
func multi(op *openapi3.Operation, name string) bool {
	if name == "branch" {
		return true
	}
	for _, ref := range op.Parameters {
		if ref.Value.In == "path" && ref.Value.Name == name {
			var marked bool
			switch v := ref.Value.Extensions["x-multi-segment"].(type) {
			case bool:
				marked = v
			case json.RawMessage:
				marked = string(v) == "true"
			}
			return marked
		}
	}
	return false
}

// operations lists everything in the description as "METHOD /path".
func (s *spec) operations() []string {
	var out []string
	for _, p := range s.paths {
		for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if p.item.GetOperation(m) != nil {
				out = append(out, m+" "+p.pattern)
			}
		}
	}
	sort.Strings(out)
	return out
}
