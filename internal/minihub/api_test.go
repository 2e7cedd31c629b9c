package minihub_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/minihub"
)

func TestListsArePaged(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	for i := range 7 {
		w.must(w.hub.Comment(repoName, n, "bob", fmt.Sprint(i)))
	}
	c := w.as("carol")
	path := fmt.Sprintf("%s/issues/%d/comments", rp, n)
	var bodies []any
	next := w.srv.URL + "/api/v3" + path + "?per_page=3"
	for next != "" {
		bodies = append(bodies, column(c.list(next), "body")...)
		resp := c.request("GET", next, nil)
		next = linkOf(resp, "next")
		if next == "" && (linkOf(resp, "first") == "" || linkOf(resp, "prev") == "" || linkOf(resp, "last") != "") {
			t.Errorf("the last page links to %q", resp.Header.Get("Link"))
		}
	}
	if !slices.Equal(bodies, []any{"0", "1", "2", "3", "4", "5", "6"}) {
		t.Errorf("comments are %v", bodies)
	}
	if got := c.list(path + "?page=9"); len(got) != 0 {
		t.Errorf("beyond the end: %v", got)
	}
	for range 120 {
		w.must(w.hub.Comment(repoName, n, "bob", "x"))
	}
	if got := len(c.list(path)); got != 30 {
		t.Errorf("default page has %d", got)
	}
	if got := len(c.list(path + "?per_page=1000")); got != 100 {
		t.Errorf("largest page has %d", got)
	}
}

func TestPullRequestsAreFilteredAndSorted(t *testing.T) {
	w := newWorld(t)
	one, two := w.open("alice", "one"), w.open("bob", "two")
	w.clock.add(time.Minute)
	w.must(w.hub.Comment(repoName, one, "bob", "bump"))
	w.must(w.hub.ClosePull(repoName, w.open("carol", "three"), "carol"))
	for query, want := range map[string][]any{
		"":                                 {two, one},
		"state=all&direction=asc":          {one, two, 3},
		"state=closed":                     {3},
		"head=acme:one":                    {one},
		"head=mallory:one":                 {},
		"head=one":                         {two, one}, // no owner: ignored
		"base=release":                     {},
		"sort=updated&direction=desc":      {one, two},
		"sort=updated":                     {two, one},
		"sort=created&state=all":           {3, two, one},
		"per_page=1&page=2&direction=desc": {one},
	} {
		got := []any{}
		for _, p := range w.as("bob").list(rp + "/pulls?" + query) {
			got = append(got, num(p["number"]))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
}

func TestUnchangedAnswersAreNotSentAgainAndAreFree(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	c := w.as("bob")
	path := fmt.Sprintf("%s/pulls/%d/reviews", rp, n)
	first := c.request("GET", path, nil)
	etag := first.Header.Get("ETag")
	again := c.request("GET", path, nil, "If-None-Match", etag)
	if again.StatusCode != http.StatusNotModified || again.ContentLength > 0 {
		t.Errorf("unchanged: %d", again.StatusCode)
	}
	if a, b := first.Header.Get("X-RateLimit-Remaining"), again.Header.Get("X-RateLimit-Remaining"); a != b || a == "" {
		t.Errorf("remaining went from %s to %s", a, b)
	}
	w.must(w.hub.Approve(repoName, n, "carol"))
	changed := c.request("GET", path, nil, "If-None-Match", etag)
	if changed.StatusCode != http.StatusOK || changed.Header.Get("ETag") == etag {
		t.Errorf("changed: %d, ETag %s", changed.StatusCode, changed.Header.Get("ETag"))
	}
	var conditional []int
	for _, r := range w.hub.Requests() {
		if r.Conditional {
			conditional = append(conditional, r.Status)
		}
		if r.User != "bob" {
			t.Errorf("request by %q", r.User)
		}
	}
	if !slices.Equal(conditional, []int{304, 200}) || w.hub.Count("GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews") != 3 {
		t.Errorf("seen %+v", w.hub.Requests())
	}
}

func TestTheRateLimitOfAnHour(t *testing.T) {
	w := newWorld(t)
	w.hub.SetRateLimit(3)
	c := w.as("bob")
	for range 3 {
		c.get(rp)
	}
	resp := c.request("GET", rp, nil)
	if resp.StatusCode != http.StatusForbidden || resp.Header.Get("X-RateLimit-Remaining") != "0" ||
		resp.Header.Get("X-RateLimit-Limit") != "3" || resp.Header.Get("X-RateLimit-Reset") != fmt.Sprint(w.clock.Now().Add(time.Hour).Unix()) {
		t.Errorf("%d, %v", resp.StatusCode, resp.Header)
	}
	if got := at(c.get("/rate_limit"), "rate", "used"); num(got) != 3 {
		t.Errorf("used is %v", got)
	}
	w.as("carol").get(rp) // has an hour of her own
	w.clock.add(time.Hour)
	c.get(rp)
}

func TestFailuresAreInjected(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	c := w.as("bob")
	fail := func(f *minihub.Failure) { w.hub.Fail(func(*http.Request) *minihub.Failure { return f }) }

	fail(minihub.SecondaryLimited(90 * time.Second))
	if resp := c.request("GET", rp, nil); resp.StatusCode != http.StatusForbidden || resp.Header.Get("Retry-After") != "90" {
		t.Errorf("%d, Retry-After %s", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	fail(minihub.RateLimited(w.clock.Now()))
	if resp := c.request("GET", rp, nil); resp.Header.Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("headers %v", resp.Header)
	}
	fail(&minihub.Failure{Status: http.StatusBadGateway})
	c.do("GET", rp, nil, http.StatusBadGateway)

	fail(&minihub.Failure{Drop: true})
	if err := tryGet(t.Context(), w, rp); err == nil {
		t.Error("a dropped connection was answered")
	}
	fail(&minihub.Failure{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := tryGet(ctx, w, rp); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a hanging request ended with %v", err)
	}
	// A lost response: the merge happened, the client does not know.
	fail(&minihub.Failure{Status: http.StatusBadGateway, Late: true})
	c.do("PUT", fmt.Sprintf("%s/pulls/%d/merge", rp, n), object{}, http.StatusBadGateway)
	w.hub.Fail(nil)
	if w.pull(n)["merged"] != true {
		t.Error("the merge of a lost response did not happen")
	}
	dir := w.clone("alice")
	var asked atomic.Int32
	w.hub.Fail(func(*http.Request) *minihub.Failure {
		asked.Add(1)
		return &minihub.Failure{Status: http.StatusServiceUnavailable}
	})
	if out, err := w.git(dir, "fetch"); err == nil || asked.Load() == 0 {
		t.Errorf("git fetched through a failure: %s", out)
	}
}

func tryGet(ctx context.Context, w *world, path string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", w.srv.URL+"/api/v3"+path, nil)
	if err != nil {
		return err
	}
	resp, err := w.srv.Client().Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

func TestTheDateIsTheForgesOwn(t *testing.T) {
	w := newWorld(t)
	w.clock.add(42 * time.Minute)
	for _, url := range []string{"/api/v3" + rp, rp, "/" + repoName + ".git/info/refs?service=git-upload-pack"} {
		resp := w.as("bob").request("GET", w.srv.URL+url, nil)
		if got := resp.Header.Get("Date"); got != "Mon, 23 Nov 2026 09:42:00 GMT" {
			t.Errorf("%s: Date %q", url, got)
		}
	}
}

func TestAccountsAreNumbersNotLogins(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	w.must(w.hub.Approve(repoName, n, "bob"))
	old := num(w.reviews(n)[0]["user"].(object)["id"])

	w.must(w.hub.RenameUser("bob", "robert"))
	if got := w.reviews(n)[0]["user"].(object); got["login"] != "robert" || num(got["id"]) != old {
		t.Errorf("after a rename the reviewer is %v", got)
	}
	w.must(w.hub.DeleteUser("robert"))
	if got := w.reviews(n)[0]["user"]; got != nil {
		t.Errorf("after deletion the reviewer is %v", got)
	}
	w.as("carol").do("GET", fmt.Sprintf("/user/%d", old), nil, http.StatusNotFound)
	fresh := w.hub.AddUser("robert")
	if fresh.ID == int64(old) || w.reviews(n)[0]["user"] != nil {
		t.Error("a login registered again took over the old account")
	}
	w.must(w.hub.DeleteUser("alice"))
	if got := w.pull(n)["user"].(object); got["login"] != "ghost" || num(got["id"]) != 10137 {
		t.Errorf("author who is gone is %v", got)
	}
}

func TestWhatMayNotBeSeenDoesNotExist(t *testing.T) {
	w := newWorld(t)
	w.hub.AddUser("stranger")
	w.must(w.hub.SetPrivate(repoName, true))
	w.as("stranger").do("GET", rp, nil, http.StatusNotFound)
	client{w: w}.do("GET", rp, nil, http.StatusNotFound)
	client{w: w, token: "nonsense"}.do("GET", rp, nil, http.StatusUnauthorized)
	w.must(w.hub.SetPrivate(repoName, false))
	client{w: w}.get(rp)
	client{w: w}.do("POST", rp+"/git/refs", object{"ref": "refs/heads/x", "sha": mustHead(w, "main")}, http.StatusUnauthorized)
	w.as("stranger").do("POST", rp+"/git/refs", object{"ref": "refs/heads/x", "sha": mustHead(w, "main")}, http.StatusForbidden)
	w.as("bob").do("GET", rp+"/no-such-call", nil, http.StatusNotFound)
	w.as("bob").do("PUT", rp, nil, http.StatusMethodNotAllowed)
	token := w.as("bob")
	w.hub.RevokeToken(token.token)
	token.do("GET", rp, nil, http.StatusUnauthorized)
}

func TestARenamedRepositoryRedirectsUntilItsNameIsTaken(t *testing.T) {
	w := newWorld(t)
	id := w.as("bob").get(rp)["id"]
	w.must(w.hub.RenameRepo(repoName, "moved"))
	if got := w.as("bob").get(rp); got["id"] != id || got["full_name"] != "acme/moved" {
		t.Errorf("the old name leads to %v", got["full_name"])
	}
	w.mustGit(t.TempDir(), "ls-remote", w.remote("bob", repoName))
	if _, err := w.hub.CreateRepo(repoName); err != nil {
		t.Fatal(err)
	}
	if got := w.as("bob").get(rp); got["id"] == id {
		t.Error("the new repository under the old name has the old number")
	}
}

func TestRefsMoveForwardUnlessForced(t *testing.T) {
	w := newWorld(t)
	w.open("alice", "topic")
	c, base := w.as("alice"), mustHead(w, "main")
	c.do("POST", rp+"/git/refs", object{"ref": "refs/heads/topic", "sha": base}, http.StatusUnprocessableEntity)
	c.do("POST", rp+"/git/refs", object{"ref": "topic", "sha": base}, http.StatusUnprocessableEntity)
	c.do("PATCH", rp+"/git/refs/heads/topic", object{"sha": base}, http.StatusUnprocessableEntity)
	c.do("PATCH", rp+"/git/refs/heads/none", object{"sha": base}, http.StatusUnprocessableEntity)
	c.do("DELETE", rp+"/git/refs/heads/none", nil, http.StatusUnprocessableEntity)
	c.do("DELETE", rp+"/git/refs/pull/1/head", nil, http.StatusUnprocessableEntity)
	other := w.push(minihub.Commit{Branch: "other", From: "main", By: "bob", Write: map[string]string{"o": "1"}})
	c.do("PATCH", rp+"/git/refs/heads/topic", object{"sha": other, "force": true}, http.StatusOK)
	kinds := column(w.activity("ref=topic"), "activity_type")
	if !slices.Equal(kinds, []any{"branch_creation", "force_push"}) {
		t.Errorf("push record is %v", kinds)
	}
	if got := w.events(1); !slices.Equal(got, []any{"head_ref_force_pushed"}) {
		t.Errorf("events are %v", got)
	}
}

func TestAClosedHubAnswersNothing(t *testing.T) {
	w := newWorld(t)
	w.must(w.hub.Close())
	w.as("bob").do("GET", rp, nil, http.StatusServiceUnavailable)
	if out, err := w.git(t.TempDir(), "ls-remote", w.remote("bob", repoName)); err == nil {
		t.Errorf("git was answered: %s", out)
	}
}
