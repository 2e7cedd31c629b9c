package propose

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// world is a bare repository and a checkout of it in the middle of somebody's work.
type world struct {
	t         *testing.T
	bare, dir string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root := t.TempDir()
	home := filepath.Join(root, "home")
	for _, kv := range []string{"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"} {
		t.Setenv(kv, "")
		_ = os.Unsetenv(kv)
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	w := &world{t: t, bare: filepath.Join(root, "bare.git"), dir: filepath.Join(root, "checkout")}
	w.write(home, ".gitconfig", "[user]\n\tname = Alice\n\temail = alice@example.com\n[init]\n\tdefaultBranch = main\n")
	w.run(root, "init", "-q", "--bare", w.bare)
	w.run(root, "clone", "-q", w.bare, w.dir)
	w.write(w.dir, "requests/old one.yaml", "old\n")
	w.write(w.dir, "people/älice.yaml", "alice\n")
	w.git("add", ".")
	w.git("commit", "-qm", "Start")
	w.git("push", "-q", "-u", "origin", "HEAD:main")
	// Half done: another branch, something staged, something not, something new.
	w.git("switch", "-q", "-c", "mine")
	w.write(w.dir, "people/älice.yaml", "staged\n")
	w.git("add", ".")
	w.write(w.dir, "people/älice.yaml", "not staged\n")
	w.write(w.dir, "requests/new.yaml", "not added\n")
	return w
}

func (w *world) write(dir, path, text string) {
	w.t.Helper()
	file := filepath.Join(dir, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run(dir string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (w *world) git(args ...string) string { w.t.Helper(); return w.run(w.dir, args...) }

func (w *world) open() *Repo {
	w.t.Helper()
	r, err := Open(w.t.Context(), Options{Dir: filepath.Join(w.dir, "requests"), Remote: "origin", Branch: "main"})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// mine is all that belongs to the user: branch, index, files.
func (w *world) mine() string {
	index, err := os.ReadFile(filepath.Join(w.dir, ".git/index"))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.git("symbolic-ref", "HEAD") + w.git("for-each-ref", "refs/heads") + w.git("status", "--porcelain") + w.git("diff") + w.git("stash", "list") + string(index)
}

func (w *world) elsewhere(path, text string) {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "other")
	w.run(w.t.TempDir(), "clone", "-q", "-b", "main", w.bare, dir)
	w.write(dir, path, text)
	w.run(dir, "add", ".")
	w.run(dir, "commit", "-qm", "Go on")
	w.run(dir, "push", "-q")
}

func (w *world) base(r *Repo) string {
	w.t.Helper()
	base, err := r.Base(w.t.Context(), true)
	if err != nil {
		w.t.Fatal(err)
	}
	return base
}

func write(path, text string) Change { return Change{Write: map[string][]byte{path: []byte(text)}} }

func TestAProposalIsOneCommitOnTheNewestBaseAndTouchesNothingOfTheUser(t *testing.T) {
	w := newWorld(t)
	w.elsewhere("people/bob.yaml", "bob\n")
	r := w.open()
	// A hook or an alias would point git somewhere else.
	t.Setenv("GIT_DIR", filepath.Join(t.TempDir(), "nowhere"))
	t.Setenv("GIT_INDEX_FILE", filepath.Join(t.TempDir(), "nowhere"))
	base := w.base(r)
	c := write("requests/2026/ä lice.yaml", "wanted\n")
	c.Remove = []string{"requests/old one.yaml"}
	made, err := r.Make(t.Context(), base, Proposal{Change: c, Branch: "access/alice", Message: "Ask\n\nBecause\n"})
	if err != nil || made.Found {
		t.Fatalf("%+v, %v", made, err)
	}
	_ = os.Unsetenv("GIT_DIR")
	_ = os.Unsetenv("GIT_INDEX_FILE")
	if got := w.run(w.bare, "-c", "core.quotePath=false", "diff", "--name-status", "--no-renames", "main", "access/alice"); got != "A\trequests/2026/ä lice.yaml\nD\trequests/old one.yaml\n" {
		t.Errorf("changed:\n%s", got)
	}
	if got := w.run(w.bare, "log", "--format=%P|%an|%ae|%B", "-1", "access/alice"); got != w.run(w.bare, "rev-parse", "main")[:40]+"|Alice|alice@example.com|Ask\n\nBecause\n\n" {
		t.Errorf("commit: %s", got)
	}
	if got := w.run(w.bare, "show", "access/alice:requests/2026/ä lice.yaml"); got != "wanted\n" {
		t.Errorf("bytes: %q", got)
	}
}

func TestNothingOfTheUserIsTouched(t *testing.T) {
	w := newWorld(t)
	before := w.mine()
	r := w.open()
	base := w.base(r)
	if _, err := r.Make(t.Context(), base, Proposal{Change: write("requests/new.yaml", "wanted\n"), Branch: "access/alice", Message: "Ask"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Files(t.Context(), base, 1<<20, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if after := w.mine(); after != before {
		t.Errorf("before\n%q\nafter\n%q", before, after)
	}
	if out, err := os.ReadDir(filepath.Join(w.dir, ".git")); err != nil || strings.Contains(names(out), "FETCH_HEAD") {
		t.Errorf("left behind: %s %v", names(out), err)
	}
}

func names(entries []os.DirEntry) string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestAgainFindsTheSameChangeAndRefusesAnother(t *testing.T) {
	for _, local := range []bool{false, true} {
		w := newWorld(t)
		r := w.open()
		p := Proposal{Change: write("requests/a.yaml", "a\n"), Branch: "access/alice", Message: "Ask", Local: local}
		first, err := r.Make(t.Context(), w.base(r), p)
		if err != nil {
			t.Fatal(err)
		}
		// Also when the base branch has gone on meanwhile.
		w.elsewhere("people/bob.yaml", "bob\n")
		again, err := r.Make(t.Context(), w.base(r), p)
		if err != nil || !again.Found || again.Commit != first.Commit {
			t.Errorf("local %v: again %+v, %v; first %+v", local, again, err, first)
		}
		p.Change = write("requests/a.yaml", "b\n")
		if _, err := r.Make(t.Context(), w.base(r), p); !errors.Is(err, ErrBranchTaken) {
			t.Errorf("local %v: another change: %v", local, err)
		}
		if onRemote := strings.Contains(w.run(w.bare, "branch"), "access/alice"); onRemote == local {
			t.Errorf("local %v: on the remote: %v", local, onRemote)
		}
	}
}

func TestWhatIsThereAlreadyIsNoProposal(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	_, err := r.Make(t.Context(), w.base(r), Proposal{Change: write("requests/old one.yaml", "old\n"), Branch: "access/alice", Message: "Ask"})
	if !errors.Is(err, ErrNoChange) || strings.Contains(w.run(w.bare, "branch"), "access") {
		t.Errorf("got %v", err)
	}
}

func TestGitRefusesPathsOutsideTheRepository(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	for _, path := range []string{"../a.yaml", ".git/config", "a/../b.yaml", "/a.yaml", "people/.GIT/hooks/x"} {
		if _, err := r.Make(t.Context(), w.base(r), Proposal{Change: write(path, "x\n"), Branch: "access/alice", Message: "Ask"}); err == nil {
			t.Errorf("%s was written", path)
		}
	}
}

func TestTheFilesOfACommit(t *testing.T) {
	w := newWorld(t)
	w.git("switch", "-q", "-f", "main")
	w.write(w.dir, "large.yaml", strings.Repeat("x", 100))
	w.write(w.dir, "empty.yaml", "")
	w.write(w.dir, "lines.yaml", "\n\nblob 3\n")
	if err := os.Symlink("large.yaml", filepath.Join(w.dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	w.git("add", ".")
	w.git("commit", "-qm", "More")
	w.git("push", "-q")
	r := w.open()
	entries, err := r.Files(t.Context(), w.base(r), 50, func(path string) bool { return path != "people/älice.yaml" })
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range entries {
		text := string(e.Data)
		if e.Data == nil {
			text = "none"
		}
		got[e.Path] = e.Mode + " " + text
	}
	want := map[string]string{
		"large.yaml": "100644 none", "empty.yaml": "100644 ", "lines.yaml": "100644 \n\nblob 3\n", "link.yaml": "120000 none",
		"requests/old one.yaml": "100644 old\n", "requests/new.yaml": "100644 not added\n",
	}
	for path, text := range want {
		if got[path] != text {
			t.Errorf("%s: %q, want %q", path, got[path], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
}

func TestErrorsSayWhatToDoAndHideLogins(t *testing.T) {
	w := newWorld(t)
	open := func(o Options) error { _, err := Open(t.Context(), o); return err }
	for want, err := range map[string]error{
		"is not in the work tree of a Git checkout":         open(Options{Dir: t.TempDir(), Remote: "origin", Branch: "main"}),
		"the checkout has no remote upstream; name it":      open(Options{Dir: w.dir, Remote: "upstream", Branch: "main"}),
		`"--upload-pack=x" is not the name of a remote`:     open(Options{Dir: w.dir, Remote: "--upload-pack=x", Branch: "main"}),
		`"-x" cannot be the name of a branch`:               open(Options{Dir: w.dir, Remote: "origin", Branch: "-x"}),
		`"a..b" cannot be the name of a branch`:             open(Options{Dir: w.dir, Remote: "origin", Branch: "a..b"}),
		"name the checkout of the access repository: git r": open(Options{Dir: w.bare, Remote: "origin", Branch: "main"}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	w.git("remote", "add", "far", "http://alice:hunter2@127.0.0.1:1/acme/access.git")
	r, err := Open(t.Context(), Options{Dir: w.dir, Remote: "far", Branch: "main"})
	if err != nil || r.URL != "http://127.0.0.1:1/acme/access.git" {
		t.Fatalf("%v %v", r, err)
	}
	if _, err := r.Base(t.Context(), true); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "fetch branch main of remote far: git fetch: ") {
		t.Errorf("got %v", err)
	}
	if _, err := r.Base(t.Context(), false); err == nil || !strings.Contains(err.Error(), "was never fetched; run git fetch far") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.open().Base(ctx, true); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTheUsersSignatureIsAskedFor(t *testing.T) {
	w := newWorld(t)
	signer := filepath.Join(t.TempDir(), "signer")
	if err := os.WriteFile(signer, []byte("#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\necho '-----BEGIN PGP SIGNATURE-----'\necho made\necho '-----END PGP SIGNATURE-----'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.git("config", "gpg.program", signer)
	w.git("config", "commit.gpgSign", "true")
	r := w.open()
	if _, err := r.Make(t.Context(), w.base(r), Proposal{Change: write("requests/a.yaml", "a\n"), Branch: "access/alice", Message: "Ask"}); err != nil {
		t.Fatal(err)
	}
	if got := w.run(w.bare, "cat-file", "commit", "access/alice"); !strings.Contains(got, "gpgsig -----BEGIN PGP SIGNATURE-----") {
		t.Errorf("not signed:\n%s", got)
	}
}

func TestThePlaceOfARemote(t *testing.T) {
	for remote, want := range map[string]string{
		"https://github.com/acme/access.git":            "https://github.com acme/access",
		"https://github.example.com:8443/acme/access":   "https://github.example.com:8443 acme/access",
		"git@github.com:acme/access.git":                "https://github.com acme/access",
		"ssh://git@github.example.com:2222/acme/access": "https://github.example.com acme/access",
		"ssh://git@ssh.github.com:443/acme/access.git":  "https://github.com acme/access",
		"http://127.0.0.1:8080/acme/access.git":         "http://127.0.0.1:8080 acme/access",
		"http://github.example.com/acme/access.git":     "",
		"file:///srv/access.git":                        "",
		"/srv/access.git":                               "",
		"../access.git":                                 "",
		"https://github.com/acme/deep/access.git":       "",
		"https://github.com/access.git":                 "",
		"javascript://github.com/acme/access":           "",
	} {
		got := ""
		if p, ok := PlaceOf(remote); ok {
			got = p.Web + " " + p.Repo
		}
		if got != want {
			t.Errorf("%s: %q, want %q", remote, got, want)
		}
	}
	p, _ := PlaceOf("git@github.com:acme/access.git")
	if got, want := p.CompareURL("main", "access/a#b?c"), "https://github.com/acme/access/compare/main...access/a%23b%3Fc?expand=1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
