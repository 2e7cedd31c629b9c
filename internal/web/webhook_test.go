package web_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenure-dev/tenure/internal/web"
)

const hookSecret = "a-long-shared-secret"

// looks counts what a webhook caused.
type looks struct{ branch, pulls atomic.Int32 }

func (l *looks) hook(forge, secret string) *web.Webhook {
	return &web.Webhook{Forge: forge, Secret: secret,
		Branch: func() { l.branch.Add(1) }, Pulls: func() { l.pulls.Add(1) }}
}

func (l *looks) want(t *testing.T, what string, branch, pulls int32) {
	t.Helper()
	if b, p := l.branch.Load(), l.pulls.Load(); b != branch || p != pulls {
		t.Errorf("%s: %d looks at the branch and %d at pull requests, want %d and %d", what, b, p, branch, pulls)
	}
}

// routed puts a webhook where it is served.
func routed(hook *web.Webhook) http.Handler {
	return web.Routes{Metrics: web.NewMetrics("v1"), Health: healthy(), Webhook: hook}.Handler()
}

func mac(secret, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

// delivery returns the headers with which a forge delivers a body.
func delivery(forge, secret, event, body string) map[string]string {
	switch forge {
	case "github":
		return map[string]string{"X-GitHub-Event": event, "X-Hub-Signature-256": "sha256=" + mac(secret, body), "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
	case "gitea":
		// Gitea sends GitHub's headers beside its own.
		return map[string]string{"X-Gitea-Event": event, "X-Gitea-Signature": mac(secret, body),
			"X-GitHub-Event": event, "X-Hub-Signature-256": "sha256=" + mac(secret, body)}
	default:
		return map[string]string{"X-Gitlab-Event": event, "X-Gitlab-Token": secret}
	}
}

// Bodies as the forges send them, shortened.
const (
	githubPush = `{"ref":"refs/heads/main","before":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","after":"59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5","repository":{"id":186853002,"full_name":"acme/access","private":true},"pusher":{"name":"alice-gh","email":null},"created":false,"deleted":false,"forced":false,"commits":[]}`
	githubPull = `{"action":"closed","number":2,"pull_request":{"id":279147437,"number":2,"state":"closed","merged":true,"merged_at":"2026-11-23T12:00:00Z","user":{"login":"alice-gh","id":583231,"type":"User"}},"repository":{"id":186853002,"full_name":"acme/access"}}`
	githubView = `{"action":"submitted","review":{"id":237895671,"state":"approved","commit_id":"ec26c3e57ca3a959ca5aad62de7213c562f8c821","user":{"id":21031067}},"pull_request":{"number":2},"repository":{"id":186853002}}`
	githubPing = `{"zen":"Keep it logically awesome.","hook_id":109948940,"hook":{"type":"Repository","active":true,"events":["push","pull_request","pull_request_review"]}}`
	giteaPush  = `{"ref":"refs/heads/main","before":"28e1879d029cb852e4844d9c718537df08844e03","after":"bffeb74224043ba2feb48d137756c8a9331c449a","compare_url":"http://git.example.com/acme/access/compare/28e1879d...bffeb742","repository":{"id":140,"full_name":"acme/access"},"pusher":{"id":1,"login":"alice"}}`
	gitlabPush = `{"object_kind":"push","event_name":"push","before":"95790bf891e76fee5e1747ab589903a6a1f80f22","after":"da1560886d4f094c3e6c9ef40349f7d38b5d27d7","ref":"refs/heads/main","checkout_sha":"da1560886d4f094c3e6c9ef40349f7d38b5d27d7","project_id":15}`
)

func TestADeliveryOfEachForgeWakesWhatItsEventConcerns(t *testing.T) {
	for _, c := range []struct {
		forge, event, body string
		branch, pulls      int32
	}{
		{"github", "push", githubPush, 1, 0},
		{"github", "pull_request", githubPull, 1, 1},
		{"github", "pull_request_review", githubView, 0, 1},
		{"github", "ping", githubPing, 1, 1},
		{"github", "issues", `{"action":"opened"}`, 0, 0},
		{"github", "Push", githubPush, 0, 0},
		{"github", "", githubPush, 0, 0},
		{"gitea", "push", giteaPush, 1, 0},
		{"gitea", "pull_request", `{"action":"closed","number":2}`, 1, 1},
		{"gitea", "pull_request_approved", `{"action":"reviewed","number":2}`, 0, 1},
		{"gitea", "pull_request_rejected", `{"action":"reviewed","number":2}`, 0, 1},
		{"gitea", "issue_comment", `{"action":"created"}`, 0, 0},
		{"gitlab", "Push Hook", gitlabPush, 1, 0},
		{"gitlab", "Merge Request Hook", `{"object_kind":"merge_request"}`, 1, 1},
		{"gitlab", "Note Hook", `{"object_kind":"note"}`, 0, 0},
		{"github", "push", "this is no JSON", 1, 0}, // bodies are not parsed
		{"github", "push", "", 1, 0},
	} {
		var l looks
		status, _ := get(t, routed(l.hook(c.forge, hookSecret)), "POST", "/webhook", c.body, delivery(c.forge, hookSecret, c.event, c.body))
		if status != http.StatusAccepted {
			t.Errorf("%s %q: %d", c.forge, c.event, status)
		}
		l.want(t, c.forge+" "+c.event, c.branch, c.pulls)
	}
}

func TestTheSignatureIsTheOneThatGitHubPublishesAsItsExample(t *testing.T) {
	var l looks
	status, _ := get(t, routed(l.hook("github", "It's a Secret to Everybody")), "POST", "/webhook", "Hello, World!", map[string]string{
		"X-GitHub-Event":      "push",
		"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
	})
	if status != http.StatusAccepted {
		t.Errorf("%d", status)
	}
	l.want(t, "signed", 1, 0)
}

func TestOnlyADeliveryThatProvesTheSecretWakes(t *testing.T) {
	hub := func(proof string) map[string]string {
		return map[string]string{"X-GitHub-Event": "ping", "X-Hub-Signature-256": proof}
	}
	tea := func(proof string) map[string]string {
		return map[string]string{"X-Gitea-Event": "push", "X-Gitea-Signature": proof}
	}
	lab := func(proof string) map[string]string {
		return map[string]string{"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": proof}
	}
	right := mac(hookSecret, githubPush)
	for name, c := range map[string]struct {
		forge, secret string
		header        map[string]string
		body          string
	}{
		"no signature":                   {"github", hookSecret, map[string]string{"X-GitHub-Event": "push"}, githubPush},
		"empty signature":                {"github", hookSecret, hub("sha256="), githubPush},
		"not hexadecimal":                {"github", hookSecret, hub("sha256=zz"), githubPush},
		"half a signature":               {"github", hookSecret, hub("sha256=" + right[:32]), githubPush},
		"without the prefix":             {"github", hookSecret, hub(right), githubPush},
		"with the prefix of the old way": {"github", hookSecret, hub("sha1=" + right), githubPush},
		"of another secret":              {"github", hookSecret, hub("sha256=" + mac("another-secret", githubPush)), githubPush},
		"of the empty secret":            {"github", hookSecret, hub("sha256=" + mac("", githubPush)), githubPush},
		"of another body":                {"github", hookSecret, hub("sha256=" + right), githubPush + " "},
		"no secret is configured":        {"github", "", hub("sha256=" + mac("", githubPush)), githubPush},
		"GitHub's way on Gitea":          {"gitea", hookSecret, hub("sha256=" + right), githubPush},
		"GitHub's prefix on Gitea":       {"gitea", hookSecret, tea("sha256=" + right), githubPush},
		"Gitea's way on GitHub":          {"github", hookSecret, tea(right), githubPush},
		"Gitea's, of another body":       {"gitea", hookSecret, tea(right), githubPull},
		"GitLab's way on GitHub":         {"github", hookSecret, lab(hookSecret), githubPush},
		"another token on GitLab":        {"gitlab", hookSecret, lab(hookSecret + " "), githubPush},
		"the start of the token":         {"gitlab", hookSecret, lab(hookSecret[:8]), githubPush},
		"no token":                       {"gitlab", hookSecret, map[string]string{"X-Gitlab-Event": "Push Hook"}, githubPush},
		"empty token, no secret":         {"gitlab", "", lab(""), githubPush},
		"GitHub's way on GitLab":         {"gitlab", hookSecret, hub("sha256=" + right), githubPush},
		"a forge that nobody knows":      {"forge", hookSecret, hub("sha256=" + right), githubPush},
	} {
		var l looks
		if status, _ := get(t, routed(l.hook(c.forge, c.secret)), "POST", "/webhook", c.body, c.header); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
		l.want(t, name, 0, 0)
	}
}

func TestTwoSignaturesAreNone(t *testing.T) {
	var l looks
	req := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(githubPush))
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Add("X-Hub-Signature-256", "sha256="+mac(hookSecret, githubPush))
	req.Header.Add("X-Hub-Signature-256", "sha256="+mac(hookSecret, githubPush))
	rec := httptest.NewRecorder()
	routed(l.hook("github", hookSecret)).ServeHTTP(rec, req)
	if rec.Code != http.StatusUnauthorized {
		t.Errorf("%d", rec.Code)
	}
	l.want(t, "two signatures", 0, 0)
}

func TestAWebhookIsPosted(t *testing.T) {
	var l looks
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"} {
		if status, _ := get(t, routed(l.hook("github", hookSecret)), method, "/webhook", githubPush, delivery("github", hookSecret, "push", githubPush)); status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, status)
		}
	}
	l.want(t, "other methods", 0, 0)
}

func TestTooLargeAWebhookIsCut(t *testing.T) {
	for _, forge := range []string{"github", "gitea"} {
		var l looks
		req := httptest.NewRequest(http.MethodPost, "/webhook", io.LimitReader(zeros{}, 26<<20))
		for k, v := range delivery(forge, hookSecret, "push", "") {
			req.Header.Set(k, v)
		}
		rec := httptest.NewRecorder()
		l.hook(forge, hookSecret).ServeHTTP(rec, req)
		if rec.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d", forge, rec.Code)
		}
		l.want(t, forge, 0, 0)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// broken is a body whose sender goes away.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestABodyThatBreaksOffWakesNobody(t *testing.T) {
	var l looks
	req := httptest.NewRequest(http.MethodPost, "/webhook", broken{})
	for k, v := range delivery("github", hookSecret, "push", "") {
		req.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	l.hook("github", hookSecret).ServeHTTP(rec, req)
	if rec.Code != http.StatusBadRequest {
		t.Errorf("%d", rec.Code)
	}
	l.want(t, "broken off", 0, 0)
}

// A recorded delivery can be sent again by anybody who saw it. That never says
// anything new, and it costs the forge at most one look a second.
func TestReplayedDeliveriesCauseAtMostOneLookASecondOfEachKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l looks
		h := routed(l.hook("github", hookSecret))
		replay := func(event, body string) {
			if status, _ := get(t, h, "POST", "/webhook", body, delivery("github", hookSecret, event, body)); status != http.StatusAccepted {
				t.Errorf("%s: %d", event, status)
			}
		}
		for range 1000 {
			replay("push", githubPush)
		}
		l.want(t, "at once", 1, 0)
		replay("pull_request_review", githubView)
		l.want(t, "the other kind does not wait", 1, 1)

		const seconds = 10
		for range seconds * 100 {
			time.Sleep(10 * time.Millisecond) // of the test's own clock
			replay("pull_request", githubPull)
		}
		synctest.Wait()
		l.want(t, "after ten seconds of a flood", 1+seconds, 1+seconds)
	})
}

func TestADeliveryWithinTheSecondIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l looks
		h := routed(l.hook("github", hookSecret))
		push := func() {
			get(t, h, "POST", "/webhook", githubPush, delivery("github", hookSecret, "push", githubPush))
		}
		push()
		time.Sleep(100 * time.Millisecond)
		push()
		push()
		time.Sleep(899 * time.Millisecond)
		synctest.Wait()
		l.want(t, "before the second is over", 1, 0)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		l.want(t, "when it is over", 2, 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		l.want(t, "nothing more follows", 2, 0)
		push()
		l.want(t, "at once again", 3, 0)
	})
}
