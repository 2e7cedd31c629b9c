package gitea

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/forge/forgetest"
	"github.com/tenure-dev/tenure/internal/forge/gitea/giteatest"
)

// TestWhatGiteaRecords holds Gitea to what the driver relies on, and the driver to
// what Gitea leaves open.
func TestWhatGiteaRecords(t *testing.T) {
	s := giteatest.Start(t)
	for name, f := range map[string]func(h *hub){
		"the author's own approval is refused":       ownApproval,
		"a rebase of what is up to date is no merge": upToDate,
		"a review counts from its submission":        submittedLater,
		"hidden activity is a gap":                   hiddenActivity,
		"a merge marked by hand is none":             markedByHand,
		"an edit after the merge moves no time":      laterEdit,
		"remarks on lines hide no retarget":          remarks,
		"a deleted entry brings no approval back":    deletedEntry,
		"missing scopes are named":                   scopes,
		"a repository that cannot be written to":     readOnly,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t, s)
			for _, login := range []string{"alice", "bob", "carol"} {
				h.Person(login)
			}
			f(h)
		})
	}
}

const file = "requests/alice.yaml"

// write changes a file on a branch as somebody, and returns the commit.
func (h *hub) write(by, branch, from, text string) string {
	h.t.Helper()
	in := map[string]any{
		"branch": from, "new_branch": branch, "message": "Change " + file,
		"files": []map[string]string{{"operation": "upload", "path": file, "content": base64.StdEncoding.EncodeToString([]byte(text))}},
	}
	if branch == from {
		delete(in, "new_branch")
	}
	var made struct {
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	h.s.As(h.t, h.s.User(h.t, by), "POST", h.path("/contents"), in, &made)
	h.Tick()
	return made.Commit.SHA
}

// ask opens a pull request of alice's.
func (h *hub) ask() int {
	h.t.Helper()
	h.write("alice", "ask", "main", "kind: AccessRequest\n")
	n := h.Open("alice", forgetest.Pull{Title: "Ask for access", Head: "ask"})
	h.Tick()
	return n
}

// history asks Gitea for the parents of a commit.
type history struct{ *hub }

func (h history) Parents(commit string) ([]string, error) {
	var c struct {
		Parents []struct {
			SHA string `json:"sha"`
		} `json:"parents"`
	}
	h.s.Admin(h.t, "GET", h.path("/git/commits/%s", commit), nil, &c)
	var out []string
	for _, p := range c.Parents {
		out = append(out, p.SHA)
	}
	return out, nil
}

// gather reads the evidence for the commit that main is at.
func (h *hub) gather() (forge.Evidence, error) {
	h.t.Helper()
	g, ctx := h.client(), h.t.Context()
	repo, err := g.Repository(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	head, err := g.ref(ctx, "heads/main")
	if err != nil {
		h.t.Fatal(err)
	}
	blob, err := g.BlobAt(ctx, head, file)
	if err != nil {
		h.t.Fatal(err)
	}
	return forge.Gather(ctx, g, history{h}, forge.GatherInput{
		Introduction: forge.Introduction{Path: file, Blob: blob, Commit: head}, RepositoryID: repo.ID, Branch: "main", Now: time.Now,
	})
}

func ownApproval(h *hub) {
	n := h.ask()
	if status, text := h.s.Try(h.t, h.s.User(h.t, "alice"), "POST", h.path("/pulls/%d/reviews", n), map[string]any{"event": "APPROVED"}, nil); status != http.StatusUnprocessableEntity {
		h.t.Errorf("HTTP %d: %s", status, text)
	}
}

func upToDate(h *hub) {
	n := h.ask()
	h.Review("bob", n, forge.ReviewApproved)
	h.Tick()
	h.Merge("carol", n, "rebase")
	h.Tick()
	if ev, err := h.gather(); err != nil || !strings.Contains(ev.Problem, "merged indirectly") {
		h.t.Errorf("problem %q, %v", ev.Problem, err)
	}
}

// submittedLater begins a review, lets the author push, and approves then.
func submittedLater(h *hub) {
	n := h.ask()
	bob := h.s.User(h.t, "bob")
	var review struct {
		ID        int64     `json:"id"`
		Submitted time.Time `json:"submitted_at"`
	}
	h.s.As(h.t, bob, "POST", h.path("/pulls/%d/reviews", n), map[string]any{"event": "PENDING", "body": "looking"}, &review)
	h.Tick()
	h.write("alice", "ask", "ask", "kind: AccessRequest\n# more\n")
	h.s.As(h.t, bob, "POST", h.path("/pulls/%d/reviews/%d", n, review.ID), map[string]any{"event": "APPROVED", "body": "fine"}, &review)
	h.Tick()
	h.Merge("carol", n, "squash")
	h.Tick()
	ev, err := h.gather()
	if err != nil || len(ev.Reviews) != 1 || ev.Reviews[0].State != forge.ReviewApproved {
		h.t.Fatalf("%+v, %v", ev.Reviews, err)
	}
	if last := ev.HeadPushes[len(ev.HeadPushes)-1].At; !ev.Reviews[0].SubmittedAt.After(last) || review.Submitted.After(last) {
		h.t.Errorf("submitted at %s, Gitea says %s; the last push was at %s", ev.Reviews[0].SubmittedAt, review.Submitted, last)
	}
	if status, text := h.s.Try(h.t, h.s.User(h.t, "carol"), "POST", h.path("/pulls/%d/reviews", n), map[string]any{"event": "APPROVED"}, nil); status != http.StatusUnprocessableEntity {
		h.t.Errorf("an approval after the merge: HTTP %d: %s", status, text)
	}
}

// deletedEntry has somebody who may write delete the entry that tells of a request
// for changes, which came after the approval of the same reviewer.
func deletedEntry(h *hub) {
	n := h.ask()
	h.Review("bob", n, forge.ReviewApproved)
	h.Tick()
	h.Review("bob", n, forge.ReviewChangesRequested)
	h.Tick()
	var events []event
	h.s.Admin(h.t, "GET", h.path("/issues/%d/timeline?limit=50", n), nil, &events)
	for page := 2; len(events) > 0 && page < 10; page++ {
		for _, e := range events {
			if e.Type == "review" {
				h.s.Try(h.t, h.s.User(h.t, "alice"), "DELETE", h.path("/issues/comments/%d", e.ID), nil, nil)
			}
		}
		events = nil
		h.s.Admin(h.t, "GET", h.path("/issues/%d/timeline?limit=50&page=%d", n, page), nil, &events)
	}
	h.Merge("carol", n, "merge")
	h.Tick()
	ev, err := h.gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range ev.Reviews[:len(ev.Reviews)-1] {
		if r.State == forge.ReviewChangesRequested {
			h.t.Errorf("the request for changes is not the last word: %+v", ev.Reviews)
		}
	}
	if n := len(ev.Reviews); n > 0 && ev.Reviews[n-1].State == forge.ReviewApproved && !ev.Reviews[n-1].SubmittedAt.IsZero() {
		h.t.Errorf("an approval is the last word: %+v", ev.Reviews)
	}
}

func hiddenActivity(h *hub) {
	h.write("alice", "ask", "main", "first\n")
	erin := h.s.User(h.t, "erin-"+strings.ReplaceAll(h.repo, "/", "-"))
	h.s.Collaborator(h.t, h.repo, erin.Login)
	h.s.As(h.t, erin, "PATCH", "/user/settings", map[string]any{"hide_activity": true}, nil)
	hidden := h.write(erin.Login, "ask", "ask", "second\n")
	last := h.write("alice", "ask", "ask", "third\n")
	list, err := h.client().Pushes(h.t.Context(), h.repo, "ask")
	if err != nil {
		h.t.Fatal(err)
	}
	if len(list) != 3 || list[1].Actor.ID != 0 || list[1].After != hidden || list[2].After != last || list[2].Actor.Login != "alice" {
		h.t.Errorf("record: %+v", list)
	}
}

// laterEdit changes a pull request that is merged, which Gitea takes for a new time
// of its merge.
func laterEdit(h *hub) {
	n := h.ask()
	h.Review("bob", n, forge.ReviewApproved)
	h.Tick()
	h.Merge("carol", n, "merge")
	h.Tick()
	before, err := h.gather()
	if err != nil || before.Problem != "" {
		h.t.Fatalf("problem %q, %v", before.Problem, err)
	}
	h.edit("alice", n, map[string]any{"allow_maintainer_edit": false})
	h.Tick()
	h.edit("alice", n, map[string]any{"allow_maintainer_edit": true})
	h.Tick()
	after, err := h.gather()
	if err != nil || after.Problem != "" || !after.Pull.MergedAt.Equal(before.Pull.MergedAt) {
		h.t.Errorf("problem %q, %v, merged at %s; was %s", after.Problem, err, after.Pull.MergedAt, before.Pull.MergedAt)
	}
}

// markedByHand has an approved pull request brought to the branch by a push, and
// then marked as merged with that commit.
func markedByHand(h *hub) {
	n := h.ask()
	h.Review("bob", n, forge.ReviewApproved)
	h.Tick()
	commit := h.write("alice", "main", "main", "kind: AccessRequest\n")
	allow := func(manual bool) {
		h.t.Helper()
		h.s.Admin(h.t, "PATCH", "/repos/"+h.repo, map[string]any{"has_pull_requests": true, "allow_manual_merge": manual}, nil)
	}
	allow(true)
	h.s.As(h.t, h.s.User(h.t, "carol"), "POST", h.path("/pulls/%d/merge", n), map[string]any{"Do": "manually-merged", "MergeCommitID": commit}, nil)
	if _, err := h.gather(); !errors.Is(err, forge.ErrUnavailable) || !strings.Contains(err.Error(), "allow_manual_merge") {
		h.t.Errorf("while the repository allows it: %v", err)
	}
	if found := errors.Join(h.client().Check(h.t.Context())...); found == nil || !strings.Contains(found.Error(), "allow_manual_merge") {
		h.t.Errorf("check says %v", found)
	}
	allow(false)
	ev, err := h.gather()
	if err != nil || ev.Pull == nil || ev.Pull.Number != n || !strings.Contains(ev.Problem, "came to main by a push") {
		h.t.Errorf("problem %q, %v", ev.Problem, err)
	}
}

// remarks writes more of them than a page of the timeline has.
func remarks(h *hub) {
	h.s.Admin(h.t, "POST", h.path("/branches"), map[string]any{"new_branch_name": "playground", "old_branch_name": "main"}, nil)
	h.write("alice", "ask", "main", strings.Repeat("a line\n", 30))
	n := h.Open("alice", forgetest.Pull{Title: "Ask for access", Head: "ask", Base: "playground"})
	h.Tick()
	var list []map[string]any
	for i := range 4 * giteatest.PageSize {
		list = append(list, map[string]any{"path": file, "new_position": i + 1, "body": "why?"})
	}
	h.s.As(h.t, h.s.User(h.t, "bob"), "POST", h.path("/pulls/%d/reviews", n), map[string]any{"event": "COMMENT", "body": "some", "comments": list}, nil)
	h.Tick()
	h.Retarget("alice", n, "main")
	h.Tick()
	h.Merge("carol", n, "merge")
	h.Tick()
	at, err := h.client().BaseChanged(h.t.Context(), n)
	if err != nil || at.IsZero() {
		h.t.Errorf("base changed at %s, %v", at, err)
	}
}

func scopes(h *hub) {
	for _, tt := range []struct {
		scopes, missing, there []string
	}{
		{[]string{"read:repository"}, []string{"write:repository", "write:issue", "read:user"}, nil},
		{[]string{"write:repository", "read:issue", "read:user"}, []string{"write:issue"}, []string{"write:repository", "read:user"}},
		{[]string{"write:repository", "write:issue", "read:user"}, nil, []string{"write:repository", "write:issue", "read:user"}},
	} {
		token := h.s.Token(h.t, h.bot.Login, tt.scopes...)
		found := fmt.Sprint(h.client(func(c *Config) { c.Token = token }).Check(context.Background()))
		for _, s := range tt.missing {
			if !strings.Contains(found, "lacks the scope "+s) {
				h.t.Errorf("token with %v: %s is not said to be missing in: %s", tt.scopes, s, found)
			}
		}
		for _, s := range tt.there {
			if strings.Contains(found, "lacks the scope "+s) {
				h.t.Errorf("token with %v: %s is said to be missing in: %s", tt.scopes, s, found)
			}
		}
		if tt.missing == nil && found != "[]" {
			h.t.Errorf("token with %v: %s", tt.scopes, found)
		}
	}
}

func readOnly(h *hub) {
	token := h.s.User(h.t, "mallory").Token
	if found := errors.Join(h.client(func(c *Config) { c.Token = token }).Check(h.t.Context())...); found == nil || !strings.Contains(found.Error(), "may not write") {
		h.t.Errorf("somebody who may only read: %v", found)
	}
	if found := errors.Join(h.client(func(c *Config) { c.Repo = "acme/none" }).Check(h.t.Context())...); found == nil || !errors.Is(found, forge.ErrNotFound) {
		h.t.Errorf("a repository that is not there: %v", found)
	}
}
