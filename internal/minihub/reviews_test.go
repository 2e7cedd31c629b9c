package minihub_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/minihub"
)

func (w *world) reviews(n int) []object {
	w.t.Helper()
	return w.as("carol").list(fmt.Sprintf("%s/pulls/%d/reviews", rp, n))
}

func TestNobodyApprovesTheirOwnPullRequest(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	path := fmt.Sprintf("%s/pulls/%d/reviews", rp, n)
	for event, want := range map[string]string{
		"APPROVE":         "Can not approve your own pull request",
		"REQUEST_CHANGES": "Can not request changes on your own pull request",
	} {
		got := w.as("alice").do("POST", path, object{"event": event, "body": "x"}, http.StatusUnprocessableEntity).(object)
		if errs, _ := got["errors"].([]any); !slices.Equal(errs, []any{want}) {
			t.Errorf("%s: %v", event, got)
		}
	}
	w.as("alice").do("POST", path, object{"event": "COMMENT", "body": "a note"}, http.StatusOK)
	w.must(w.hub.Approve(repoName, n, "bob"))
}

func TestAReviewKeepsTheCommitItWasGivenOn(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	first := at(w.pull(n), "head", "sha")
	w.must(w.hub.Approve(repoName, n, "bob"))
	w.clock.add(time.Minute)
	second := w.push(minihub.Commit{Branch: "topic", By: "alice", Write: map[string]string{"more": "1"}})
	rv := w.reviews(n)[0]
	if rv["commit_id"] != first || rv["state"] != "APPROVED" || rv["submitted_at"] != "2026-11-23T09:00:00Z" {
		t.Errorf("after a push the review is %v", rv)
	}
	w.must(w.hub.RepointReviews(repoName, n))
	rv = w.reviews(n)[0]
	if rv["commit_id"] != second || rv["submitted_at"] != "2026-11-23T09:00:00Z" {
		t.Errorf("re-pointed, the review is %v", rv)
	}
	// A review can name an older commit of the pull request, but no other commit.
	path := fmt.Sprintf("%s/pulls/%d/reviews", rp, n)
	w.as("carol").do("POST", path, object{"event": "APPROVE", "commit_id": first}, http.StatusOK)
	w.as("carol").do("POST", path, object{"event": "APPROVE", "commit_id": mustHead(w, "main")}, http.StatusUnprocessableEntity)
}

func TestPushesDismissStaleApprovalsWhereProtectionSaysSo(t *testing.T) {
	w := newWorld(t)
	w.must(w.hub.ProtectBranch(repoName, "main", minihub.Protection{Approvals: 1, DismissStale: true}))
	n := w.open("alice", "topic")
	w.must(w.hub.Approve(repoName, n, "bob"))
	w.push(minihub.Commit{Branch: "topic", By: "alice", Write: map[string]string{"more": "1"}})
	if got := w.reviews(n)[0]["state"]; got != "DISMISSED" {
		t.Errorf("review is %v", got)
	}
	if got := w.events(n); !slices.Equal(got, []any{"review_dismissed"}) {
		t.Errorf("events are %v", got)
	}
	if _, err := w.hub.Merge(repoName, n, "carol", "merge"); err == nil {
		t.Error("merged on a stale approval")
	}
}

func TestDismissal(t *testing.T) {
	w := newWorld(t)
	w.hub.AddUser("reader")
	n := w.open("alice", "topic")
	id, err := w.hub.Review(repoName, n, "bob", "APPROVE", "")
	w.must(err)
	note, err := w.hub.Review(repoName, n, "carol", "COMMENT", "note")
	w.must(err)
	path := fmt.Sprintf("%s/pulls/%d/reviews/%d/dismissals", rp, n, id)
	w.as("reader").do("PUT", path, object{"message": "no"}, http.StatusForbidden)
	w.as("carol").do("PUT", path, object{"message": ""}, http.StatusUnprocessableEntity)
	w.as("carol").do("PUT", fmt.Sprintf("%s/pulls/%d/reviews/%d/dismissals", rp, n, note), object{"message": "x"}, http.StatusUnprocessableEntity)
	w.as("carol").do("PUT", path, object{"message": "too early"}, http.StatusOK)
	events := w.as("carol").list(fmt.Sprintf("%s/issues/%d/timeline", rp, n))
	got := events[len(events)-1]
	if got["event"] != "review_dismissed" || at(got, "dismissed_review", "state") != "approved" ||
		num(at(got, "dismissed_review", "review_id")) != int(id) || at(got, "dismissed_review", "dismissal_message") != "too early" || at(got, "actor", "login") != "carol" {
		t.Errorf("timeline ends with %v", got)
	}
}

func TestAMergeNeedsWhatProtectionAsks(t *testing.T) {
	w := newWorld(t)
	w.hub.AddUser("reader")
	w.must(w.hub.ProtectBranch(repoName, "main", minihub.Protection{Approvals: 2, RequireStatuses: []string{"validate"}}))
	n := w.open("alice", "topic")
	refused := func(why string) {
		t.Helper()
		if sha, err := w.hub.Merge(repoName, n, "root", "merge"); err == nil {
			t.Fatalf("%s: merged as %s", why, sha)
		}
	}
	refused("no approval")
	w.must(w.hub.Approve(repoName, n, "bob"))
	w.must(w.hub.Approve(repoName, n, "bob"))
	refused("one person twice")
	w.must(w.hub.Approve(repoName, n, "reader"))
	refused("an approval without write permission")
	w.must(w.hub.Approve(repoName, n, "carol"))
	refused("no status")
	w.must(w.hub.SetStatus(repoName, mustHead(w, "topic"), "root", "validate", "failure"))
	refused("failed status")
	w.must(w.hub.SetStatus(repoName, mustHead(w, "topic"), "root", "validate", "success"))
	id, err := w.hub.Review(repoName, n, "bob", "REQUEST_CHANGES", "wait")
	w.must(err)
	refused("changes requested")
	w.must(w.hub.DismissReview(repoName, n, id, "root", "done"))
	refused("what bob said before is superseded")
	w.must(w.hub.Approve(repoName, n, "bob"))
	if state := w.pull(n)["mergeable_state"]; state != "clean" {
		t.Errorf("mergeable_state is %v", state)
	}
	w.as("reader").do("PUT", fmt.Sprintf("%s/pulls/%d/merge", rp, n), object{}, http.StatusForbidden)
	if _, err := w.hub.Merge(repoName, n, "bob", "squash"); err != nil {
		t.Error(err)
	}
}

func TestAdministratorsMayBypassProtectionThatAllowsIt(t *testing.T) {
	w := newWorld(t)
	w.must(w.hub.ProtectBranch(repoName, "main", minihub.Protection{Approvals: 1, AllowBypass: true}))
	n := w.open("alice", "topic")
	if _, err := w.hub.Merge(repoName, n, "bob", "merge"); err == nil {
		t.Error("a writer bypassed protection")
	}
	if _, err := w.hub.Merge(repoName, n, "root", "merge"); err != nil {
		t.Error(err)
	}
}

func TestABotOpensPullRequests(t *testing.T) {
	w := newWorld(t)
	w.hub.AddBot("renovate[bot]")
	w.must(w.hub.SetPermission(repoName, "renovate[bot]", minihub.Write))
	n := w.open("renovate[bot]", "bump")
	if got := at(w.pull(n), "user", "type"); got != "Bot" {
		t.Errorf("author is a %v", got)
	}
}
