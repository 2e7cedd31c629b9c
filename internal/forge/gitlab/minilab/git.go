package minilab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// zero is what Git calls no commit.
const zero = "0000000000000000000000000000000000000000"

// runner runs Git; nothing of the machine's configuration has a say.
type runner struct{ home, backend string }

func findBackend() (string, error) {
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return "", fmt.Errorf("minilab: git is needed: %w", err)
	}
	backend := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		return "", fmt.Errorf("minilab: git-http-backend is needed: %w", err)
	}
	return backend, nil
}

func (g runner) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + g.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Lab", "GIT_AUTHOR_EMAIL=lab@example.com", "GIT_COMMITTER_NAME=Lab", "GIT_COMMITTER_EMAIL=lab@example.com",
	}
}

// run returns what Git printed, without the last line's end.
func (g runner) run(dir string, stdin []byte, args ...string) (string, error) {
	return g.runEnv(dir, nil, stdin, args...)
}

func (g runner) runEnv(dir string, env []string, stdin []byte, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append(g.env(), env...), bytes.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("minilab: git %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// lines is run for commands that print one thing a line.
func (g runner) lines(dir string, args ...string) ([]string, error) {
	out, err := g.run(dir, nil, args...)
	if err != nil || out == "" {
		return nil, err
	}
	return strings.Split(out, "\n"), nil
}

// branches returns the commit of every branch.
func (g runner) branches(dir string) (map[string]string, error) {
	list, err := g.lines(dir, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads")
	out := map[string]string{}
	for _, line := range list {
		commit, ref, _ := strings.Cut(line, " ")
		out[strings.TrimPrefix(ref, "refs/heads/")] = commit
	}
	return out, err
}

var errConflict = errors.New("branch cannot be merged")

// join merges two commits and returns the tree.
func (g runner) join(dir, base, head string) (string, error) {
	out, err := g.run(dir, nil, "merge-tree", "--write-tree", base, head)
	if err != nil {
		return "", errConflict
	}
	return out, nil
}

func (g runner) commit(dir, tree, message string, parents ...string) (string, error) {
	args := []string{"commit-tree", tree, "-m", message}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	return g.run(dir, nil, args...)
}

// without returns the tree of a commit less some files, which must be there.
func (g runner) without(dir, commit string, paths []string) (string, error) {
	var lines []string
	for _, path := range paths {
		if _, err := g.run(dir, nil, "cat-file", "-e", commit+":"+path); err != nil {
			return "", errors.New("a file with this name does not exist")
		}
		lines = append(lines, "0 "+zero+"\t"+path)
	}
	return g.edited(dir, commit, lines)
}

// edited returns the tree of a commit after changes in the form of Git's index.
func (g runner) edited(dir, commit string, lines []string) (string, error) {
	tmp, err := os.MkdirTemp(dir, "index-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(tmp, "index")}
	if _, err := g.runEnv(dir, env, nil, "read-tree", commit); err != nil {
		return "", err
	}
	var in strings.Builder
	for _, line := range lines {
		in.WriteString(line + "\x00")
	}
	if _, err := g.runEnv(dir, env, []byte(in.String()), "update-index", "-z", "--index-info"); err != nil {
		return "", err
	}
	return g.runEnv(dir, env, nil, "write-tree")
}
