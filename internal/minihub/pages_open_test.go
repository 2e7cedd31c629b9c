package minihub_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/minihub"
)

func TestAPullRequestIsOpenedFromAPushedBranchByButton(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := "/" + repoName + "/pulls"
	b := w.browser()
	if strings.Contains(b.open(list), "Open a pull request") {
		t.Error("without a branch the page offers to open a pull request")
	}
	_, err := w.hub.Push(repoName, minihub.Commit{Branch: "mine", From: "main", By: "alice", Message: "Ask for <b>access</b>", Write: map[string]string{"requests/mine.yaml": "x\n"}})
	w.must(err)
	wantIn(t, b.open(list), "Open a pull request", "<code>mine</code>", "choose whom to act as")
	if status, page := b.press(list, "head", "mine"); status != http.StatusUnauthorized || !strings.Contains(page, "Choose whom to act as first.") {
		t.Errorf("nobody opened a pull request: %d\n%s", status, page)
	}

	b.actAs("alice")
	wantIn(t, b.open(list), `<option value="mine">mine: Ask for &lt;b&gt;access&lt;/b&gt;</option>`)
	if status, page := b.press(list, "head", "nowhere", "title", "x"); status != http.StatusUnprocessableEntity || !strings.Contains(page, "Refused:") {
		t.Errorf("a branch that is not there: %d\n%s", status, page)
	}
	status, page := b.press(list, "head", "mine", "body", "Please.")
	if status != http.StatusOK {
		t.Fatalf("open: %d\n%s", status, page)
	}
	// Without a title it is that of the commit.
	wantIn(t, page, "Ask for &lt;b&gt;access&lt;/b&gt;", "wants to merge 1 commit", "Please.", "requests/mine.yaml")
	if strings.Contains(b.open(list), "Open a pull request") {
		t.Error("a branch with an open pull request is offered again")
	}

	pulls, err := w.hub.Pulls(repoName)
	w.must(err)
	_, err = w.hub.Merge(repoName, pulls[0].Number, "bob", "squash")
	w.must(err)
	if strings.Contains(b.open(list), "Open a pull request") {
		t.Error("a branch that was merged is offered again")
	}
	merged := b.open("/" + repoName + "/pull/1")
	wantIn(t, merged, "asked to merge 1 commit", "merged this as")
	if strings.Contains(merged, "closed this") || strings.Contains(merged, `value="approve"`) {
		t.Error("a merged pull request shows that it was closed, or can be approved")
	}
}
