package minihub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// zero is the hash that Git uses for "no commit".
const zero = "0000000000000000000000000000000000000000"

// gitRunner runs the git program with nothing inherited from this machine: no
// system or user configuration, no hooks but our own, no prompts.
type gitRunner struct {
	bin     string
	env     []string
	hooks   string
	timeout time.Duration
}

func newGitRunner(dir string, timeout time.Duration) (gitRunner, error) {
	bin, err := exec.LookPath("git")
	if err != nil {
		return gitRunner{}, fmt.Errorf("minihub: the git program is needed: %w", err)
	}
	hooks := filepath.Join(dir, "hooks")
	if err := os.MkdirAll(hooks, 0o755); err != nil {
		return gitRunner{}, fmt.Errorf("minihub: %w", err)
	}
	if err := os.WriteFile(filepath.Join(hooks, "update"), []byte(updateHook), 0o755); err != nil {
		return gitRunner{}, fmt.Errorf("minihub: %w", err)
	}
	return gitRunner{
		bin:     bin,
		hooks:   hooks,
		timeout: timeout,
		env: []string{
			"PATH=" + os.Getenv("PATH"),
			"HOME=" + dir,
			"LC_ALL=C",
			"TZ=UTC",
			"GIT_CONFIG_NOSYSTEM=1",
			"GIT_CONFIG_GLOBAL=" + os.DevNull,
			"GIT_TERMINAL_PROMPT=0",
		},
	}, nil
}

// command prepares git in a directory. It outlives the caller's cancellation: a
// forge finishes what it began when its client goes away.
func (g gitRunner) command(ctx context.Context, dir string, args ...string) (*exec.Cmd, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.timeout)
	cmd := exec.CommandContext(ctx, g.bin, append([]string{"-c", "core.hooksPath=" + g.hooks}, args...)...)
	cmd.Dir = dir
	cmd.Env = g.env
	cmd.WaitDelay = time.Second
	return cmd, cancel
}

// errGit is wrapped by every failure of a git command that ran.
var errGit = errors.New("git failed")

// exitCode is the exit status of a failed command, or -1.
func exitCode(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	return -1
}

func (g gitRunner) runEnv(ctx context.Context, dir string, env []string, stdin []byte, args ...string) ([]byte, error) {
	cmd, cancel := g.command(ctx, dir, args...)
	defer cancel()
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], env...)
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%w: git %s: %w: %s", errGit, args[0], err, strings.TrimSpace(errOut.String()))
	}
	return out.Bytes(), nil
}

func (g gitRunner) run(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := g.runEnv(ctx, dir, nil, nil, args...)
	return strings.TrimSuffix(string(out), "\n"), err
}

// lines runs git and splits what it printed; no output is no lines.
func (g gitRunner) lines(ctx context.Context, dir string, args ...string) ([]string, error) {
	out, err := g.run(ctx, dir, args...)
	if err != nil || out == "" {
		return nil, err
	}
	return strings.Split(out, "\n"), nil
}

// initRepo creates a bare repository whose HEAD is the branch.
func (g gitRunner) initRepo(ctx context.Context, dir, branch string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := g.run(ctx, dir, "init", "-q", "--bare", "--template=", "--initial-branch="+branch, "."); err != nil {
		return err
	}
	// Like GitHub: any object that is there may be fetched by its hash, and the
	// refs of pull requests can be read but not pushed to.
	f, err := os.OpenFile(filepath.Join(dir, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n" +
		"[receive]\n\thideRefs = refs/pull\n\tautogc = false\n[gc]\n\tauto = 0\n[core]\n\tfsync = none\n")
	return errors.Join(err, f.Close())
}

// refs lists a repository's refs below a prefix.
func (g gitRunner) refs(ctx context.Context, dir, prefix string) (map[string]string, error) {
	lines, err := g.lines(ctx, dir, "for-each-ref", "--format=%(objectname) %(refname)", prefix)
	if err != nil {
		return nil, err
	}
	refs := make(map[string]string, len(lines))
	for _, l := range lines {
		sha, name, _ := strings.Cut(l, " ")
		refs[name] = sha
	}
	return refs, nil
}

// isAncestor reports whether commit a is b or one of its ancestors.
func (g gitRunner) isAncestor(ctx context.Context, dir, a, b string) (bool, error) {
	_, err := g.run(ctx, dir, "merge-base", "--is-ancestor", a, b)
	if err != nil && exitCode(err) == 1 {
		return false, nil
	}
	return err == nil, err
}

// mergeBase returns the best common ancestor, or "" when there is none.
func (g gitRunner) mergeBase(ctx context.Context, dir, a, b string) (string, error) {
	out, err := g.run(ctx, dir, "merge-base", a, b)
	if err != nil && exitCode(err) == 1 {
		return "", nil
	}
	return out, err
}

// signature is one of the two people of a commit.
type signature struct {
	name, email string
	when        time.Time
}

func (s signature) env(role string) []string {
	return []string{
		"GIT_" + role + "_NAME=" + s.name,
		"GIT_" + role + "_EMAIL=" + s.email,
		fmt.Sprintf("GIT_%s_DATE=@%d +0000", role, s.when.Unix()),
	}
}

// commitTree makes a commit of a tree that is already in the repository.
func (g gitRunner) commitTree(ctx context.Context, dir, tree, message string, parents []string, author, committer signature) (string, error) {
	args := []string{"commit-tree", tree}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	args = append(args, "-F", "-")
	out, err := g.runEnv(ctx, dir, append(author.env("AUTHOR"), committer.env("COMMITTER")...), []byte(message), args...)
	return strings.TrimSpace(string(out)), err
}

// mergeTrees merges two commits; ok is false when they conflict.
func (g gitRunner) mergeTrees(ctx context.Context, dir, ours, theirs string) (tree string, ok bool, err error) {
	out, err := g.run(ctx, dir, "merge-tree", "--write-tree", "--no-messages", ours, theirs)
	if err != nil && exitCode(err) == 1 {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return strings.TrimSpace(out), true, nil
}
