package minihub_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/minihub/hubcheck"
)

func newCheckedWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, func(h http.Handler) http.Handler { return hubcheck.Handler(t, h) })
}

func TestAnAdministratorsEditKeepsTheAuthorOfAComment(t *testing.T) {
	w := newCheckedWorld(t)
	n := w.open("alice", "topic")
	w.hub.AddBot("tenure[bot]")
	w.hub.AddUser("reader")
	w.must(w.hub.Comment(repoName, n, "tenure[bot]", "as written"))
	comments, err := w.hub.Comments(repoName, n)
	w.must(err)
	path := fmt.Sprintf("%s/issues/comments/%d", rp, comments[0].ID)

	w.clock.add(time.Minute)
	w.as("reader").do("PATCH", path, object{"body": "no right"}, http.StatusForbidden)
	w.as("root").do("PATCH", path, object{"body": "as edited"}, http.StatusOK)
	got := w.as("carol").get(path)
	if at(got, "user", "login") != "tenure[bot]" || at(got, "user", "type") != "Bot" || got["body"] != "as edited" {
		t.Errorf("comment is %v by %v", got["body"], at(got, "user", "login"))
	}
	if got["created_at"] != "2026-11-23T09:00:00Z" || got["updated_at"] != "2026-11-23T09:01:00Z" {
		t.Errorf("created %v, updated %v", got["created_at"], got["updated_at"])
	}
	if u := w.pull(n)["updated_at"]; u != "2026-11-23T09:01:00Z" {
		t.Errorf("the pull request was updated at %v", u)
	}
	if err := w.hub.EditComment(repoName, comments[0].ID, "reader", "x"); err == nil {
		t.Error("a reader edited somebody else's comment")
	}
	w.clock.add(time.Minute)
	w.as("root").do("DELETE", path, nil, http.StatusNoContent)
	if u := w.pull(n)["updated_at"]; u != "2026-11-23T09:02:00Z" {
		t.Errorf("after a comment was deleted: updated at %v", u)
	}
	comment := object{"body": strings.Repeat("ä", 65536)}
	w.as("bob").do("POST", fmt.Sprintf("%s/issues/%d/comments", rp, n), comment, http.StatusCreated)
	comment["body"] = strings.Repeat("ä", 65537)
	w.as("bob").do("POST", fmt.Sprintf("%s/issues/%d/comments", rp, n), comment, http.StatusUnprocessableEntity)
}

func TestTheFilesOfAPullRequestStopAtALimitThatTheCountDoesNotKnow(t *testing.T) {
	w := newCheckedWorld(t)
	w.push(minihub.Commit{Branch: "topic", By: "alice", Write: map[string]string{"a": "1", "b": "1", "c": "1"}})
	n, err := w.hub.OpenPull(repoName, "alice", minihub.PullRequest{Title: "t", Head: "topic"})
	w.must(err)
	w.push(minihub.Commit{By: "root", Write: map[string]string{"later": "not of the pull request"}})
	w.hub.LimitFiles(2)
	files := w.as("bob").list(fmt.Sprintf("%s/pulls/%d/files", rp, n))
	if got := column(files, "filename"); !slices.Equal(got, []any{"a", "b"}) || num(w.pull(n)["changed_files"]) != 3 {
		t.Errorf("files %v of %v", got, w.pull(n)["changed_files"])
	}
	w.hub.LimitFiles(3)
	if got := w.as("bob").list(fmt.Sprintf("%s/pulls/%d/files", rp, n)); len(got) != 3 {
		t.Errorf("%d files", len(got))
	}
}

func TestStatusesHaveACreatorAndLimits(t *testing.T) {
	w := newCheckedWorld(t)
	sha := mustHead(w, "main")
	w.hub.AddBot("tenure[bot]")
	w.must(w.hub.SetPermission(repoName, "tenure[bot]", minihub.Write))
	bot, path := w.as("tenure[bot]"), rp+"/statuses/"+sha
	bot.do("POST", path, object{"state": "pending", "context": "tenure", "description": strings.Repeat("ä", 140)}, http.StatusCreated)
	bot.do("POST", path, object{"state": "success", "context": "tenure", "description": strings.Repeat("ä", 141)}, http.StatusUnprocessableEntity)
	w.must(w.hub.SetStatus(repoName, sha, "alice", "Tenure", "failure"))
	list := bot.list(rp + "/commits/" + sha + "/statuses")
	if got := column(list, "creator", "login"); !slices.Equal(got, []any{"alice", "tenure[bot]"}) {
		t.Errorf("creators, newest first: %v", got)
	}
	combined := bot.get(rp + "/commits/" + sha + "/status")
	if num(combined["total_count"]) != 1 || combined["state"] != "failure" {
		t.Errorf("contexts that differ in case only: %v of %v", combined["state"], combined["total_count"])
	}
	for range 998 {
		w.must(w.hub.SetStatus(repoName, sha, "alice", "tenure", "success"))
	}
	if err := w.hub.SetStatus(repoName, sha, "alice", "tenure", "success"); err == nil {
		t.Error("a commit has more than 1000 statuses of one context")
	}
	w.must(w.hub.SetStatus(repoName, sha, "alice", "other", "success"))
}

func TestTheListOfABaseIsConditional(t *testing.T) {
	w := newCheckedWorld(t)
	n := w.open("alice", "topic")
	w.push(minihub.Commit{Branch: "release", By: "root", Write: map[string]string{"r": "1"}})
	c, path := w.as("bob"), rp+"/pulls?state=open&base=main"
	etag := ""
	changed := func(what string) {
		t.Helper()
		resp := c.request("GET", path, nil, "If-None-Match", etag)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("ETag") == etag {
			t.Errorf("%s: %d", what, resp.StatusCode)
		}
		etag = resp.Header.Get("ETag")
		w.clock.add(time.Minute)
		if again := c.request("GET", path, nil, "If-None-Match", etag); again.StatusCode != http.StatusNotModified {
			t.Errorf("after %s, unchanged: %d", what, again.StatusCode)
		}
	}
	changed("opened")
	w.push(minihub.Commit{Branch: "topic", By: "alice", Write: map[string]string{"more": "1"}})
	changed("pushed")
	w.must(w.hub.Approve(repoName, n, "bob"))
	changed("reviewed")
	w.must(w.hub.Comment(repoName, n, "carol", "why?"))
	changed("commented")
	w.must(w.hub.EditPull(repoName, n, "alice", "Another title", ""))
	changed("edited")
	_, err := w.hub.ForceReview(repoName, n, "alice", minihub.Approved)
	w.must(err)
	changed("reviewed by force")
	w.must(w.hub.Retarget(repoName, n, "alice", "release"))
	changed("retargeted")
	if got := c.list(path); len(got) != 0 {
		t.Errorf("into main: %v", column(got, "number"))
	}
}
