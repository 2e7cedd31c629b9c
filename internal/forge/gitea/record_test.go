package gitea

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func hash(c string) string { return strings.Repeat(c, 40) }

// pushed is the activity of one push from one commit to another.
func pushed(id int64, login, from, to string) activity {
	text := fmt.Sprintf(`{"Commits":[{"Sha1":%q}],"HeadCommit":{"Sha1":%q},"CompareURL":"acme/access/compare/%s...%s","Len":1}`, hash(to), hash(to), hash(from), hash(to))
	return activity{id: id, at: start.Add(time.Duration(id) * time.Minute), ref: "ask", actor: forge.Identity{Host: "git.example.com", ID: int64(len(login)), Login: login, Type: "User"}, content: text}
}

func begun(a activity) []activity {
	first := a
	first.content = ""
	return []activity{first, a}
}

func line(e entry) string {
	short := func(s string) string { return (s + "-")[:1] }
	return fmt.Sprintf("%s %q %s>%s", e.Kind, e.Actor.Login, short(e.Before), short(e.After))
}

func TestTheRecordIsWhatTheActivityTells(t *testing.T) {
	gone := activity{id: 9, at: start.Add(time.Hour), ref: "ask", deleted: true, actor: forge.Identity{ID: 5, Login: "alice"}}
	other := pushed(8, "carol", "7", "8")
	other.ref = "another"
	broken := pushed(3, "alice", "b", "c")
	broken.content = "{}"
	elsewhere := pushed(2, "alice", "a", "b")
	elsewhere.content = strings.Replace(elsewhere.content, `"HeadCommit":{"Sha1":"b`, `"HeadCommit":{"Sha1":"e`, 1)
	tests := map[string]struct {
		list []activity
		want []string
	}{
		"a new branch is told twice": {begun(pushed(1, "alice", "0", "a")), []string{`branch_creation "alice" ->a`}},
		"pushes follow each other": {
			append(begun(pushed(1, "alice", "0", "a")), pushed(2, "bob", "a", "b"), pushed(3, "alice", "b", "c")),
			[]string{`branch_creation "alice" ->a`, `push "bob" a>b`, `push "alice" b>c`},
		},
		"a push that is not shown is one of nobody known": {
			append(begun(pushed(1, "alice", "0", "a")), pushed(3, "alice", "b", "c")),
			[]string{`branch_creation "alice" ->a`, `push "" a>b`, `push "alice" b>c`},
		},
		"a branch that was there before the record": {[]activity{pushed(1, "alice", "a", "b")}, []string{`push "alice" a>b`}},
		"a deleted branch begins anew": {
			append(append(begun(pushed(1, "alice", "0", "a")), gone), begun(pushed(10, "bob", "0", "a"))...),
			[]string{`branch_creation "alice" ->a`, `branch_deletion "alice" a>-`, `branch_creation "bob" ->a`},
		},
		"a branch made anew without its deletion": {
			append(begun(pushed(1, "alice", "0", "a")), begun(pushed(10, "bob", "0", "b"))...),
			[]string{`branch_creation "alice" ->a`, `push "" a>-`, `branch_creation "bob" ->b`},
		},
		"a push of which nothing was written down": {
			append(begun(pushed(1, "alice", "0", "a")), broken),
			[]string{`branch_creation "alice" ->a`, `push "" a>-`, `push "alice" ->-`},
		},
		"a push that does not end where it says": {
			append(begun(pushed(1, "alice", "0", "a")), elsewhere),
			[]string{`branch_creation "alice" ->a`, `push "" a>-`, `push "alice" ->e`},
		},
		"branches are told apart": {
			append(begun(pushed(1, "alice", "0", "a")), other, pushed(9, "alice", "a", "b")),
			[]string{`branch_creation "alice" ->a`, `push "carol" 7>8`, `push "alice" a>b`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range pushes(tt.list) {
				got = append(got, line(e))
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestAMergeIsGiteasOwn(t *testing.T) {
	good := merge{number: 1, base: "main", commit: hash("m"), closed: start}
	push := forge.Push{Ref: "main", After: hash("m"), At: start.Add(-time.Second), Actor: forge.Identity{ID: 3}}
	if !good.byButton(push, 3) {
		t.Error("a merge of Gitea's own is none")
	}
	for name, change := range map[string]func(m *merge, p *forge.Push){
		"into another branch":            func(m *merge, _ *forge.Push) { m.base = "playground" },
		"by somebody else than pushed":   func(_ *merge, p *forge.Push) { p.Actor.ID = 4 },
		"by an account that is gone":     func(_ *merge, p *forge.Push) { p.Actor.ID = 0 },
		"long after it was pushed there": func(_ *merge, p *forge.Push) { p.At = start.Add(-2 * time.Minute) },
	} {
		m, p := good, push
		change(&m, &p)
		if m.byButton(p, 3) || m.byButton(p, 0) {
			t.Errorf("%s: it counts as Gitea's own", name)
		}
	}
}

func TestWhoMerged(t *testing.T) {
	merged := func(id int64, pull int, by int64) activity {
		return activity{id: id, pull: pull, actor: forge.Identity{ID: by}}
	}
	got := mergers([]activity{merged(1, 7, 3), merged(2, 8, 3), merged(3, 8, 4), merged(4, 9, 4), merged(5, 9, 4), merged(6, 8, 3)})
	if len(got) != 3 || got[7] != 3 || got[8] != 0 || got[9] != 4 {
		t.Errorf("got %v", got)
	}
}
