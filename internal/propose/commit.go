package propose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Change is what a commit does to the files of its parent.
type Change struct {
	Write  map[string][]byte // path: bytes
	Remove []string
}

// Proposal is a change on a branch of its own.
type Proposal struct {
	Change
	Branch  string
	Message string
	Local   bool // make the branch in the checkout, and do not push
}

// Made is the branch that a proposal led to.
type Made struct {
	Commit string
	Found  bool // it was there already, with the same change
}

// ErrBranchTaken is returned when the branch is there with another change.
var ErrBranchTaken = errors.New("is there already, with another change")

// ErrNoChange is returned when the change is on the base branch already.
var ErrNoChange = errors.New("nothing would change")

// Make commits the change on top of base and brings it to its branch, which must not
// be there. A branch that brings just this change is found and left as it is, so that
// it may be called again after a failure.
func (r *Repo) Make(ctx context.Context, base string, p Proposal) (Made, error) {
	if err := r.checkBranch(ctx, p.Branch); err != nil {
		return Made{}, err
	}
	head, err := r.head(ctx, p)
	if err != nil {
		return Made{}, err
	}
	if head != "" {
		same, err := r.brings(ctx, base, head, p.Change)
		if err == nil && !same {
			err = fmt.Errorf("branch %s %w", p.Branch, ErrBranchTaken)
		}
		return Made{Commit: head, Found: true}, err
	}
	tree, err := r.tree(ctx, base, p.Change)
	if err != nil {
		return Made{}, err
	}
	if same, err := r.hasTree(ctx, base, tree); err != nil || same {
		return Made{}, errors.Join(err, ErrNoChange)
	}
	commit, err := r.commit(ctx, base, tree, p.Message)
	if err != nil {
		return Made{}, err
	}
	ref := "refs/heads/" + p.Branch
	if p.Local {
		_, err = r.git(ctx, nil, "update-ref", "-m", "reconciler: proposed", ref, commit, "")
	} else { // the empty lease: it must not be there
		_, err = r.git(ctx, nil, "push", "--quiet", "--no-follow-tags", "--recurse-submodules=no",
			"--force-with-lease="+ref+":", r.Remote, commit+":"+ref)
	}
	if err != nil {
		return Made{}, fmt.Errorf("make branch %s: %w", p.Branch, err)
	}
	return Made{Commit: commit}, nil
}

// head returns the commit of the proposal's branch, here or on the remote; empty:
// there is none.
func (r *Repo) head(ctx context.Context, p Proposal) (string, error) {
	if p.Local {
		return r.resolve(ctx, "refs/heads/"+p.Branch)
	}
	out, err := r.git(ctx, nil, "ls-remote", "--heads", r.Remote, "refs/heads/"+p.Branch)
	if err != nil {
		return "", fmt.Errorf("look for branch %s on remote %s: %w", p.Branch, r.Remote, err)
	}
	commit, _, ok := strings.Cut(string(out), "\t")
	if !ok {
		return "", nil
	}
	return commit, r.fetch(ctx, p.Branch)
}

// brings reports whether a branch brings this change and no other, from where it left
// the base branch.
func (r *Repo) brings(ctx context.Context, base, head string, c Change) (bool, error) {
	from := base
	if out, err := r.git(ctx, nil, "merge-base", base, head); err == nil { // it fails where there is none
		from = line(out)
	}
	tree, err := r.tree(ctx, from, c)
	if err != nil {
		return false, err
	}
	return r.hasTree(ctx, head, tree)
}

func (r *Repo) hasTree(ctx context.Context, commit, tree string) (bool, error) {
	out, err := r.git(ctx, nil, "rev-parse", "--verify", "--end-of-options", commit+"^{tree}")
	return line(out) == tree, err
}

// tree writes the tree of a commit with a change, by way of an index of its own.
func (r *Repo) tree(ctx context.Context, commit string, c Change) (string, error) {
	dir, err := os.MkdirTemp("", "reconciler-index-")
	if err != nil {
		return "", fmt.Errorf("index of the change: %w", err)
	}
	defer os.RemoveAll(dir)
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	// What the user has set for their own index would write beside it.
	plain := []string{"-c", "core.splitIndex=false", "-c", "core.fsmonitor=false", "-c", "index.sparse=false"}
	run := func(in []byte, args ...string) ([]byte, error) {
		return r.git(ctx, &command{in: in, env: index}, append(slices.Clone(plain), args...)...)
	}
	if _, err := run(nil, "read-tree", commit); err != nil {
		return "", err
	}
	var info bytes.Buffer
	for _, path := range slices.Sorted(maps.Keys(c.Write)) {
		blob, err := r.git(ctx, &command{in: c.Write[path]}, "hash-object", "-w", "--stdin")
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&info, "%s %s\t%s\x00", modeFile, line(blob), path)
	}
	for _, path := range c.Remove {
		fmt.Fprintf(&info, "0 %s\t%s\x00", strings.Repeat("0", len(commit)), path)
	}
	if _, err := run(info.Bytes(), "update-index", "-z", "--index-info"); err != nil {
		return "", err
	}
	tree, err := run(nil, "write-tree")
	return line(tree), err
}

// commit signs if the user's commits are signed.
func (r *Repo) commit(ctx context.Context, parent, tree, message string) (string, error) {
	args := []string{"commit-tree", "-p", parent, "-F", "-"}
	if out, err := r.git(ctx, nil, "config", "--type=bool", "commit.gpgSign"); err == nil && line(out) == "true" {
		args = append(args, "-S")
	}
	out, err := r.git(ctx, &command{in: []byte(message)}, append(args, tree)...)
	return line(out), err
}
