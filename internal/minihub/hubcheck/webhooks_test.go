package hubcheck

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWrongWebhooksAreReported(t *testing.T) {
	const push = `{"ref":"refs/heads/main","before":"a","after":"b","created":false,"deleted":false,"forced":false,"base_ref":null,"compare":"c",
		"commits":[],"head_commit":null,"pusher":{"name":"alice"},"repository":{}}`
	for _, tc := range []struct{ name, event, body, drop, want string }{
		{"a field of another type", "push", strings.Replace(push, `"forced":false`, `"forced":"no"`, 1), "", "forced"},
		{"a missing field", "push", push, "", `/repository/id: property "id" is missing`},
		{"a missing header", "push", push, "X-Hub-Signature-256", "X-Hub-Signature-256"},
		{"an unknown action", "pull_request", `{"action":"approved"}`, "", "/pull_request/approved is not in the description"},
		{"an unknown event", "issues", `{"action":"opened"}`, "", "/issues/opened is not in the description"},
		{"no JSON", "push", "ref=main", "", "payload"},
	} {
		rec := &recorder{TB: t}
		req := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(tc.body))
		for k, v := range map[string]string{
			"Content-Type": "application/json", "User-Agent": "x", "X-GitHub-Event": tc.event, "X-GitHub-Delivery": "x",
			"X-GitHub-Hook-ID": "1", "X-GitHub-Hook-Installation-Target-ID": "1", "X-GitHub-Hook-Installation-Target-Type": "repository",
			"X-Hub-Signature-256": "sha256=x",
		} {
			if k != tc.drop {
				req.Header.Set(k, v)
			}
		}
		var got string
		Webhooks(rec, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = string(body)
		})).ServeHTTP(httptest.NewRecorder(), req)
		if all := strings.Join(rec.errors, "\n"); !strings.Contains(all, tc.want) {
			t.Errorf("%s: want an error with %q, got %q", tc.name, tc.want, all)
		}
		if got != tc.body {
			t.Errorf("%s: handed on %q", tc.name, got)
		}
	}
}
