package minihub_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/tenure-dev/tenure/internal/minihub"
)

func (w *world) pull(n int) object {
	w.t.Helper()
	return w.as("carol").get(fmt.Sprintf("%s/pulls/%d", rp, n))
}

// events lists the kinds of a pull request's events.
func (w *world) events(n int) []any {
	w.t.Helper()
	return column(w.as("carol").list(fmt.Sprintf("%s/issues/%d/events", rp, n)), "event")
}

func TestTheHeadFollowsPushes(t *testing.T) {
	w := newWorld(t)
	w.hub.AddUser("mallory")
	_, err := w.hub.Fork(repoName, "mallory")
	w.must(err)
	own := w.open("alice", "topic")
	_, err = w.hub.Push("mallory/access", minihub.Commit{Branch: "topic", By: "mallory", Write: map[string]string{"m": "1"}})
	w.must(err)
	forked, err := w.hub.OpenPull(repoName, "mallory", minihub.PullRequest{Title: "m", Head: "mallory:topic"})
	w.must(err)

	sha := w.push(minihub.Commit{Branch: "topic", By: "bob", Write: map[string]string{"more": "1"}})
	if got := at(w.pull(own), "head", "sha"); got != sha {
		t.Errorf("head is %v, want %s", got, sha)
	}
	forkSHA, err := w.hub.Push("mallory/access", minihub.Commit{Branch: "topic", From: "main", Force: true, By: "mallory", Write: map[string]string{"m": "2"}})
	w.must(err)
	pr := w.pull(forked)
	if at(pr, "head", "sha") != forkSHA || at(pr, "head", "label") != "mallory:topic" || at(pr, "head", "repo", "id") == at(pr, "base", "repo", "id") {
		t.Errorf("head from the fork is %v", pr["head"])
	}
	if got := w.events(forked); !slices.Equal(got, []any{"head_ref_force_pushed"}) {
		t.Errorf("events are %v", got)
	}
	if got := w.events(own); len(got) != 0 {
		t.Errorf("a fast-forward push left events %v", got)
	}
}

func TestEachMergeMethodMakesItsCommits(t *testing.T) {
	for method, wantParents := range map[string]int{"merge": 2, "squash": 1, "rebase": 1} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			n := w.open("alice", "topic")
			head := w.push(minihub.Commit{Branch: "topic", By: "alice", Message: "Second", Write: map[string]string{"second.yaml": "2\n"}})
			base := w.push(minihub.Commit{By: "root", Write: map[string]string{"other": "1"}})
			sha, err := w.hub.Merge(repoName, n, "bob", method)
			w.must(err)
			c := w.as("carol")
			commit := c.get(rp + "/git/commits/" + sha)
			if got := len(commit["parents"].([]any)); got != wantParents {
				t.Errorf("%d parents, want %d", got, wantParents)
			}
			if at(commit, "committer", "name") != "GitHub" {
				t.Errorf("committer is %v", commit["committer"])
			}
			for _, f := range []string{"topic.yaml", "second.yaml", "other"} {
				c.get(rp + "/contents/" + f)
			}
			pr := w.pull(n)
			if pr["merged"] != true || pr["merge_commit_sha"] != sha || at(pr, "merged_by", "login") != "bob" || pr["state"] != "closed" ||
				at(pr, "head", "sha") != head || num(pr["commits"]) != 2 || num(pr["changed_files"]) != 2 {
				t.Errorf("pull request is %v", pr)
			}
			if got := w.events(n); !slices.Equal(got, []any{"merged", "closed"}) {
				t.Errorf("events are %v", got)
			}
			acts := w.activity("ref=main&activity_type=pr_merge")
			if len(acts) != 1 || acts[0]["before"] != base || acts[0]["after"] != sha || at(acts[0], "actor", "login") != "bob" {
				t.Errorf("push record is %v", acts)
			}
			// Every commit that came to the branch answers with this pull request.
			for at := sha; at != base; {
				found := c.list(rp + "/commits/" + at + "/pulls")
				if len(found) != 1 || num(found[0]["number"]) != n {
					t.Errorf("pull requests of %s are %v", at, column(found, "number"))
				}
				at = c.get(rp + "/git/commits/" + at)["parents"].([]any)[0].(object)["sha"].(string)
			}
			if found := c.list(rp + "/commits/" + base + "/pulls"); len(found) != 0 {
				t.Errorf("a direct push belongs to %v", column(found, "number"))
			}
		})
	}
}

func TestADirectPushOfTheHeadMergesIndirectly(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	dir := w.clone("bob")
	w.mustGit(dir, "merge", "-q", "--no-ff", "-m", "local merge", "origin/topic")
	merge := w.mustGit(dir, "rev-parse", "HEAD")
	w.commitFile(dir, "later", "1", "later")
	w.mustGit(dir, "push", "-q", "origin", "main")

	pr := w.pull(n)
	if pr["merged"] != true || pr["merge_commit_sha"] != merge || at(pr, "merged_by", "login") != "bob" {
		t.Errorf("merged %v as %v by %v, want %s", pr["merged"], pr["merge_commit_sha"], at(pr, "merged_by", "login"), merge)
	}
	if got := w.events(n); !slices.Equal(got, []any{"merged", "closed"}) {
		t.Errorf("events are %v", got)
	}
	if acts := w.activity("activity_type=pr_merge"); len(acts) != 0 {
		t.Errorf("a direct push was recorded as a merge: %v", acts)
	}
	found := w.as("bob").list(rp + "/commits/" + merge + "/pulls")
	if len(found) != 1 || num(found[0]["number"]) != n {
		t.Errorf("pull requests of the merge are %v", column(found, "number"))
	}
}

func TestMergingOnePullRequestMergesThoseItContains(t *testing.T) {
	w := newWorld(t)
	inner := w.open("alice", "inner")
	w.push(minihub.Commit{Branch: "outer", From: "inner", By: "bob", Write: map[string]string{"outer": "1"}})
	outer, err := w.hub.OpenPull(repoName, "bob", minihub.PullRequest{Title: "outer", Head: "outer"})
	w.must(err)
	// A third has the very same head as the second, under another branch name.
	twin, err := w.hub.Head(repoName, "outer")
	w.must(err)
	w.must(w.hub.MoveBranch(repoName, "twin", twin, "carol"))
	same, err := w.hub.OpenPull(repoName, "carol", minihub.PullRequest{Title: "twin", Head: "twin"})
	w.must(err)

	sha, err := w.hub.Merge(repoName, outer, "carol", "merge")
	w.must(err)
	for _, n := range []int{inner, outer, same} {
		pr := w.pull(n)
		if pr["merged"] != true || pr["merge_commit_sha"] != sha {
			t.Errorf("#%d: merged %v as %v, want %s", n, pr["merged"], pr["merge_commit_sha"], sha)
		}
	}
	if found := w.as("bob").list(rp + "/commits/" + sha + "/pulls"); len(found) != 3 {
		t.Errorf("an ambiguous merge names %v, want all three", column(found, "number"))
	}
}

func TestTheMergeQueueMovesTheBranchOnce(t *testing.T) {
	w := newWorld(t)
	one, two := w.open("alice", "one"), w.open("bob", "two")
	before, err := w.hub.Head(repoName, "main")
	w.must(err)
	w.must(w.hub.QueueMerge(repoName, one, two))
	after, err := w.hub.Head(repoName, "main")
	w.must(err)
	acts := w.activity("activity_type=merge_queue_merge")
	if len(acts) != 1 || acts[0]["before"] != before || acts[0]["after"] != after || at(acts[0], "actor", "type") != "Bot" {
		t.Errorf("push record is %v", acts)
	}
	first, second := w.pull(one), w.pull(two)
	if first["merge_commit_sha"] == after || second["merge_commit_sha"] != after || first["merged"] != true {
		t.Errorf("merged as %v and %v; the branch is at %s", first["merge_commit_sha"], second["merge_commit_sha"], after)
	}
}

func TestConflictsAndChangedHeadsAreNotMerged(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	w.push(minihub.Commit{By: "root", Write: map[string]string{"topic.yaml": "something else\n"}})
	path := fmt.Sprintf("%s/pulls/%d", rp, n)
	pr := w.pull(n)
	if pr["mergeable"] != false || pr["mergeable_state"] != "dirty" {
		t.Errorf("mergeable is %v, %v", pr["mergeable"], pr["mergeable_state"])
	}
	for _, method := range []string{"merge", "squash", "rebase"} {
		w.as("bob").do("PUT", path+"/merge", object{"merge_method": method}, http.StatusMethodNotAllowed)
	}
	got := w.as("bob").do("PUT", path+"/merge", object{"sha": at(pr, "base", "sha")}, http.StatusConflict)
	if at(got, "message") != "Head branch was modified. Review and try the merge again." {
		t.Errorf("answer is %v", got)
	}
}

func TestRetargetingIsRecorded(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	w.push(minihub.Commit{Branch: "release", By: "root", Write: map[string]string{"r": "1"}})
	w.must(w.hub.Retarget(repoName, n, "alice", "release"))
	if got := at(w.pull(n), "base", "ref"); got != "release" {
		t.Errorf("base is %v", got)
	}
	if got := w.events(n); !slices.Equal(got, []any{"base_ref_changed"}) {
		t.Errorf("events are %v", got)
	}
	if err := w.hub.Retarget(repoName, n, "alice", "no-such"); err == nil {
		t.Error("a branch that is not there became the base")
	}
	// A merge to another branch than the default one does not answer for commits
	// of the default branch.
	sha, err := w.hub.Merge(repoName, n, "bob", "merge")
	w.must(err)
	if found := w.as("bob").list(rp + "/commits/" + sha + "/pulls"); len(found) != 0 {
		t.Errorf("pull requests of a commit that is only on release: %v", column(found, "number"))
	}
}

func TestClosingDeletingAndReopening(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	head, err := w.hub.Head(repoName, "topic")
	w.must(err)
	w.must(w.hub.MoveBranch(repoName, "topic", "", "alice"))
	if pr := w.pull(n); pr["state"] != "closed" || at(pr, "head", "sha") != head {
		t.Errorf("after the branch was deleted: %v at %v", pr["state"], at(pr, "head", "sha"))
	}
	if err := w.hub.ReopenPull(repoName, n, "alice"); err == nil {
		t.Error("reopened without a branch")
	}
	w.must(w.hub.MoveBranch(repoName, "topic", head, "alice"))
	w.must(w.hub.ReopenPull(repoName, n, "alice"))
	w.must(w.hub.ClosePull(repoName, n, "bob"))
	w.push(minihub.Commit{Branch: "topic", From: "main", Force: true, By: "alice", Write: map[string]string{"x": "1"}})
	if err := w.hub.ReopenPull(repoName, n, "alice"); err == nil {
		t.Error("reopened over a rewritten branch")
	}
	if got := w.events(n); !slices.Equal(got, []any{"closed", "head_ref_deleted", "reopened", "closed"}) {
		t.Errorf("events are %v", got)
	}
	w.hub.AddUser("reader")
	w.as("reader").do("PATCH", fmt.Sprintf("%s/pulls/%d", rp, n), object{"state": "open"}, http.StatusForbidden)
}

func TestWhatCannotBeOpened(t *testing.T) {
	w := newWorld(t)
	w.open("alice", "topic")
	w.must(w.hub.MoveBranch(repoName, "same-as-main", mustHead(w, "main"), "bob"))
	w.hub.AddUser("reader")
	for name, in := range map[string]minihub.PullRequest{
		"no title":       {Head: "topic"},
		"no such head":   {Title: "t", Head: "none"},
		"no such owner":  {Title: "t", Head: "stranger:topic"},
		"no such base":   {Title: "t", Head: "topic", Base: "none"},
		"opened already": {Title: "t", Head: "topic"},
		"no commits":     {Title: "t", Head: "same-as-main"},
	} {
		if n, err := w.hub.OpenPull(repoName, "bob", in); err == nil {
			t.Errorf("%s: opened #%d", name, n)
		}
	}
	if _, err := w.hub.OpenPull(repoName, "reader", minihub.PullRequest{Title: "t", Head: "same-as-main"}); err == nil {
		t.Error("a reader opened a pull request from somebody else's branch")
	}
}

func mustHead(w *world, branch string) string {
	w.t.Helper()
	sha, err := w.hub.Head(repoName, branch)
	w.must(err)
	return sha
}

func TestUntilTheMergeTheMergeCommitIsATest(t *testing.T) {
	w := newWorld(t)
	w.hub.SlowMergeability(2)
	n := w.open("alice", "topic")
	for range 2 {
		if pr := w.pull(n); pr["mergeable"] != nil || pr["mergeable_state"] != "unknown" {
			t.Errorf("while computing: %v, %v", pr["mergeable"], pr["mergeable_state"])
		}
	}
	pr := w.pull(n)
	test, _ := pr["merge_commit_sha"].(string)
	if pr["mergeable"] != true || test == "" || pr["merged"] != false || pr["merged_at"] != nil {
		t.Errorf("open pull request is %v", pr)
	}
	if found := w.as("bob").list(rp + "/commits/" + test + "/pulls"); len(found) != 0 {
		t.Errorf("the test merge belongs to %v", column(found, "number"))
	}
	sha, err := w.hub.Merge(repoName, n, "bob", "squash")
	w.must(err)
	if got := w.pull(n)["merge_commit_sha"]; got != sha || got == test {
		t.Errorf("merged as %v, want %s", got, sha)
	}
	w.must(w.hub.MoveBranch(repoName, "topic", "", "alice"))
	if got := w.events(n); !slices.Equal(got, []any{"merged", "closed", "head_ref_deleted"}) {
		t.Errorf("events are %v", got)
	}
}
