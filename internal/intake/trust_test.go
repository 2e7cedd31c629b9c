package intake

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/source"
)

func member(name string, id int) string {
	return person(name) + fmt.Sprintf("github: {login: %s-gh, id: %d}\n", name, id)
}

func group(name string, members ...string) string {
	return "apiVersion: tenure.dev/v1\nkind: Group\nname: " + name + "\nmembers: [" + strings.Join(members, ", ") + "]\n"
}

const leads = "groups/leads.yaml"

// chained: erin and frank are the admins, alice and mallory are not.
var chained = map[string]string{
	"people/alice.yaml": member("alice", 1), "people/erin.yaml": member("erin", 5),
	"people/frank.yaml": member("frank", 9), "people/mallory.yaml": member("mallory", 6),
	"groups/admins.yaml": group("admins", "erin", "frank"), leads: group("leads", "alice"),
}

func strictWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	w := newWorld(t, files)
	w.strict = true
	w.restart()
	w.pass()
	return w
}

func (w *world) who(id int64) forge.Identity {
	return forge.Identity{Host: "github.com", ID: id, Login: "x", Type: "User"}
}

// brought says that a pull request by alice, which somebody approved, brought a
// path in a commit; before is the commit under it.
func (w *world) brought(path, commit, before string, approver int64) {
	const head = "feedfeedfeedfeedfeedfeedfeedfeedfeedfeed"
	e := forge.Evidence{
		Before: before, HeadBlob: blobAt(w.trees[commit], path), ReadAt: w.now.Add(3 * time.Hour),
		Pull: &forge.PullRequest{
			Number: 3, Author: w.who(1), BaseRepoID: 7, BaseRef: "main", HeadRepoID: 7, HeadSHA: head,
			CreatedAt: w.now.Add(-2 * time.Hour), MergedAt: w.now, MergeCommit: commit,
		},
		HeadPushes: []forge.Push{{Actor: w.who(1), At: w.now.Add(-2 * time.Hour), After: head, Kind: forge.PushCreate}},
	}
	if approver != 0 {
		e.Reviews = []forge.Review{{ID: 1, Reviewer: w.who(approver), State: forge.ReviewApproved, SubmittedAt: w.now.Add(-time.Hour), Commit: head}}
	}
	w.hub.answers[path+"@"+commit] = e
}

func (w *world) pushed(path, commit string) {
	w.hub.answers[path+"@"+commit] = forge.Evidence{Problem: "it was pushed directly"}
}

func blobAt(files map[string]string, path string) string {
	if text, ok := files[path]; ok {
		return blob(text)
	}
	return ""
}

func TestADirectPushOfConfigurationIsNotInForce(t *testing.T) {
	w := strictWorld(t, chained)
	c := w.commit(with(chained, leads, group("leads", "alice", "mallory")))
	w.pushed(leads, c)
	r := w.pass()
	if w.in.view.config[leads] != blob(chained[leads]) {
		t.Error("an approver appointed by a push is in force")
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "not trusted") || r.Pending != 0 || r.Head != c {
		t.Errorf("%+v", r)
	}
	if s, ok, _ := w.led.ConfigState(t.Context(), c); !ok || s.Files[leads] != blob(chained[leads]) {
		t.Errorf("requests are judged by %v", s)
	}
	w.restart()
	w.pass()
	if w.in.view.config[leads] != blob(chained[leads]) {
		t.Error("a restart brought it into force")
	}
}

func TestADirectPushTakesNoConfigurationAway(t *testing.T) {
	for _, path := range []string{"people/alice.yaml", leads} {
		w := strictWorld(t, chained)
		w.pushed(path, w.commit(with(chained, path, "")))
		if w.pass(); w.in.view.config[path] != blob(chained[path]) {
			t.Errorf("%s was taken out of force by a push", path)
		}
		w.pushed(path, w.commit(with(chained, path, request("alice", "1h"))))
		if w.pass(); w.in.view.config[path] != blob(chained[path]) {
			t.Errorf("%s was turned into a request by a push", path)
		}
	}
}

func TestAnApprovedChangeIsInForce(t *testing.T) {
	w := strictWorld(t, chained)
	changed := with(chained, leads, group("leads", "alice", "mallory"))
	c := w.commit(changed)
	w.brought(leads, c, w.commits[0], 5)
	if r := w.pass(); w.in.view.config[leads] != blob(changed[leads]) || len(r.Problems) != 0 {
		t.Fatalf("%+v", r)
	}
	d := w.commit(with(changed, leads, ""))
	w.brought(leads, d, c, 9)
	if w.pass(); w.in.view.config[leads] != "" {
		t.Error("an approved deletion is not in force")
	}
	w.restart()
	if w.pass(); w.in.view.config[leads] != "" {
		t.Error("a restart brought it back")
	}
}

func TestAnAdminIsOneOnlyFromTheChangeOn(t *testing.T) {
	w := strictWorld(t, chained)
	const admins = "groups/admins.yaml"
	more := with(chained, admins, group("admins", "erin", "frank", "mallory"))
	c := w.commit(more)
	w.brought(admins, c, w.commits[0], 6) // mallory, by her own word
	if w.pass(); w.in.view.config[admins] != blob(chained[admins]) {
		t.Fatal("mallory made herself an admin")
	}
	d := w.commit(with(more, leads, group("leads", "mallory")))
	w.brought(leads, d, c, 6)
	if w.pass(); w.in.view.config[leads] != blob(chained[leads]) {
		t.Fatal("mallory approved as an admin that she is not")
	}
	e := w.commit(chained) // back to what is trusted: nobody is asked
	w.hub.down = true
	if r := w.pass(); r.Pending != 0 || len(r.Problems) != 0 {
		t.Fatalf("going back has to wait: %+v", r)
	}
	w.hub.down = false
	f := w.commit(more)
	w.brought(admins, f, e, 5)
	g := w.commit(with(more, leads, group("leads", "mallory")))
	w.brought(leads, g, f, 6) // both in one pass: the second by the state after the first
	if w.pass(); w.in.view.config[leads] != blob(group("leads", "mallory")) {
		t.Errorf("an admin's approval does not count: %v", w.in.view.broken)
	}
}

func TestAPullRequestOnTopOfAPushLaundersNothing(t *testing.T) {
	w := strictWorld(t, chained)
	pushed := with(chained, leads, group("leads", "alice", "mallory"))
	c := w.commit(pushed)
	w.pushed(leads, c)
	w.pass()
	d := w.commit(with(pushed, leads, pushed[leads]+"# a comment\n"))
	w.brought(leads, d, c, 5)
	if w.pass(); w.in.view.config[leads] != blob(chained[leads]) {
		t.Error("the approval of one line brought in another")
	}
	w.restart()
	w.pass()
	x := w.commit(with(pushed, leads, pushed[leads]+"# another comment\n"))
	w.brought(leads, x, d, 5)
	if w.pass(); w.in.view.config[leads] != blob(chained[leads]) {
		t.Error("a restart forgot what is trusted")
	}
}

func TestARebaseOfSeveralCommitsIsTrustedWhole(t *testing.T) {
	w := strictWorld(t, chained)
	one := with(chained, leads, group("leads", "mallory"))
	two := with(chained, leads, group("leads", "alice", "erin"))
	c, d := w.commit(one), w.commit(two)
	w.brought(leads, c, w.commits[0], 5)
	e := w.hub.answers[leads+"@"+c]
	e.HeadBlob = blob(two[leads])
	w.hub.answers[leads+"@"+c] = e
	w.brought(leads, d, w.commits[0], 5)
	if w.pass(); w.in.view.config[leads] != blob(two[leads]) {
		t.Errorf("%v", w.in.view.broken)
	}
	if s, _, _ := w.led.ConfigState(t.Context(), c); s.Files[leads] != blob(chained[leads]) {
		t.Error("a version in the middle was in force")
	}
}

func TestConfigurationWaitsForTheForgeAndDeletionsDoNot(t *testing.T) {
	w := strictWorld(t, chained)
	w.commit(with(chained, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	w.hub.down = true
	changed := with(chained, leads, group("leads", "mallory"))
	c := w.commit(changed) // takes the request away, too
	before := w.commits[1]
	r := w.pass()
	if r.Head != c || len(w.in.view.records) != 0 || r.Pending != 1 || r.RetryAt.IsZero() {
		t.Fatalf("%+v", r)
	}
	if _, ok, _ := w.led.ConfigState(t.Context(), c); ok {
		t.Fatal("a state is known that is not judged yet")
	}
	d := w.commit(with(changed, "README.md", "later"))
	w.pass()
	w.restart() // while the forge is down
	if w.pass(); w.in.view.config[leads] != blob(chained[leads]) || len(w.in.view.queue) == 0 {
		t.Fatalf("what waits was lost by a restart: %v", w.in.view.queue)
	}
	w.hub.down = false
	w.brought(leads, c, before, 5)
	w.now = w.now.Add(time.Hour)
	if r := w.pass(); w.in.view.config[leads] != blob(changed[leads]) || r.Pending != 0 {
		t.Fatalf("%+v, %v", r, w.in.view.broken)
	}
	for _, commit := range []string{c, d} {
		if s, ok, _ := w.led.ConfigState(t.Context(), commit); !ok || s.Files[leads] != blob(changed[leads]) {
			t.Errorf("at %s: %v", commit, s)
		}
	}
}

func TestAnUnreadableHistoryDecidesNothing(t *testing.T) {
	w := strictWorld(t, chained)
	w.hub.down = true
	w.commit(with(chained, leads, group("leads", "mallory")))
	w.pass()
	w.restart()
	w.commits = []string{w.commit(chained)} // rewritten
	w.in.cfg.TrustFrom = strings.Repeat("1", 40)
	r := w.pass()
	if r.Diverged == "" || len(w.decisions()) != 0 {
		t.Fatalf("%+v", r)
	}
	w.confirm(w.head())
	if r := w.pass(); r.Diverged != "" || len(w.inForce()) != len(chained) {
		t.Errorf("%+v", r)
	}
}

func TestAnOperatorsWordBringsACommitIntoForce(t *testing.T) {
	w := strictWorld(t, chained)
	w.hub.down = true
	changed := with(chained, leads, group("leads", "mallory"))
	c := w.commit(changed)
	w.pass()
	w.confirm(c)
	w.now = w.now.Add(time.Hour)
	if w.pass(); w.in.view.config[leads] != blob(changed[leads]) {
		t.Errorf("%v", w.in.view.broken)
	}
}

func TestOneUntrustedFileStopsNoOther(t *testing.T) {
	w := strictWorld(t, chained)
	changed := with(with(chained, leads, group("leads", "mallory")), "people/zoe.yaml", member("zoe", 8))
	c := w.commit(changed)
	w.brought(leads, c, w.commits[0], 1)
	w.brought("people/zoe.yaml", c, w.commits[0], 5)
	w.pass()
	if w.in.view.config[leads] != blob(chained[leads]) || !slices.Contains(w.inForce(), "people/zoe.yaml") {
		t.Errorf("in force: %v", w.in.view.config)
	}
}

func TestARequestInSeveralCommitsOfOneRebaseIsNew(t *testing.T) {
	w := strictWorld(t, chained)
	w.commit(with(chained, "requests/a.yaml", request("alice", "2h")))
	w.commit(with(chained, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	rec := *w.in.view.records["requests/a.yaml"]
	for i, before := range []string{w.commits[0], w.commits[0]} {
		rec.Versions[i].Evidence = &forge.Evidence{
			RepositoryID: 7, Branch: "main", Before: before, Introduction: rec.Versions[i].Introduction, HeadBlob: rec.Versions[1].Blob,
			Pull: &forge.PullRequest{Number: 1, BaseRepoID: 7, BaseRef: "main", MergeCommit: w.head(), MergedAt: w.now},
		}
	}
	v, err := w.in.hearing(w.in.view).judge(t.Context(), &rec, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Checks {
		if c.Rule == "trusted-base" && !c.OK {
			t.Error(c.Detail)
		}
	}
}

func TestANewFileInPlaceOfOneThatNobodyApprovedIsRefused(t *testing.T) {
	const old, asked = "requests/old.yaml", "requests/a.yaml"
	text := request("alice", "1h")
	for name, c := range map[string]struct {
		old, stood string
		proven     bool // what stood there
		rebase     bool // the file goes in one commit and the new one comes in the next
		hidden     string
	}{
		"an unproven request":                   {old, text, false, false, old},
		"an unproven request, by a rebase":      {old, text, false, true, old},
		"a broken request":                      {old, text + "oops: 1\n", false, false, old},
		"a proven request":                      {old, text, true, false, ""},
		"a proven request, by a rebase":         {old, text, true, true, ""},
		"configuration that nobody trusted":     {"groups/old.yaml", group("old", "alice"), false, false, "groups/old.yaml"},
		"the same bytes, not as a document":     {"notes.txt", "A note.\n" + text, false, false, "notes.txt"},
		"a text that has nothing to do with it": {"notes.txt", "A note.\n" + strings.Repeat("A line.\n", 20), false, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := strictWorld(t, chained)
			with1 := with(chained, c.old, c.stood)
			before := w.commit(with1)
			w.pushed(c.old, before)
			w.pass()
			if rec := w.in.view.records[c.old]; c.proven {
				rec.Versions[0].Verdict = &policy.Verdict{Proven: true, Final: true}
			}
			if c.rebase {
				w.commit(chained)
			}
			w.commit(with(chained, asked, text))
			w.pass()
			w.restart()
			w.pass()
			rec := *w.in.view.records[asked]
			rec.Versions[0].Evidence = &forge.Evidence{
				RepositoryID: 7, Branch: "main", Before: before, Introduction: rec.Versions[0].Introduction, HeadBlob: rec.Versions[0].Blob,
				Pull: &forge.PullRequest{Number: 1, BaseRepoID: 7, BaseRef: "main", MergeCommit: w.head(), MergedAt: w.now},
			}
			v, err := w.in.hearing(w.in.view).judge(t.Context(), &rec, 0)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, check := range v.Checks {
				if check.Rule == "trusted-base" && !check.OK {
					got = check.Detail
				}
			}
			if c.hidden == "" && got != "" || c.hidden != "" && !strings.HasPrefix(got, "the same change takes away "+c.hidden+",") {
				t.Errorf("it says %q", got)
			}
		})
	}
}

func TestConfigurationInPlaceOfWhatNobodyTrustedIsNotInForce(t *testing.T) {
	const old, moved = "groups/old.yaml", "groups/new.yaml"
	for name, trusted := range map[string]bool{"it was trusted": true, "it was not": false} {
		t.Run(name, func(t *testing.T) {
			w := strictWorld(t, chained)
			c := w.commit(with(chained, old, group("night", "mallory")))
			if w.pushed(old, c); trusted {
				w.brought(old, c, w.commits[0], 5)
			}
			w.pass()
			d := w.commit(with(chained, moved, group("night", "mallory")))
			w.brought(old, d, c, 5)
			w.brought(moved, d, c, 5)
			w.pass()
			if got := slices.Contains(w.inForce(), moved); got != trusted {
				t.Errorf("in force: %v; %v", w.inForce(), w.in.view.broken)
			}
			if !trusted && !strings.Contains(w.in.view.broken[moved].Why, "the same change takes away "+old) {
				t.Errorf("problems: %v", w.in.view.broken)
			}
		})
	}
}

func TestAConfirmedCommitThatWasKnownIsAsItWasConfirmed(t *testing.T) {
	w := strictWorld(t, chained)
	mallory := with(chained, leads, group("leads", "mallory"))
	c := w.commit(mallory)
	w.pushed(leads, c)
	frank := with(mallory, leads, group("leads", "frank"))
	d := w.commit(frank)
	w.pushed(leads, d)
	e := w.commit(with(frank, "README.md", "Hello"))
	if w.pass(); w.in.view.config[leads] != blob(chained[leads]) {
		t.Fatal("pushed configuration is in force")
	}
	all := w.commits
	w.commits = all[:2]
	if r := w.pass(); r.Diverged != c {
		t.Fatalf("%+v", r)
	}
	w.confirm(c)
	check := func(what string, pending int) {
		t.Helper()
		for range 2 {
			if r := w.pass(); w.in.view.config[leads] != blob(mallory[leads]) || r.Pending != pending {
				t.Fatalf("%s: in force is %s; %+v", what, w.in.view.config[leads], r)
			}
			w.restart()
		}
	}
	check("confirmed", 0)
	w.commits = all // and the commits that were moved away from come again
	w.hub.down = true
	check("while the forge is down", 1)
	w.hub.down = false
	w.now = w.now.Add(time.Hour)
	check("judged again", 0)
	for _, commit := range []string{c, d, e} {
		if s, ok, _ := w.led.ConfigState(t.Context(), commit); !ok || s.Files[leads] != blob(mallory[leads]) {
			t.Errorf("at %s in force is %v", commit, s.Files)
		}
	}
}

func TestALostCopyWithConfigurationWaitingTakesNothingAway(t *testing.T) {
	w := strictWorld(t, chained)
	w.hub.down = true
	w.commit(with(chained, leads, group("leads", "mallory")))
	w.pass()
	w.restart()
	w.err = source.ErrUnavailable
	w.in.cfg.Source = lost{w.branch}
	if _, err := w.in.Pass(t.Context()); err == nil {
		t.Error("a pass without history reports nothing")
	}
}

// lost is a local copy without history.
type lost struct{ *branch }

func (lost) FirstParents(from, to string) ([]string, error) {
	if from == to {
		return nil, nil
	}
	return nil, source.ErrUnknown
}

// odd is a branch with a commit whose tree cannot be read.
type odd struct {
	*branch
	commit string
}

func (o odd) Changes(commit string) ([]source.Change, error) {
	if commit == o.commit {
		return nil, source.ErrMalformed
	}
	return o.branch.Changes(commit)
}

func TestACommitThatCannotBeReadIsPassedOverWithAnOperatorsWord(t *testing.T) {
	w := strictWorld(t, chained)
	w.commit(with(chained, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	w.in.cfg.Source = odd{w.branch, w.commit(chained)}
	mended := w.commit(w.trees[w.commits[1]])
	if r := w.pass(); r.Diverged != mended || len(w.in.view.records) != 1 {
		t.Fatalf("%+v", r)
	}
	w.confirm(mended)
	if r := w.pass(); r.Diverged != "" || r.Head != mended || len(w.in.view.records) != 1 {
		t.Errorf("%+v", r)
	}
}
