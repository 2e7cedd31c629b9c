package minihub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

func (g gitRunner) writeBlob(ctx context.Context, dir string, content []byte) (string, error) {
	if content == nil {
		content = []byte{} // nil would leave git reading nothing at all
	}
	out, err := g.runEnv(ctx, dir, nil, content, "hash-object", "-w", "--stdin")
	return strings.TrimSpace(string(out)), err
}

// writeTree writes a tree of files through an index of its own.
func (g gitRunner) writeTree(ctx context.Context, dir string, files map[string]treeEntry) (string, error) {
	tmp, err := os.MkdirTemp(dir, "index-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	env := []string{"GIT_INDEX_FILE=" + tmp + "/index"}
	var lines bytes.Buffer
	for path, e := range files {
		fmt.Fprintf(&lines, "%s %s\t%s\x00", e.mode, e.sha, path)
	}
	if _, err := g.runEnv(ctx, dir, env, lines.Bytes(), "update-index", "--add", "-z", "--index-info"); err != nil {
		return "", err
	}
	out, err := g.runEnv(ctx, dir, env, nil, "write-tree")
	return strings.TrimSpace(string(out)), err
}

// Commit is a commit that a test or the demo pushes without a clone.
type Commit struct {
	Branch  string            // created from From when it does not exist
	From    string            // branch or hash; default: the default branch, or nothing in an empty repository
	By      string            // login: author, committer and pusher
	Message string            // default: "Change files"
	Write   map[string]string // path → content
	Remove  []string          // paths
	Force   bool              // start from From even when the branch exists: a force push
}

// Push makes a commit and records it as a push of that account. Protection is not
// asked: it is how a test gets what must not have happened onto a branch.
func (h *Hub) Push(fullName string, in Commit) (sha string, err error) {
	err = h.withRepo(fullName, func(r *repo) error {
		u, err := h.mustUser(in.By)
		if err != nil {
			return err
		}
		sha, err = h.pushCommit(goSide(), r, u, in)
		return err
	})
	return sha, err
}

func (h *Hub) pushCommit(ctx context.Context, r *repo, u *user, in Commit) (string, error) {
	if in.Branch == "" {
		in.Branch = r.defaultBranch
	}
	before, err := h.branchHead(ctx, r, in.Branch)
	if err != nil {
		return "", err
	}
	parent := before
	if parent == "" || in.Force {
		parent = h.resolve(ctx, r, in.From)
		if parent == "" && in.From != "" {
			return "", fmt.Errorf("minihub: %s has no %s to start from", r.fullName(), in.From)
		}
	}
	files := map[string]treeEntry{}
	var parents []string
	if parent != "" {
		parents = []string{parent}
		entries, err := h.tree(ctx, r, parent, true)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			if e.kind != "tree" {
				files[e.path] = e
			}
		}
	}
	for _, path := range in.Remove {
		if _, ok := files[path]; !ok {
			return "", fmt.Errorf("minihub: %s: no file %s to remove", r.fullName(), path)
		}
		delete(files, path)
	}
	for path, content := range in.Write {
		blob, err := h.git.writeBlob(ctx, r.dir, []byte(content))
		if err != nil {
			return "", err
		}
		files[path] = treeEntry{mode: "100644", sha: blob}
	}
	tree, err := h.git.writeTree(ctx, r.dir, files)
	if err != nil {
		return "", err
	}
	who := h.signature(u)
	sha, err := h.git.commitTree(ctx, r.dir, tree, orElse(in.Message, "Change files")+"\n", parents, who, who)
	if err != nil {
		return "", err
	}
	if before == "" {
		before = zero
	}
	return sha, h.setRef(ctx, r, heads+in.Branch, before, sha, u, "")
}

// MoveBranch points a branch at a commit that is already in the repository, as a
// (force) push of that account; an empty hash deletes the branch.
func (h *Hub) MoveBranch(fullName, branch, sha, login string) error {
	return h.withRepo(fullName, func(r *repo) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		before, err := h.branchHead(goSide(), r, branch)
		if err != nil {
			return err
		}
		if before == "" {
			before = zero
		}
		if sha == "" {
			sha = zero
		}
		if before == zero && sha == zero {
			return errors.New("minihub: the branch does not exist")
		}
		return h.setRef(goSide(), r, heads+branch, before, sha, u, "")
	})
}

// Head returns the commit of a branch.
func (h *Hub) Head(fullName, branch string) (sha string, err error) {
	err = h.withRepo(fullName, func(r *repo) error {
		sha, err = h.branchHead(goSide(), r, branch)
		if err == nil && sha == "" {
			err = fmt.Errorf("minihub: %s has no branch %s", fullName, branch)
		}
		return err
	})
	return sha, err
}
