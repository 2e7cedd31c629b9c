package intake

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/source"
)

// decisions are what the workers read.
func (w *world) decisions() []grants.Decision {
	w.t.Helper()
	d, err := w.led.Decisions(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func TestALostLocalCopyTakesNothingAway(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	before := w.decisions()
	w.readErr, w.err = source.ErrUnknown, source.ErrUnavailable // a new machine, while Git is down
	w.restart()
	if _, err := w.in.Pass(t.Context()); !errors.Is(err, source.ErrUnknown) {
		t.Errorf("the pass says %v", err)
	}
	if after := w.decisions(); !slices.EqualFunc(before, after, func(x, y grants.Decision) bool {
		return len(x.Checks) == len(y.Checks) && x.Checks[0] == y.Checks[0]
	}) {
		t.Errorf("decided without people and roles:\n%+v\nbefore:\n%+v", after, before)
	}
	w.readErr, w.err = nil, nil
	w.pass()
	if len(w.in.view.records) != 1 || len(w.inForce()) != 2 {
		t.Error("the mended copy was not taken in")
	}
}

func TestAFileThatCannotBeReadIsNotABrokenFile(t *testing.T) {
	w := newWorld(t, base)
	w.pass()
	gone := person("bob") + "active: false\n"
	w.commit(with(base, "people/bob.yaml", gone))
	w.readErr = fs.ErrPermission
	if _, err := w.in.Pass(t.Context()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the pass says %v", err)
	}
	w.readErr = nil
	w.pass()
	if w.in.view.config["people/bob.yaml"] != blob(gone) {
		t.Error("a deactivation was lost because its bytes could not be read once")
	}
}

func TestAPartOfTheConfigurationIsNeverJudgedBy(t *testing.T) {
	w := newWorld(t, base)
	w.pass()
	w.in.files = newFileCache(w.branch)
	w.in.trees = newTreeCache(w.in.files)
	w.readErr = fs.ErrPermission
	if _, _, err := w.in.trees.get(w.in.view.config); err == nil {
		t.Error("a tree was built of files that could not be read")
	}
	w.readErr = nil
	if tree, _, err := w.in.trees.get(w.in.view.config); err != nil || len(tree.People) != 2 {
		t.Errorf("%v, %v", tree, err)
	}
}

func TestAConfirmedCommitStaysInForceAfterARestart(t *testing.T) {
	w := newWorld(t, base)
	w.pass()
	w.commit(with(base, "README.md", "something good"))
	empty := w.commit(map[string]string{"README.md": "gone"}) // in one pass with a good one
	w.pass()
	w.confirm(empty)
	w.pass()
	w.restart()
	if r := w.pass(); r.Head != empty || len(w.inForce()) != 0 {
		t.Errorf("a restart brought back %v", w.inForce())
	}
}

func TestABrokenStretchHasTheConfigurationOfBefore(t *testing.T) {
	w := newWorld(t, base)
	w.pass()
	empty := w.commit(map[string]string{"README.md": "gone"})
	w.commit(with(base, "people/carol.yaml", person("carol")))
	w.pass()
	s, ok, err := w.led.ConfigState(t.Context(), empty)
	if err != nil || !ok || len(s.Files) != 2 {
		t.Errorf("%+v, %v, %v", s, ok, err)
	}
}

// launder judges the last version of a request as if a pull request had brought it
// and everything else after the first commit.
func (w *world) launder(path string) string {
	w.t.Helper()
	return w.launderAfter(path, w.commits[0])
}

// launderAfter is launder for a pull request that began after another commit.
func (w *world) launderAfter(path, before string) string {
	w.t.Helper()
	rec := *w.in.view.records[path]
	i := len(rec.Versions) - 1
	rec.Versions = slices.Clone(rec.Versions)
	rec.Versions[i].Evidence = &forge.Evidence{
		Introduction: rec.Versions[i].Introduction, RepositoryID: 7, Branch: "main", Before: before, HeadBlob: rec.Versions[i].Blob,
		Pull: &forge.PullRequest{Number: 1, BaseRepoID: 7, BaseRef: "main", MergeCommit: "c", MergedAt: w.now},
	}
	v, err := w.in.hearing(w.in.view).judge(w.t.Context(), &rec, i)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range v.Checks {
		if c.Rule == "trusted-base" {
			if c.OK {
				return ""
			}
			return c.Detail
		}
	}
	w.t.Fatal("nobody looked at what the version builds on")
	return ""
}

func TestMendingABrokenFileProvesNothing(t *testing.T) {
	broken := strings.Replace(request("alice", "1h"), "kind:", "kind : :", 1)
	for name, first := range map[string][]map[string]string{
		"pushed and then mended":   {with(base, "requests/a.yaml", broken)},
		"there before the start":   nil,
		"another kind before":      {with(base, "requests/a.yaml", person("carol"))},
		"mended twice":             {with(base, "requests/a.yaml", broken), with(base, "requests/a.yaml", broken+"# again\n")},
		"broken in an empty tree":  {map[string]string{"requests/a.yaml": broken}},
		"a request and then kinds": {with(base, "requests/a.yaml", request("alice", "2h")), with(base, "requests/a.yaml", person("carol"))},
	} {
		t.Run(name, func(t *testing.T) {
			start := base
			if first == nil {
				start = with(base, "requests/a.yaml", broken)
			}
			w := newWorld(t, start)
			w.pass()
			for _, files := range first {
				w.commit(files)
			}
			w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
			w.pass()
			if w.launder("requests/a.yaml") == "" {
				t.Error("a pull request proves bytes that it did not show")
			}
			w.restart()
			w.pass()
			if w.launder("requests/a.yaml") == "" {
				t.Error("a restart forgets what the file was")
			}
		})
	}
}

func TestAFileThatWasDeletedAndAddedAgainIsNew(t *testing.T) {
	w := newWorld(t, with(base, "requests/a.yaml", "kind : : broken"))
	w.commit(base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	if why := w.launderAfter("requests/a.yaml", w.commits[1]); why != "" {
		t.Errorf("a new file is refused: %s", why)
	}
}

func TestConfirmingAnOlderHeadKeepsWhatItProved(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	w.commit(with(w.trees[w.head()], "people/carol.yaml", person("carol")))
	w.pass()
	w.commits = w.commits[:2] // back to the commit that brought the request
	w.pass()
	w.confirm(w.head())
	w.pass()
	rec := w.in.view.records["requests/a.yaml"]
	if rec == nil || len(rec.Versions) != 1 || rec.Versions[0].Verdict != nil {
		t.Errorf("what was known of the request was thrown away: %+v", rec)
	}
}

func TestABranchThatIsNotFollowedIsNotAskedForAtOnce(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	w.commits = w.commits[:1]
	w.now = w.now.Add(time.Hour) // its evidence is due long since
	if r := w.pass(); r.Diverged == "" || !r.RetryAt.IsZero() {
		t.Errorf("diverged %q, and to be asked again at %s", r.Diverged, r.RetryAt)
	}
}

func TestALostLeaseWritesNothing(t *testing.T) {
	w := newWorld(t, base)
	w.pass()
	if err := w.in.lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	if _, err := w.in.Pass(t.Context()); !errors.Is(err, ledger.ErrLostLease) {
		t.Errorf("the pass says %v", err)
	}
	if len(w.decisions()) != 0 {
		t.Error("something was written without the lease")
	}
	w.pass()
	if len(w.decisions()) != 1 {
		t.Error("the lease was not taken again")
	}
}
