package forgetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/source"
)

// file is the request of most scenarios.
const file = "requests/alice.yaml"

// request is its text; note tells versions apart.
func request(note string) string {
	return "apiVersion: tenure.dev/v1\nkind: AccessRequest\n# " + note + "\n" +
		strings.Repeat("# the refund job is stuck and rows need fixing by hand\n", 8)
}

// world is a hub with the people of the suite and a clone that they push from.
// alice asks; bob and carol lead; dave is nobody's approver.
type world struct {
	Hub
	t     *testing.T
	dir   string // a clone
	first string // the commit that main began with
}

func newWorld(t *testing.T, h Hub) *world {
	w := &world{Hub: h, t: t, dir: t.TempDir()}
	for _, login := range []string{"alice", "bob", "carol", "dave"} {
		h.Person(login)
	}
	w.git("init", "-q", ".")
	w.first = w.tip("alice", Branch)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// git runs Git in the clone; nothing of the machine's configuration has a say.
func (w *world) git(args ...string) string {
	w.t.Helper()
	out, err := w.tryGit(args...)
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(out)
}

func (w *world) tryGit(args ...string) (string, error) {
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = w.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Somebody", "GIT_AUTHOR_EMAIL=somebody@example.com",
		"GIT_COMMITTER_NAME=Somebody", "GIT_COMMITTER_EMAIL=somebody@example.com",
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// tip fetches a branch of the access repository and returns its commit.
func (w *world) tip(by, branch string) string {
	w.t.Helper()
	w.git("fetch", "-q", "--no-tags", w.Remote(w.Repo(), by), "refs/heads/"+branch)
	return w.git("rev-parse", "FETCH_HEAD")
}

// change is one commit that somebody makes and pushes.
type change struct {
	by     string
	repo   string // empty: the access repository
	branch string
	from   string            // commit; empty: the branch as it is, or main where it is not there yet
	write  map[string]string // path → text; empty text: the file is removed
	force  bool
}

// commit makes a commit in the clone, without pushing it.
func (w *world) commit(c change) string {
	w.t.Helper()
	if c.from == "" {
		c.from = w.from(c)
	}
	w.git("checkout", "-q", "-f", "--detach", c.from)
	for path, text := range c.write {
		if text == "" {
			w.git("rm", "-q", "--", path)
			continue
		}
		w.overwrite(path, text)
	}
	w.git("commit", "-q", "--allow-empty", "-m", "Change "+c.branch+" by "+c.by)
	return w.git("rev-parse", "HEAD")
}

// overwrite writes a file of the clone and stages it.
func (w *world) overwrite(path, text string) {
	w.t.Helper()
	name := filepath.Join(w.dir, filepath.FromSlash(path))
	w.must(os.MkdirAll(filepath.Dir(name), 0o755))
	w.must(os.WriteFile(name, []byte(text), 0o644))
	w.git("add", "--", path)
}

func (w *world) from(c change) string {
	w.t.Helper()
	repo := c.repo
	if repo == "" {
		repo = w.Repo()
	}
	for _, branch := range []string{c.branch, Branch} {
		if _, err := w.tryGit("fetch", "-q", "--no-tags", w.Remote(repo, c.by), "refs/heads/"+branch); err == nil {
			return w.git("rev-parse", "FETCH_HEAD")
		}
	}
	w.t.Fatalf("%s has neither %s nor %s", repo, c.branch, Branch)
	return ""
}

// push makes a commit, pushes it, and lets time pass.
func (w *world) push(c change) string {
	w.t.Helper()
	sha := w.commit(c)
	w.move(c, sha)
	return sha
}

// move pushes a commit that the clone has to a branch, and lets time pass.
func (w *world) move(c change, sha string) {
	w.t.Helper()
	repo := c.repo
	if repo == "" {
		repo = w.Repo()
	}
	args := []string{"push", "-q"}
	if c.force {
		args = append(args, "--force")
	}
	w.git(append(args, w.Remote(repo, c.by), sha+":refs/heads/"+c.branch)...)
	w.Tick()
}

// ask has alice push a request to the branch "ask" and open a pull request.
func (w *world) ask() int {
	w.t.Helper()
	w.push(change{by: "alice", branch: "ask", write: map[string]string{file: request("first")}})
	return w.open("alice", Pull{Title: "Ask for access", Head: "ask"})
}

func (w *world) open(by string, p Pull) int {
	w.t.Helper()
	n := w.Open(by, p)
	w.Tick()
	return n
}

func (w *world) review(by string, n int, state string) {
	w.t.Helper()
	w.Review(by, n, state)
	w.Tick()
}

func (w *world) approve(by string, n int) {
	w.t.Helper()
	w.review(by, n, forge.ReviewApproved)
}

func (w *world) merge(n int, method string) {
	w.t.Helper()
	w.Merge("carol", n, method)
	w.Tick()
}

// clone is the reconciler's own copy of the repository.
func (w *world) clone(c forge.Client) *source.Repo {
	w.t.Helper()
	r, err := source.Open(w.t.Context(), source.Config{URL: w.GitURL(), Branch: Branch, Dir: w.t.TempDir(), Auth: source.TokenAuth(c.Token)})
	w.must(err)
	w.t.Cleanup(func() { _ = r.Close() })
	_, _, err = r.Poll(w.t.Context())
	w.must(err)
	return r
}

// introduction finds the commit that last brought a path to the branch.
func (w *world) introduction(r *source.Repo, path string) forge.Introduction {
	w.t.Helper()
	commits, err := r.FirstParents("", r.Head())
	w.must(err)
	var found forge.Introduction
	for _, c := range commits {
		changes, err := r.Changes(c)
		w.must(err)
		for _, ch := range changes {
			if ch.Path == path && ch.New != nil {
				found = forge.Introduction{Path: path, Blob: ch.New.Blob, Commit: c}
			}
		}
	}
	if found.Commit == "" {
		w.t.Fatalf("%s did not come to %s", path, Branch)
	}
	return found
}

// gather reads the evidence for a path that is on the branch. The reconciler's
// clock is long after the merge, so that what is missing stays missing.
func (w *world) gather(path string) (forge.Evidence, error) {
	w.t.Helper()
	c := w.Client()
	r := w.clone(c)
	repo, err := c.Repository(w.t.Context())
	w.must(err)
	return forge.Gather(w.t.Context(), c, r, forge.GatherInput{
		Introduction: w.introduction(r, path), RepositoryID: repo.ID, Branch: Branch,
		Now: func() time.Time { return w.Now().Add(2 * time.Hour) },
	})
}

func describe(ev forge.Evidence) string {
	var b strings.Builder
	fmt.Fprintf(&b, "problem %q\npull %+v\nbefore %s, base changed %s\n", ev.Problem, ev.Pull, ev.Before, ev.BaseChange)
	for _, p := range ev.HeadPushes {
		fmt.Fprintf(&b, "push %+v\n", p)
	}
	for _, r := range ev.Reviews {
		fmt.Fprintf(&b, "review %+v\n", r)
	}
	return b.String()
}
