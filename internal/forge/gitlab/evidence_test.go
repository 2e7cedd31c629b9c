package gitlab

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/forge/gitlab/minilab"
	"github.com/tenure-dev/tenure/internal/source"
)

const file = "requests/alice.yaml"

// gather reads the evidence for a file that came to main with its head commit.
func (s *stage) gather(g *Client) (forge.Evidence, error) {
	s.t.Helper()
	r, err := source.Open(s.t.Context(), source.Config{URL: g.GitURL(), Branch: "main", Dir: s.t.TempDir(), Auth: source.TokenAuth(g.Token)})
	must(s.t, err)
	defer func() { must(s.t, r.Close()) }()
	_, _, err = r.Poll(s.t.Context())
	must(s.t, err)
	f, err := r.Lookup(r.Head(), file)
	must(s.t, err)
	project, err := g.Repository(s.t.Context())
	must(s.t, err)
	return forge.Gather(s.t.Context(), g, r, forge.GatherInput{
		Introduction: forge.Introduction{Path: file, Blob: f.Blob, Commit: r.Head()}, RepositoryID: project.ID, Branch: "main", Now: s.clock,
	})
}

func TestAMergeByGitLabIsProven(t *testing.T) {
	for _, method := range []string{"merge", "squash"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			n := s.ask("ask", file)
			s.approve(n, "bob")
			before := s.lab.Head(repo, "main")
			s.merge(n, method)
			g := s.client()
			ev, err := s.gather(g)
			must(t, err)
			p := ev.Pull
			switch {
			case ev.Problem != "" || ev.Before != before || p == nil:
				t.Fatalf("got %+v", ev)
			case p.MergeCommit != s.lab.Head(repo, "main") || p.HeadSHA != s.lab.Head(repo, "ask") || p.Commits != 1 || p.MergedAt.IsZero():
				t.Errorf("got %+v", p)
			case p.Author.Login != "alice" || !p.Author.IsUser() || p.HeadRepo != repo || p.HeadRef != "ask" || p.State != "closed":
				t.Errorf("got %+v", p)
			case len(ev.HeadPushes) != 1 || ev.HeadPushes[0].Kind != forge.PushCreate || ev.HeadPushes[0].Actor.Login != "alice" || ev.HeadPushes[0].After != p.HeadSHA:
				t.Errorf("head pushes %+v", ev.HeadPushes)
			case len(ev.Reviews) != 1 || ev.Reviews[0].State != forge.ReviewApproved || ev.Reviews[0].Reviewer.Login != "bob" || ev.Reviews[0].Commit != p.HeadSHA:
				t.Errorf("reviews %+v", ev.Reviews)
			case ev.HeadBlob != ev.Introduction.Blob:
				t.Errorf("blob at the head %s", ev.HeadBlob)
			}
		})
	}
}

func TestWhatGitLabDidNotMergeProvesNothing(t *testing.T) {
	tests := map[string]struct {
		bring   func(s *stage, n int)
		problem string
	}{
		"a push of the head itself": {
			func(s *stage, n int) {
				must(s.t, s.lab.Move(repo, "dave", map[string]string{"main": s.lab.Head(repo, "ask")}))
			},
			"merged indirectly",
		},
		"a merge commit that was made by hand and pushed": {
			func(s *stage, n int) {
				m, err := s.lab.Join(repo, "dave", "main", s.lab.Head(repo, "ask"))
				must(s.t, err)
				must(s.t, s.lab.Move(repo, "dave", map[string]string{"main": m}))
			},
			"merged indirectly",
		},
		"moving the branch forward to the head": {
			func(s *stage, n int) { must(s.t, s.lab.Merge(repo, n, "carol", "ff")) },
			"merged indirectly",
		},
		"a merge commit of a squashed one": {
			func(s *stage, n int) { must(s.t, s.lab.Merge(repo, n, "carol", "squash-merge")) },
			"does not join the branch with the head",
		},
		"an imported merge request": {
			func(s *stage, n int) {
				must(s.t, s.lab.Merge(repo, n, "carol", "merge"))
				must(s.t, s.lab.Import(repo, n))
			},
			"merged indirectly",
		},
		"a direct push": {
			func(s *stage, n int) { s.push("dave", "main", map[string]string{file: "kind: AccessRequest\n"}) },
			"pushed directly (push by dave)",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			n := s.ask("ask", file)
			s.approve(n, "bob")
			tt.bring(s, n)
			s.later(2 * settle)
			ev, err := s.gather(s.client())
			must(t, err)
			if !strings.Contains(ev.Problem, tt.problem) || ev.Before != "" {
				t.Errorf("got %+v, want the problem %q", ev, tt.problem)
			}
		})
	}
}

// GitLab squashes a single commit by taking it as it is, and says that the squash
// made it.
func TestASquashThatChangesNothingIsAPush(t *testing.T) {
	s := newStage(t)
	head, err := s.lab.Push(repo, "alice", minilab.Change{Branch: "ask", Write: map[string]string{file: "x\n"}, Text: "Ask on ask"})
	must(t, err)
	s.later(time.Minute)
	n := s.open("alice", "ask")
	s.approve(n, "bob")
	s.merge(n, "squash")
	g := s.client()
	if k := s.kindOf(g, head); k != forge.PushPush {
		t.Errorf("kind %q", k)
	}
	if ev, err := s.gather(g); err != nil || !strings.Contains(ev.Problem, "merged indirectly") {
		t.Errorf("got %v, %+v", err, ev)
	}
}

// The head of one merge request comes to main inside of another one. GitLab says
// of both that they are merged by the same commit.
func TestAMergeRequestThatAnotherOneBroughtIsNotMergedByGitLab(t *testing.T) {
	s := newStage(t)
	inner := s.ask("ask", file)
	must(t, s.lab.Move(repo, "alice", map[string]string{"more": s.lab.Head(repo, "ask")}))
	s.push("alice", "more", map[string]string{"requests/more.yaml": "kind: AccessRequest\n"})
	outer := s.open("alice", "more")
	s.merge(outer, "merge")
	g := s.client()
	if p := s.pull(g, inner); p.MergedAt.IsZero() || p.MergeCommit != p.HeadSHA {
		t.Errorf("inner: %+v", p)
	}
	if p := s.pull(g, outer); p.MergeCommit != s.lab.Head(repo, "main") {
		t.Errorf("outer: %+v", p)
	}
	if k := s.kindOf(g, s.lab.Head(repo, "main")); k != forge.PushMerge {
		t.Errorf("kind %q", k)
	}
}

// GitLab moves the branch and writes the push down before it says that the merge
// request is merged. Until then it must not look like a push for good.
func TestAMergeThatIsUnderWayIsNoPush(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	s.approve(n, "bob")
	g := s.client()
	finish, err := s.lab.BeginMerge(repo, n, "carol", "merge")
	must(t, err)
	s.later(time.Second)
	if ev, err := s.gather(g); !errors.Is(err, forge.ErrUnavailable) {
		t.Fatalf("got %v, %+v; want to be asked again", err, ev)
	}
	if p := s.pull(g, n); p.State != "open" {
		t.Errorf("while it is being merged its state is %s", p.State)
	}
	must(t, finish())
	s.later(time.Second)
	ev, err := s.gather(g)
	must(t, err)
	if ev.Problem != "" || ev.Before == "" {
		t.Errorf("got %+v", ev)
	}
}

func TestAYoungPushMayStillTurnOutToBeAMerge(t *testing.T) {
	s := newStage(t)
	commit := s.push("dave", "main", map[string]string{file: "x\n"})
	g := s.client()
	if k := s.kindOf(g, commit); k != "" {
		t.Errorf("after a minute it is a %s", k)
	}
	s.later(settle)
	if k := s.kindOf(g, commit); k != forge.PushPush {
		t.Errorf("after %s it is a %q", settle, k)
	}
}

func TestTheSourceOfAMergeSaysWhoseItWas(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	s.merge(n, "merge")
	commit := s.lab.Head(repo, "main")
	for source, own := range map[string]bool{
		`"source_commit": null, "source_merge_request_id": null`:             true,
		`"source_commit": null, "source_merge_request_id": 7`:                false,
		`"source_commit": "` + commit + `", "source_merge_request_id": null`: false,
	} {
		s.instead("/resource_state_events", 200, `[{"id": 1, "state": "closed"}, {"id": 2, "state": "merged", `+source+`}]`)
		g := s.client()
		if p := s.pull(g, n); (p.MergeCommit == commit) != own || !own && p.MergeCommit != p.HeadSHA {
			t.Errorf("%s: %+v", source, p)
		}
		if k := s.kindOf(g, commit); (k == forge.PushMerge) != own {
			t.Errorf("%s: a %s", source, k)
		}
	}
}

func TestWithoutTheSourceOfAMergeNothingIsProven(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	s.merge(n, "merge")
	for name, body := range map[string]string{
		"an older GitLab":         `[{"id": 1, "state": "merged", "created_at": "2026-11-23T10:00:00.000Z"}]`,
		"a record that is behind": `[]`,
	} {
		s.instead("/resource_state_events", 200, body)
		if _, err := s.client().Pull(t.Context(), n); !errors.Is(err, forge.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPushOfManyBranchesIsByNobodyKnown(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	main := s.lab.Head(repo, "main")
	must(t, s.lab.Move(repo, "dave", map[string]string{"a": main, "b": main, "c": main}))
	hidden, err := s.lab.Push(repo, "dave", minilab.Change{Branch: "ask", Write: map[string]string{file: "mine\n"}, Also: []string{"a", "b", "c"}})
	must(t, err)
	s.later(time.Minute)
	s.push("alice", "ask", map[string]string{"README.md": "more\n"})
	head := s.lab.Head(repo, "ask")
	must(t, s.lab.Move(repo, "dave", map[string]string{"ask": hidden})) // fills no gap
	s.later(time.Minute)
	must(t, s.lab.Move(repo, "alice", map[string]string{"ask": head}))
	record, err := s.client().Pushes(t.Context(), repo, "ask")
	must(t, err)
	var got []string
	for _, p := range record {
		got = append(got, fmt.Sprintf("%s %d", p.Kind, min(p.Actor.ID, 1)))
	}
	if want := "branch_creation 1, unrecorded 0, push 1, push 1, push 1"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if p := s.pull(s.client(), n); record[2].After != p.HeadSHA || record[1].After != record[2].Before || record[1].At.After(record[2].At) {
		t.Errorf("got %+v", record)
	}
}

func TestTheRecordOfABranchOverItsLives(t *testing.T) {
	s := newStage(t)
	first := s.push("alice", "ask", map[string]string{file: "1\n"})
	must(t, s.lab.Move(repo, "bob", map[string]string{"ask": ""}))
	s.later(time.Minute)
	second := s.push("carol", "ask", map[string]string{file: "2\n"})
	s.push("carol", "other", map[string]string{file: "3\n"})
	g := s.client()
	record, err := g.Pushes(t.Context(), repo, "ask")
	must(t, err)
	if len(record) != 3 || record[0].Kind != forge.PushCreate || record[0].After != first || record[0].Before != zero || record[0].Ref != "ask" ||
		record[1].Kind != forge.PushDelete || record[1].Before != first || record[1].After != zero || record[1].Actor.Login != "bob" ||
		record[2].Kind != forge.PushCreate || record[2].After != second {
		t.Errorf("got %+v", record)
	}
	third := s.push("alice", "ask", map[string]string{file: "4\n"})
	if record, err = g.Pushes(t.Context(), repo, "ask"); err != nil || len(record) != 4 || record[3].After != third {
		t.Errorf("read again: %v, %+v", err, record)
	}
}

func TestABranchThatWasMadeAgainUnseenIsByNobodyKnown(t *testing.T) {
	s := newStage(t)
	old := s.push("dave", "ask", map[string]string{file: "mine\n"})
	must(t, s.lab.Move(repo, "dave", map[string]string{"ask": ""}))
	s.later(time.Minute)
	must(t, s.lab.Move(repo, "dave", map[string]string{"ask": old, "a": old, "b": old, "c": old}))
	s.later(time.Minute)
	s.push("alice", "ask", map[string]string{"README.md": "more\n"})
	record, err := s.client().Pushes(t.Context(), repo, "ask")
	must(t, err)
	if len(record) != 4 || record[2].Kind != kindUnrecorded || record[2].Actor.ID != 0 || record[2].After != old {
		t.Errorf("got %+v", record)
	}
}

func TestALongRecordIsReadWholeAndThenOnlyItsNewPart(t *testing.T) {
	s := newStage(t)
	for i := range 120 {
		must(t, s.lab.Move(repo, "alice", map[string]string{fmt.Sprintf("b%d", i): s.lab.Head(repo, "main")}))
		s.later(2 * time.Minute)
	}
	asked := 0
	g := s.client(func(c *Config) { c.HTTPTransport = &counting{path: "/events", n: &asked, next: s.tr} })
	if r, err := g.Pushes(t.Context(), repo, "b0"); err != nil || len(r) != 1 || asked != 2 {
		t.Fatalf("%v, %d entries, %d pages", err, len(r), asked)
	}
	if r, err := g.Pushes(t.Context(), repo, "b0"); err != nil || len(r) != 1 || asked != 3 {
		t.Errorf("again: %v, %d entries, %d pages", err, len(r), asked)
	}
}

func TestWhenTheTargetBranchChanged(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	s.push("carol", "develop", map[string]string{"x": "y"})
	g := s.client()
	if at, err := g.BaseChanged(t.Context(), n); err != nil || !at.IsZero() {
		t.Errorf("before: %v, %v", at, err)
	}
	must(t, s.lab.Comment(repo, n, "dave", "changed target branch from `main` to `develop`"))
	if at, err := g.BaseChanged(t.Context(), n); err != nil || !at.IsZero() {
		t.Errorf("what somebody wrote counts: %v, %v", at, err)
	}
	must(t, s.lab.Retarget(repo, n, "alice", "develop"))
	s.later(time.Minute)
	must(t, s.lab.Retarget(repo, n, "alice", "main"))
	want := s.clock()
	s.later(time.Minute)
	if at, err := g.BaseChanged(t.Context(), n); err != nil || !at.Equal(want) {
		t.Errorf("got %v, %v; want %v", at, err, want)
	}
}

func TestABranchOfAFork(t *testing.T) {
	s := newStage(t)
	fork, err := s.lab.Fork(repo, "alice")
	must(t, err)
	_, err = s.lab.Push(fork, "alice", minilab.Change{Branch: "ask", Write: map[string]string{file: "x\n"}})
	must(t, err)
	n, err := s.lab.Open(repo, "alice", minilab.MergeRequest{Title: "Ask", From: fork, Head: "ask"})
	must(t, err)
	g := s.client()
	p := s.pull(g, n)
	if p.HeadRepo != fork || p.HeadRepoID == p.BaseRepoID || p.HeadRepoID == 0 {
		t.Errorf("got %+v", p)
	}
	if r, err := g.Pushes(t.Context(), fork, "ask"); err != nil || len(r) != 1 {
		t.Errorf("record %+v, %v", r, err)
	}
	must(t, s.lab.Hide(fork))
	if p := s.pull(g, n); p.HeadRepo != "" {
		t.Errorf("hidden: %+v", p)
	}
	if _, err := g.Pushes(t.Context(), fork, "ask"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("hidden: %v", err)
	}
	must(t, s.lab.DropProject(fork))
	if p := s.pull(g, n); p.HeadRepo != "" || p.HeadRepoID != 0 {
		t.Errorf("gone: %+v", p)
	}
}
