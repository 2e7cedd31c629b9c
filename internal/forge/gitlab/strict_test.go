package gitlab

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	gl "gitlab.com/gitlab-org/api/client-go/v2"
)

// strict holds every answer of the stand-in to the types of GitLab's own client:
// a key that they do not have, or a value of another type, fails the test.
type strict struct {
	t    *testing.T
	next http.RoundTripper
}

// beyond are keys that GitLab answers with and its client does not read.
var beyond = map[string]bool{
	"locked": true, "ref_count": true, "source_commit": true, "source_merge_request_id": true, "imported_from": true, "imported": true,
}

var shapes = []struct {
	path *regexp.Regexp
	make func() any
}{
	{regexp.MustCompile(`^/user$|^/users/\d+$`), func() any { return &gl.User{} }},
	{regexp.MustCompile(`^/projects/[^/]+$`), func() any { return &gl.Project{} }},
	{regexp.MustCompile(`/events$`), func() any { return &[]gl.ProjectEvent{} }},
	{regexp.MustCompile(`/resource_state_events$`), func() any { return &[]gl.StateEvent{} }},
	{regexp.MustCompile(`/merge_requests/\d+(/merge)?$`), func() any { return &gl.MergeRequest{} }},
	{regexp.MustCompile(`/merge_requests/\d+/commits$`), func() any { return &[]gl.Commit{} }},
	{regexp.MustCompile(`/merge_requests/\d+/diffs$`), func() any { return &[]gl.MergeRequestDiff{} }},
	{regexp.MustCompile(`/merge_requests/\d+/versions$`), func() any { return &[]gl.MergeRequestDiffVersion{} }},
	{regexp.MustCompile(`/merge_requests/\d+/approvals$`), func() any { return &gl.MergeRequestApprovals{} }},
	{regexp.MustCompile(`/merge_requests/\d+/notes$`), func() any { return &[]gl.Note{} }},
	{regexp.MustCompile(`/merge_requests/\d+/notes/\d+$`), func() any { return &gl.Note{} }},
	{regexp.MustCompile(`/merge_requests$`), func() any { return &[]gl.BasicMergeRequest{} }},
	{regexp.MustCompile(`/repository/branches/[^/]+$`), func() any { return &gl.Branch{} }},
	{regexp.MustCompile(`/repository/commits$`), func() any { return &gl.Commit{} }},
	{regexp.MustCompile(`/repository/commits/[^/]+/statuses$`), func() any { return &[]gl.CommitStatus{} }},
	{regexp.MustCompile(`/statuses/[^/]+$`), func() any { return &gl.CommitStatus{} }},
}

func (s *strict) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(r)
	if err != nil || resp.StatusCode >= 300 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	s.check(r, body)
	return resp, nil
}

func (s *strict) check(r *http.Request, body []byte) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v4")
	one := strings.HasSuffix(path, "/merge_requests") && r.Method == http.MethodPost || strings.HasSuffix(path, "/notes") && r.Method == http.MethodPost
	for _, sh := range shapes {
		if !sh.path.MatchString(path) {
			continue
		}
		var raw any
		if err := json.Unmarshal(body, &raw); err != nil {
			s.t.Errorf("%s %s: %v", r.Method, path, err)
			return
		}
		if one {
			raw = []any{raw}
		}
		v := sh.make()
		if _, single := v.(*[]gl.BasicMergeRequest); single && one {
			v = &[]gl.MergeRequest{}
		}
		left, _ := json.Marshal(without(raw, strings.Contains(path, "/statuses")))
		d := json.NewDecoder(bytes.NewReader(left))
		d.DisallowUnknownFields()
		if err := d.Decode(v); err != nil {
			s.t.Errorf("%s %s is not what GitLab's client reads: %v", r.Method, path, err)
		}
		return
	}
	s.t.Errorf("%s %s: no shape is known", r.Method, path)
}

// without drops the keys that the client does not read: of the author of a status
// it has no addresses.
func without(v any, status bool) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = without(v[i], status)
		}
	case map[string]any:
		for k := range v {
			if beyond[k] || status && (k == "avatar_url" || k == "web_url") {
				delete(v, k)
				continue
			}
			v[k] = without(v[k], status)
		}
	}
	return v
}
