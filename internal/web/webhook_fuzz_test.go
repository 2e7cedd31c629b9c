package web_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzWebhook holds that a delivery wakes only if its one proof is the right one,
// whatever else it says, and that no input is answered with a failure of the server.
func FuzzWebhook(f *testing.F) {
	for _, forge := range []string{"github", "gitea", "gitlab", ""} {
		for _, event := range []string{"push", "pull_request", "ping", "Merge Request Hook", "no such event"} {
			d := delivery(forge, hookSecret, event, githubPush)
			f.Add(forge, event, d["X-Hub-Signature-256"], d["X-Gitea-Signature"], d["X-Gitlab-Token"], []byte(githubPush))
		}
	}
	f.Add("github", "push", "sha256=", "", "", []byte{})
	f.Add("github", "push", mac(hookSecret, "x"), "", "", []byte("x"))
	f.Add("gitea", "push", "", strings.ToUpper(mac(hookSecret, "x")), "", []byte("x"))
	f.Fuzz(func(t *testing.T, forge, event, hub, tea, lab string, body []byte) {
		var l looks
		req := httptest.NewRequest(http.MethodPost, "/webhook", bytes.NewReader(body))
		for name, value := range map[string]string{
			"X-Hub-Signature-256": hub, "X-Gitea-Signature": tea, "X-Gitlab-Token": lab,
			"X-GitHub-Event": event, "X-Gitea-Event": event, "X-Gitlab-Event": event,
		} {
			req.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		l.hook(forge, hookSecret).ServeHTTP(rec, req)

		// Said once more in the plainest way: hexadecimal may be in either case.
		want := mac(hookSecret, string(body))
		proven := forge == "github" && strings.HasPrefix(hub, "sha256=") && strings.EqualFold(hub[len("sha256="):], want) ||
			forge == "gitea" && strings.EqualFold(tea, want) ||
			forge == "gitlab" && lab == hookSecret
		if status := rec.Code; proven && status != http.StatusAccepted || !proven && status != http.StatusUnauthorized {
			t.Fatalf("proven: %v, answered %d", proven, status)
		}
		b, p := l.branch.Load(), l.pulls.Load()
		if !proven && b+p != 0 || b > 1 || p > 1 {
			t.Fatalf("proven: %v, %d looks at the branch and %d at pull requests", proven, b, p)
		}
		if strings.Contains(rec.Body.String(), want) || strings.Contains(rec.Body.String(), hookSecret) {
			t.Fatalf("the answer tells the secret: %s", rec.Body)
		}
	})
}
