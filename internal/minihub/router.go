package minihub

import (
	"net/url"
	"strings"
)

// route is one call of the REST API, named as GitHub's description names it.
type route struct {
	method  string
	pattern string // "/repos/{owner}/{repo}/git/ref/{ref...}"; "..." takes the rest of the path
	name    string // "GET /repos/{owner}/{repo}/git/ref/{ref}"
	parts   []string
	handle  handler
}

type handler func(*call) error

func newRoute(method, pattern string, handle handler) route {
	return route{
		method:  method,
		pattern: pattern,
		name:    method + " " + strings.ReplaceAll(pattern, "...}", "}"),
		parts:   strings.Split(strings.TrimPrefix(pattern, "/"), "/"),
		handle:  handle,
	}
}

// match compares segment by segment, so that an escaped slash stays in its segment.
func (r route) match(segments []string) (map[string]string, bool) {
	params := map[string]string{}
	for i, part := range r.parts {
		if name, ok := strings.CutSuffix(strings.TrimPrefix(part, "{"), "...}"); ok {
			params[name] = strings.Join(segments[min(i, len(segments)):], "/")
			return params, true
		}
		if i >= len(segments) {
			return nil, false
		}
		if strings.HasPrefix(part, "{") {
			params[strings.Trim(part, "{}")] = segments[i]
			continue
		}
		if part != segments[i] {
			return nil, false
		}
	}
	return params, len(segments) == len(r.parts)
}

// find returns the first route for a path; known is false when no method serves it.
func find(routes []route, method, escapedPath string) (r route, params map[string]string, known bool) {
	segments := strings.Split(strings.Trim(escapedPath, "/"), "/")
	for i, s := range segments {
		if u, err := url.PathUnescape(s); err == nil {
			segments[i] = u
		}
	}
	for _, r := range routes {
		if params, ok := r.match(segments); ok {
			known = true
			if r.method == method {
				return r, params, true
			}
		}
	}
	return route{}, nil, known
}
