package minihub_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/minihub"
)

// browser is a client with cookies that presses buttons.
type browser struct {
	w  *world
	cl *http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	w.must(err)
	return &browser{w: w, cl: &http.Client{Jar: jar, Transport: w.srv.Client().Transport}}
}

func (b *browser) read(resp *http.Response, err error) (int, string) {
	b.w.t.Helper()
	b.w.must(err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	b.w.must(err)
	return resp.StatusCode, string(raw)
}

func (b *browser) open(path string) string {
	b.w.t.Helper()
	status, page := b.read(b.cl.Get(b.w.srv.URL + path))
	if status != http.StatusOK {
		b.w.t.Fatalf("%s: %d\n%s", path, status, page)
	}
	return page
}

func (b *browser) press(path string, form ...string) (int, string) {
	b.w.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	return b.read(b.cl.PostForm(b.w.srv.URL+path, values))
}

func (b *browser) actAs(login string) {
	b.w.t.Helper()
	if status, page := b.press("/act-as", "login", login, "back", "/"+repoName); status != http.StatusOK {
		b.w.t.Fatalf("act as %s: %d %s", login, status, page)
	}
}

func wantIn(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(page, p) {
			t.Errorf("page lacks %q:\n%s", p, page)
		}
	}
}

func TestAPullRequestIsApprovedAndMergedByButton(t *testing.T) {
	w := newWorld(t)
	w.must(w.hub.ProtectBranch(repoName, "main", minihub.Protection{Approvals: 1}))
	n := w.open("alice", "topic")
	path := fmt.Sprintf("/%s/pull/%d", repoName, n)
	b := w.browser()

	wantIn(t, b.open("/"), repoName, "1 open pull request<")
	wantIn(t, b.open("/"+repoName+"/pulls"), "Add topic", "topic → main")
	wantIn(t, b.open(path), "Merging is blocked", "At least 1 approving review is required", "&#43;topic", "Choose whom to act as")

	b.actAs("alice")
	status, page := b.press(path, "action", "approve")
	if status != http.StatusUnprocessableEntity {
		t.Errorf("self-approval answered %d", status)
	}
	wantIn(t, page, "Refused: Can not approve your own pull request")
	status, page = b.press(path, "action", "merge")
	if status != http.StatusMethodNotAllowed {
		t.Errorf("unapproved merge answered %d", status)
	}
	wantIn(t, page, "Refused: At least 1 approving review")

	b.actAs("bob")
	_, page = b.press(path, "action", "approve", "body", "fine <b>by me</b>")
	wantIn(t, page, "approved", "fine &lt;b&gt;by me&lt;/b&gt;", "Ready to merge")
	_, page = b.press(path, "action", "squash")
	wantIn(t, page, "bob merged this as", `class="state merged"`)
	wantIn(t, b.open("/"+repoName), "Add topic (#1)", "topic.yaml")
	wantIn(t, b.open("/"+repoName+"/pulls?state=closed"), "Add topic")
	if p, err := w.hub.Pull(repoName, n); err != nil || !p.Merged {
		t.Errorf("pull request is %+v, %v", p, err)
	}
}

func TestPagesOfBranchesCommitsAndFiles(t *testing.T) {
	w := newWorld(t)
	sha := w.push(minihub.Commit{Branch: "a/b", By: "alice", Message: "Subject\n\nBody", Write: map[string]string{"dir/x.yaml": "k: <v>\n"}})
	b := w.browser()
	wantIn(t, b.open("/"+repoName+"/tree/a/b"), "Subject", "dir/x.yaml", "README.md")
	wantIn(t, b.open("/"+repoName+"/commit/"+sha), "Subject", "Body", "k: &lt;v&gt;")
	wantIn(t, b.open("/"+repoName+"/blob/"+sha+"/dir/x.yaml"), "k: &lt;v&gt;")
	for _, path := range []string{"/nobody/nothing", "/" + repoName + "/pull/7", "/" + repoName + "/tree/none", "/" + repoName + "/blob/main/none"} {
		if status, _ := b.read(b.cl.Get(w.srv.URL + path)); status != http.StatusNotFound {
			t.Errorf("%s answered %d", path, status)
		}
	}
}

func TestButtonsArePressedFromOurOwnPagesOnly(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	for name, header := range map[string][2]string{
		"another origin":       {"Origin", "http://evil.example.com"},
		"a cross-site request": {"Sec-Fetch-Site", "cross-site"},
	} {
		resp := client{w: w}.request("POST", fmt.Sprintf("%s/%s/pull/%d", w.srv.URL, repoName, n), nil,
			header[0], header[1], "Cookie", "minihub_user=bob", "Content-Type", "application/x-www-form-urlencoded")
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, resp.StatusCode)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", w.srv.URL+"/", nil)
	w.must(err)
	req.Host = "rebound.example.com"
	if status, _ := w.browser().read(w.srv.Client().Do(req)); status != http.StatusForbidden {
		t.Errorf("a foreign host name answered %d, want 403", status)
	}
}

func TestActingAsReturnsToOurOwnPagesOnly(t *testing.T) {
	w := newWorld(t)
	cl := &http.Client{
		Transport:     w.srv.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for back, want := range map[string]string{
		"/acme/access/pulls": "/acme/access/pulls", "//evil.example.com": "/", "http://evil.example.com": "/", `/\evil.example.com`: "/", "": "/",
	} {
		resp, err := cl.PostForm(w.srv.URL+"/act-as", url.Values{"login": {"bob"}, "back": {back}})
		w.must(err)
		_ = resp.Body.Close()
		if got := resp.Header.Get("Location"); got != want {
			t.Errorf("back %q goes to %q, want %q", back, got, want)
		}
	}
}
