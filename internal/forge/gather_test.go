package forge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var merged = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const repoID = 77

// world is a forge and a history in memory. Its start is a pull request 1 with
// the head h1, merged by a merge commit m on top of the commit base.
type world struct {
	repo    Repository
	pulls   map[string][]PullRequest
	reviews []Review
	pushes  map[string][]Push // by repo:branch
	blobs   map[string]string
	changed time.Time
	errs    map[string]error // by method
	parents map[string][]string
}

func newWorld() *world {
	pr := PullRequest{
		Number: 1, State: "closed", BaseRepoID: repoID, BaseRef: "main", HeadRepoID: repoID, HeadRepo: "acme/access", HeadRef: "ask",
		HeadSHA: "h1", Commits: 1, CreatedAt: merged.Add(-time.Hour), MergedAt: merged, MergeCommit: "m",
	}
	return &world{
		repo:  Repository{ID: repoID, Name: "acme/access", Host: "github.com", Now: merged.Add(time.Minute)},
		pulls: map[string][]PullRequest{"m": {pr}},
		pushes: map[string][]Push{
			"acme/access:main": {{Kind: PushMerge, Before: "base", After: "m", At: merged}},
			"acme/access:ask": {
				{Kind: PushCreate, Before: "0", After: "h0", At: merged.Add(-2 * time.Hour)},
				{Kind: PushPush, Before: "h0", After: "h1", At: merged.Add(-30 * time.Minute)},
			},
		},
		reviews: []Review{
			{ID: 2, State: ReviewApproved, SubmittedAt: merged.Add(-time.Minute)},
			{ID: 1, State: ReviewCommented, SubmittedAt: merged.Add(-2 * time.Minute)},
		},
		blobs:   map[string]string{"h1:requests/a.yaml": "blob"},
		errs:    map[string]error{},
		parents: map[string][]string{"root": nil, "base": {"root"}, "m": {"base", "h1"}, "h1": {"base"}},
	}
}

func (w *world) pull(commit string) *PullRequest { return &w.pulls[commit][0] }

// record replaces the push record of the branch.
func (w *world) record(p ...Push) { w.pushes["acme/access:main"] = p }

func (w *world) Repository(context.Context) (Repository, error) { return w.repo, w.errs["Repository"] }
func (w *world) PullsOf(_ context.Context, c string) ([]PullRequest, error) {
	return w.pulls[c], w.errs["PullsOf"]
}
func (w *world) Reviews(context.Context, int) ([]Review, error) {
	return slices.Clone(w.reviews), w.errs["Reviews"]
}
func (w *world) BaseChanged(context.Context, int) (time.Time, error) {
	return w.changed, w.errs["BaseChanged"]
}
func (w *world) Pushes(_ context.Context, repo, branch string) ([]Push, error) {
	if err := w.errs["Pushes:"+branch]; err != nil {
		return nil, err
	}
	p, ok := w.pushes[repo+":"+branch]
	if !ok {
		return nil, ErrNotFound
	}
	return p, nil
}
func (w *world) BlobAt(_ context.Context, commit, path string) (string, error) {
	b, ok := w.blobs[commit+":"+path]
	if !ok {
		return "", ErrNotFound
	}
	return b, w.errs["BlobAt"]
}
func (w *world) Parents(c string) ([]string, error) {
	p, ok := w.parents[c]
	if !ok {
		return nil, fmt.Errorf("no commit %s", c)
	}
	return p, nil
}

func gather(t *testing.T, w *world, commit string) (Evidence, error) {
	t.Helper()
	return Gather(t.Context(), w, w, GatherInput{
		Introduction: Introduction{Path: "requests/a.yaml", Blob: "blob", Commit: commit},
		RepositoryID: repoID, Branch: "main", Now: func() time.Time { return merged.Add(time.Hour) },
	})
}

// linear makes the branch main a line of commits with one parent each.
func (w *world) linear(commits ...string) {
	prev := "base"
	for _, c := range commits {
		w.parents[c] = []string{prev}
		prev = c
	}
}

// brought makes the forge name a pull request for commits.
func (w *world) brought(number int, merge, head string, n int, commits ...string) {
	pr := *newWorld().pull("m")
	pr.Number, pr.MergeCommit, pr.HeadSHA, pr.Commits = number, merge, head, n
	for _, c := range commits {
		w.pulls[c] = []PullRequest{pr}
	}
}

func TestGather(t *testing.T) {
	tests := map[string]struct {
		change  func(w *world)
		commit  string // of the introduction; default m
		before  string
		problem string // part of it; empty: none
		later   bool   // wraps ErrUnavailable
	}{
		"a merge commit": {before: "base"},
		"a squash of one commit": {
			change: func(w *world) { w.linear("m") }, before: "base",
		},
		"a squash of five commits": {
			change: func(w *world) { w.linear("m"); w.pull("m").Commits = 5 }, before: "base",
		},
		"a rebase, its last commit": {
			change: rebased, commit: "r3", before: "base",
		},
		"a rebase, its first commit": {
			change: rebased, commit: "r1", before: "base",
		},
		"a rebase that moved the branch by more commits than it has": {
			change: func(w *world) { rebased(w); w.brought(1, "r3", "h1", 2, "r1", "r2", "r3") },
			commit: "r3", problem: "more commits than it has (2)",
		},
		"a rebase over a commit of another pull request": {
			change: func(w *world) { rebased(w); w.brought(2, "r1", "h2", 1, "r1") },
			commit: "r3", problem: "not its own",
		},
		"a rebase with a merge commit inside": {
			change: func(w *world) { rebased(w); w.parents["r2"] = []string{"r1", "x"} },
			commit: "r3", problem: "not its own",
		},
		"a rebase of which the forge does not name one commit yet": {
			change: func(w *world) { rebased(w); delete(w.pulls, "r1") }, commit: "r3", later: true,
		},
		"a commit that the pull request did not bring": {
			change: func(w *world) {
				rebased(w)
				w.linear("x", "r1", "r2", "r3")
				w.brought(1, "r3", "h1", 3, "x")
				w.record(Push{Kind: PushPush, Before: "base", After: "x"}, Push{Kind: PushMerge, Before: "x", After: "r3"})
			},
			commit: "x", problem: "not among the commits",
		},
		"a commit on a merged side branch": {
			change: func(w *world) { w.pulls["h1"] = w.pulls["m"] }, commit: "h1", problem: "not the merge commit",
		},
		"a queue with one pull request": {
			change: func(w *world) { w.record(Push{Kind: PushQueueMerge, Before: "base", After: "m"}) }, before: "base",
		},
		"a queue that squashed three pull requests, the middle one": {
			change: queued, commit: "q2", before: "q1",
		},
		"a queue that squashed three pull requests, the first one": {
			change: queued, commit: "q1", before: "base",
		},
		"a queue that rebased a pull request after another": {
			change: func(w *world) { queued(w); w.brought(3, "q3", "h1", 2, "q2", "q3") }, commit: "q2", before: "q1",
		},
		"a queue over a commit whose pull request is not known yet": {
			change: func(w *world) { queued(w); delete(w.pulls, "q1") }, commit: "q2", later: true,
		},
		"a queue over a commit in the middle of another pull request": {
			change: func(w *world) { queued(w); w.brought(9, "elsewhere", "h9", 1, "q1") }, commit: "q2", problem: "not its own",
		},
		"a direct push": {
			change:  func(w *world) { w.pulls = nil; w.record(Push{Kind: PushPush, Before: "base", After: "m"}) },
			problem: "pushed directly",
		},
		"a direct push of several commits": {
			change: func(w *world) {
				w.pulls = nil
				w.linear("a", "b", "c")
				w.record(Push{Kind: PushPush, Before: "base", After: "c"})
			},
			commit: "a", problem: "pushed directly",
		},
		"a force push": {
			change:  func(w *world) { w.pulls = nil; w.record(Push{Kind: PushForce, Before: "gone", After: "m"}) },
			problem: "pushed directly (force_push",
		},
		"the commits that the branch was created with": {
			change: func(w *world) { w.pulls = nil; w.record(Push{Kind: PushCreate, Before: "0", After: "m"}) },
			commit: "base", problem: "pushed directly (branch_creation",
		},
		"no pull request and no record yet": {
			change: func(w *world) { w.pulls = nil; w.record() }, later: true,
		},
		"a merge whose pull request the forge does not name yet": {
			change: func(w *world) { w.pulls = nil }, later: true,
		},
		"a pull request that is named and a record that is behind": {
			change: func(w *world) { w.record(Push{Kind: PushMerge, Before: "root", After: "base"}) }, later: true,
		},
		"a record that cannot be read": {
			change: func(w *world) { delete(w.pushes, "acme/access:main") }, later: true,
		},
		"the head itself was pushed to the branch": {
			change: func(w *world) {
				w.brought(1, "h1", "h1", 1, "h1")
				w.record(Push{Kind: PushPush, Before: "base", After: "h1"})
			},
			commit: "h1", problem: "merged indirectly: its head itself",
		},
		"the head itself, dressed as a merge": {
			change: func(w *world) {
				w.brought(1, "h1", "h1", 1, "h1")
				w.record(Push{Kind: PushMerge, Before: "base", After: "h1"})
			},
			commit: "h1", problem: "merged indirectly",
		},
		"a merge commit that was made by hand and pushed": {
			change: func(w *world) { w.record(Push{Kind: PushPush, Before: "base", After: "m"}) }, problem: "came to main by a push",
		},
		"a merge commit made by hand under another commit": {
			change: func(w *world) {
				w.parents["top"] = []string{"m"}
				w.record(Push{Kind: PushPush, Before: "base", After: "top"})
			},
			problem: "came to main by a push",
		},
		"a merge whose commit was pushed again after the branch had moved back": {
			change: func(w *world) {
				w.record(Push{Kind: PushMerge, Before: "base", After: "m"}, Push{Kind: PushForce, Before: "m", After: "base"}, Push{Kind: PushPush, Before: "base", After: "m"})
			},
			before: "base",
		},
		"a merge commit of another head": {
			change: func(w *world) { w.parents["m"] = []string{"base", "other"} }, problem: "does not join",
		},
		"an octopus": {
			change: func(w *world) { w.parents["m"] = []string{"base", "h1", "x"} }, problem: "does not join",
		},
		"a merge commit with its parents the other way round": {
			change: func(w *world) { w.parents["m"] = []string{"h1", "base"} }, problem: "does not join",
		},
		"a merge commit that is not based on where the branch was": {
			change: func(w *world) { w.record(Push{Kind: PushMerge, Before: "elsewhere", After: "m"}) }, problem: "but the branch was at",
		},
		"a merge commit without a parent": {
			change: func(w *world) { w.parents["m"] = nil }, problem: "has no parent",
		},
		"two merged pull requests": {
			change:  func(w *world) { p := *w.pull("m"); p.Number = 2; w.pulls["m"] = append(w.pulls["m"], p) },
			problem: "ambiguous: the forge names pull requests [1 2]",
		},
		"the same pull request named twice": {
			change: func(w *world) { w.pulls["m"] = append(w.pulls["m"], *w.pull("m")) }, before: "base",
		},
		"a pull request whose head another one contained": {
			change: func(w *world) {
				p := *w.pull("m")
				p.Number, p.HeadSHA = 2, "h0"
				w.pulls["m"] = append(w.pulls["m"], p)
			},
			before: "base",
		},
		"two merged pull requests with other heads": {
			change: func(w *world) {
				p := *w.pull("m")
				p.Number, p.HeadSHA = 2, "h0"
				w.pulls["m"] = append(w.pulls["m"], p)
				w.linear("m")
			},
			problem: "ambiguous",
		},
		"a commit that the forge's API does not know yet": {
			change: func(w *world) { w.pulls = nil; w.record(); w.errs["PullsOf"] = ErrNotFound }, later: true,
		},
		"a second pull request that is still open": {
			change: func(w *world) {
				p := *w.pull("m")
				p.Number, p.MergedAt = 2, time.Time{}
				w.pulls["m"] = append(w.pulls["m"], p)
			},
			before: "base",
		},
		"a pull request into another branch": {
			change: func(w *world) {
				w.pull("m").BaseRef = "develop"
				w.record(Push{Kind: PushPush, Before: "base", After: "m"})
			},
			problem: "pushed directly",
		},
		"a pull request of another repository, such as a fork": {
			change: func(w *world) {
				w.pull("m").BaseRepoID = 78
				w.record(Push{Kind: PushPush, Before: "base", After: "m"})
			},
			problem: "pushed directly",
		},
		"a repository that was deleted and made again": {
			change: func(w *world) { w.repo.ID = 78 }, later: true,
		},
		"a merge commit that the local copy does not have yet": {
			change: func(w *world) { delete(w.parents, "m") }, later: true,
		},
		"a merge commit that is not named yet": {
			change: func(w *world) { w.pull("m").MergeCommit = "" }, later: true,
		},
		"a head branch whose record is behind, just after the merge": {
			change: func(w *world) { w.pushes["acme/access:ask"] = w.pushes["acme/access:ask"][:1] }, later: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if tt.change != nil {
				tt.change(w)
			}
			if tt.commit == "" {
				tt.commit = "m"
			}
			ev, err := gather(t, w, tt.commit)
			if tt.problem != "" && err == nil && ev.ReadAt.IsZero() {
				t.Error("no time of reading")
			}
			if tt.later {
				if !errors.Is(err, ErrUnavailable) {
					t.Fatalf("want an error that may go away, got %v and %+v", err, ev)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.problem != "" {
				if !strings.Contains(ev.Problem, tt.problem) || ev.Before != "" || ev.Reviews != nil {
					t.Errorf("got %+v, want the problem %q and nothing that could prove", ev, tt.problem)
				}
				return
			}
			if ev.Problem != "" || ev.Before != tt.before || ev.Pull == nil {
				t.Errorf("problem %q, before %q; want none and %q", ev.Problem, ev.Before, tt.before)
			}
			if len(ev.Reviews) != 2 || ev.Reviews[0].ID != 1 {
				t.Errorf("reviews are not in order of submission: %+v", ev.Reviews)
			}
		})
	}
}

func rebased(w *world) {
	w.linear("r1", "r2", "r3")
	w.brought(1, "r3", "h1", 3, "r1", "r2", "r3")
	w.record(Push{Kind: PushMerge, Before: "base", After: "r3"})
}

func queued(w *world) {
	w.linear("q1", "q2", "q3")
	w.brought(1, "q1", "h1", 4, "q1")
	w.brought(2, "q2", "h1", 4, "q2")
	w.brought(3, "q3", "h1", 4, "q3")
	w.record(Push{Kind: PushQueueMerge, Before: "base", After: "q3"})
}

func TestGatherReadsEverythingThatPolicyNeeds(t *testing.T) {
	w := newWorld()
	w.changed = merged.Add(-20 * time.Minute)
	ev, err := gather(t, w, "m")
	if err != nil {
		t.Fatal(err)
	}
	if ev.HeadBlob != "blob" || !ev.BaseChange.Equal(w.changed) || len(ev.HeadPushes) != 2 || !ev.ReadAt.Equal(merged.Add(time.Hour)) {
		t.Errorf("got %+v", ev)
	}
	if ev.RepositoryID != repoID || ev.Branch != "main" || ev.Introduction.Commit != "m" {
		t.Errorf("got %+v", ev)
	}
}

func TestGatherWithoutWhatIsGone(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"head repository gone":           func(w *world) { w.pull("m").HeadRepo, w.pull("m").HeadRepoID = "", 0 },
		"record of the head branch gone": func(w *world) { delete(w.pushes, "acme/access:ask") },
	} {
		w := newWorld()
		change(w)
		if ev, err := gather(t, w, "m"); err != nil || ev.Problem != "" || ev.HeadPushes != nil {
			t.Errorf("%s: %v, %+v", name, err, ev)
		}
	}
	w := newWorld()
	w.blobs = nil
	if ev, err := gather(t, w, "m"); err != nil || ev.HeadBlob != "" {
		t.Errorf("file not at the head: %v, %+v", err, ev)
	}
	w = newWorld()
	w.pushes["acme/access:ask"] = w.pushes["acme/access:ask"][:1]
	w.repo.Now = merged.Add(settle)
	if ev, err := gather(t, w, "m"); err != nil || len(ev.HeadPushes) != 1 {
		t.Errorf("a record that stays behind: %v, %+v", err, ev)
	}
}

func TestGatherPassesErrorsOn(t *testing.T) {
	for _, method := range []string{"Repository", "PullsOf", "Reviews", "BaseChanged", "BlobAt", "Pushes:main", "Pushes:ask"} {
		w := newWorld()
		w.errs[method] = fmt.Errorf("%w: 503", ErrUnavailable)
		ev, err := gather(t, w, "m")
		if !errors.Is(err, ErrUnavailable) || ev.Pull != nil || ev.Problem != "" {
			t.Errorf("%s fails: %v, %+v", method, err, ev)
		}
	}
}

func TestPushesOfThePullRequest(t *testing.T) {
	at := func(m int) time.Time { return merged.Add(time.Duration(m) * time.Minute) }
	pull := PullRequest{CreatedAt: at(-60), MergedAt: at(0), HeadSHA: "h"}
	record := []Push{
		{Kind: PushCreate, After: "old", At: at(-900)},
		{Kind: PushDelete, Before: "old", At: at(-800)},
		{Kind: PushCreate, After: "a", At: at(-100)},
		{Kind: PushPush, After: "b", At: at(-90)}, // before it was opened: whoever pushed it still counts
		{Kind: PushForce, After: "h", At: at(-10)},
		{Kind: PushDelete, At: at(1)},
		{Kind: PushCreate, After: "new", At: at(2)},
	}
	if got := ofPull(record, pull); !slices.Equal(got, record[2:5]) {
		t.Errorf("got %+v", got)
	}
	late := slices.Clone(record)
	late[4].At = at(1)
	if got := ofPull(late, pull); !slices.Equal(got, late[2:5]) {
		t.Errorf("the final head was written down late: %+v", got)
	}
	again := slices.Clone(record)
	again[3] = Push{Kind: PushDelete, At: at(-50)} // and made again while it was open
	if got := ofPull(again, pull); !slices.Equal(got, again[2:5]) {
		t.Errorf("got %+v", got)
	}
	if got := ofPull(nil, pull); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}
