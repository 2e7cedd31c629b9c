// Package propose brings a change to a branch of its own on the remote of a Git
// checkout, ready for a pull request. It works through the git program, so that the
// user's logins, keys and signatures work, and it never touches what the user works
// on: not the current branch, not the index, not the work tree.
package propose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// Options say where to work.
type Options struct {
	Dir    string // somewhere in the work tree
	Remote string // name of the remote
	Branch string // on the remote, that changes go to
	Prompt bool   // git may ask for a password on the terminal
}

// Repo is a checkout of the access repository.
type Repo struct {
	Options
	Top string // of the work tree
	URL string // of the remote, without a login
}

var remoteName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/-]*$`)

// Open finds the checkout and its remote. It asks nobody on the network.
func Open(ctx context.Context, o Options) (*Repo, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, errors.New("the program git is not to be found; install it")
	}
	r := &Repo{Options: o}
	if !remoteName.MatchString(o.Remote) {
		return nil, fmt.Errorf("%q is not the name of a remote", o.Remote)
	}
	if err := r.checkBranch(ctx, o.Branch); err != nil {
		return nil, err
	}
	top, err := r.git(ctx, nil, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, fmt.Errorf("%s is not in the work tree of a Git checkout; name the checkout of the access repository: %w", o.Dir, err)
	}
	r.Top = line(top)
	url, err := r.git(ctx, nil, "remote", "get-url", o.Remote)
	if err != nil {
		return nil, fmt.Errorf("the checkout has no remote %s; name it, or add it with git remote add: %w", o.Remote, err)
	}
	r.URL = scrub(line(url))
	return r, nil
}

// Email returns the user's address as Git has it; empty: none is set.
func (r *Repo) Email(ctx context.Context) string {
	out, err := r.git(ctx, nil, "config", "user.email")
	if err != nil {
		return "" // git config fails for what is not set
	}
	return line(out)
}

// Base returns the newest commit of the remote's branch: fetched, or as of the last
// fetch.
func (r *Repo) Base(ctx context.Context, fetch bool) (string, error) {
	if fetch {
		if err := r.fetch(ctx, r.Branch); err != nil {
			return "", err
		}
	}
	commit, err := r.resolve(ctx, r.tracking(r.Branch))
	if err == nil && commit == "" {
		err = fmt.Errorf("branch %s of remote %s was never fetched; run git fetch %[2]s", r.Branch, r.Remote)
	}
	return commit, err
}

func (r *Repo) tracking(branch string) string { return "refs/remotes/" + r.Remote + "/" + branch }

// fetch brings the ref that follows a branch of the remote up to date, and nothing
// else.
func (r *Repo) fetch(ctx context.Context, branch string) error {
	_, err := r.git(ctx, nil, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
		r.Remote, "+refs/heads/"+branch+":"+r.tracking(branch))
	if err != nil {
		return fmt.Errorf("fetch branch %s of remote %s: %w", branch, r.Remote, err)
	}
	return nil
}

// resolve returns the commit of a ref; empty: there is none.
func (r *Repo) resolve(ctx context.Context, ref string) (string, error) {
	out, err := r.git(ctx, nil, "for-each-ref", "--format=%(objectname) %(refname)", ref)
	for l := range strings.Lines(string(out)) {
		if commit, name, _ := strings.Cut(line([]byte(l)), " "); name == ref {
			return commit, nil
		}
	}
	return "", err
}

func (r *Repo) checkBranch(ctx context.Context, branch string) error {
	if _, err := r.git(ctx, nil, "check-ref-format", "refs/heads/"+branch); err != nil || strings.HasPrefix(branch, "-") {
		return fmt.Errorf("%q cannot be the name of a branch", branch)
	}
	return nil
}

// command is how a git program is called.
type command struct {
	in  []byte
	env []string
}

// git runs git in the checkout and returns what it prints.
func (r *Repo) git(ctx context.Context, c *command, args ...string) ([]byte, error) {
	if c == nil {
		c = &command{}
	}
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", r.Dir}, args...)...)
	cmd.Stdin = bytes.NewReader(c.in)
	cmd.Env = append(r.environment(), c.env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		why := strings.Join(strings.Fields(scrub(errOut.String())), " ")
		if why == "" {
			why = err.Error()
		}
		return nil, fmt.Errorf("git %s: %s", verb(args), why)
	}
	return out.Bytes(), nil
}

// verb is the git command among arguments.
func verb(args []string) string {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-c":
			i++
		case !strings.HasPrefix(args[i], "-"):
			return args[i]
		}
	}
	return ""
}

// local are the variables by which a hook or an alias points git at a repository;
// the one that we work on is named by its directory.
var local = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE",
	"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH",
}

func (r *Repo) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(local, name)
	})
	if !r.Prompt {
		env = append(env, "GIT_TERMINAL_PROMPT=0")
	}
	return env
}

var login = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]+@`)

// scrub takes the logins out of the addresses in a text.
func scrub(s string) string { return login.ReplaceAllString(s, "$1") }

func line(out []byte) string { return strings.TrimRight(string(out), "\r\n") }
