package minihub

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// commitInfo is a parsed commit object.
type commitInfo struct {
	sha, tree         string
	parents           []string
	author, committer signature
	message           string
}

// commit reads a commit object; a hash that is not a commit's is a 404.
func (h *Hub) commit(ctx context.Context, r *repo, sha string) (commitInfo, error) {
	out, err := h.git.runEnv(ctx, r.dir, nil, nil, "cat-file", "commit", sha)
	if err != nil {
		return commitInfo{}, notFound()
	}
	return parseCommit(sha, string(out))
}

func parseCommit(sha, raw string) (commitInfo, error) {
	c := commitInfo{sha: sha}
	head, msg, _ := strings.Cut(raw, "\n\n")
	c.message = msg
	for _, line := range strings.Split(head, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author = parseSignature(value)
		case "committer":
			c.committer = parseSignature(value)
		}
	}
	if c.tree == "" {
		return c, fmt.Errorf("minihub: %s is not a commit", sha)
	}
	return c, nil
}

// parseSignature reads "Name <email> 1700000000 +0000".
func parseSignature(s string) signature {
	name, rest, _ := strings.Cut(s, " <")
	email, when, _ := strings.Cut(rest, "> ")
	sec, _, _ := strings.Cut(when, " ")
	n, _ := strconv.ParseInt(sec, 10, 64)
	return signature{name: name, email: email, when: time.Unix(n, 0).UTC()}
}

// resolve turns a branch, a tag, a full ref or a hash into a commit; unknown is "".
func (h *Hub) resolve(ctx context.Context, r *repo, rev string) string {
	if rev == "" {
		rev = r.defaultBranch
	}
	for _, name := range []string{heads + rev, "refs/tags/" + rev, "refs/" + rev, rev} {
		if strings.HasPrefix(name, "-") {
			continue
		}
		if out, err := h.git.run(ctx, r.dir, "rev-parse", "--verify", "--quiet", name+"^{commit}"); err == nil {
			return out
		}
	}
	return ""
}

// objectType is commit, tree, blob or tag; "" when the object is not there.
func (h *Hub) objectType(ctx context.Context, r *repo, sha string) string {
	if !fullHash(sha) {
		return ""
	}
	out, err := h.git.run(ctx, r.dir, "cat-file", "-t", sha)
	if err != nil {
		return ""
	}
	return out
}

func fullHash(s string) bool {
	if len(s) != 40 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// treeEntry is one line of a tree.
type treeEntry struct {
	mode, kind, sha, path string
	size                  int64 // blobs only
}

// tree lists a tree; a missing one is a 404.
func (h *Hub) tree(ctx context.Context, r *repo, treeish string, recursive bool) ([]treeEntry, error) {
	args := []string{"ls-tree", "-z", "-l", "--full-tree"}
	if recursive {
		args = append(args, "-r", "-t")
	}
	if strings.HasPrefix(treeish, "-") { // never an option
		return nil, notFound()
	}
	out, err := h.git.runEnv(ctx, r.dir, nil, nil, append(args, treeish)...)
	if err != nil {
		return nil, notFound()
	}
	var entries []treeEntry
	for _, line := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if line == "" {
			continue
		}
		meta, path, _ := strings.Cut(line, "\t")
		f := strings.Fields(meta)
		if len(f) != 4 {
			return nil, fmt.Errorf("minihub: unexpected tree entry %q", line)
		}
		e := treeEntry{mode: f[0], kind: f[1], sha: f[2], path: path}
		e.size, _ = strconv.ParseInt(f[3], 10, 64)
		entries = append(entries, e)
	}
	return entries, nil
}

// fileDiff is one changed file of a pull request or commit.
type fileDiff struct {
	path, oldPath        string
	status               string // in the API's words
	sha                  string // blob after, or before when removed
	additions, deletions int
	patch                string // without the headers; empty for binary files
}

// diff compares two commits; from empty is the empty tree.
func (h *Hub) diff(ctx context.Context, r *repo, from, to string, patches bool) ([]fileDiff, error) {
	if from == "" {
		from = "4b825dc642cb6eb9a060e54bf8d69288fbee4904" // the empty tree, known to every Git
	}
	raw, err := h.git.runEnv(ctx, r.dir, nil, nil, "diff-tree", "-r", "-M", "--raw", "--no-abbrev", "-z", from, to)
	if err != nil {
		return nil, err
	}
	files := parseRaw(string(raw))
	stat, err := h.git.runEnv(ctx, r.dir, nil, nil, "diff-tree", "-r", "-M", "--numstat", "-z", from, to)
	if err != nil {
		return nil, err
	}
	parseNumstat(string(stat), files)
	if !patches {
		return files, nil
	}
	out, err := h.git.runEnv(ctx, r.dir, nil, nil, "diff-tree", "-r", "-M", "-p", "--no-color", from, to)
	if err != nil {
		return nil, err
	}
	parts := strings.Split("\n"+string(out), "\ndiff --git ")[1:]
	for i := range files {
		sections := 1
		if files[i].status == "changed" { // a file became a link: shown as removed and added
			sections = 2
		}
		for range min(sections, len(parts)) {
			if _, hunks, ok := strings.Cut(parts[0], "\n@@ "); ok {
				files[i].patch = strings.TrimPrefix(files[i].patch+"\n@@ "+strings.TrimSuffix(hunks, "\n"), "\n")
			}
			parts = parts[1:]
		}
	}
	return files, nil
}

func parseRaw(raw string) []fileDiff {
	var files []fileDiff
	fields := strings.Split(strings.TrimSuffix(raw, "\x00"), "\x00")
	for i := 0; i+1 < len(fields); i++ {
		meta := strings.Fields(strings.TrimPrefix(fields[i], ":"))
		if len(meta) != 5 {
			break
		}
		i++
		f := fileDiff{path: fields[i], sha: meta[3], status: "modified"}
		switch meta[4][0] {
		case 'A':
			f.status = "added"
		case 'D':
			f.status, f.sha = "removed", meta[2]
		case 'T':
			f.status = "changed"
		case 'R':
			i++
			f.status, f.oldPath, f.path = "renamed", f.path, fields[i]
		}
		files = append(files, f)
	}
	return files
}

// parseNumstat fills in the counts; git lists files in the same order every time.
func parseNumstat(stat string, files []fileDiff) {
	fields := strings.Split(strings.TrimSuffix(stat, "\x00"), "\x00")
	n := 0
	for i := 0; i < len(fields) && n < len(files); i++ {
		parts := strings.SplitN(fields[i], "\t", 3)
		if len(parts) != 3 {
			break
		}
		files[n].additions, _ = strconv.Atoi(parts[0])
		files[n].deletions, _ = strconv.Atoi(parts[1])
		if parts[2] == "" { // a rename: both names follow
			i += 2
		}
		n++
	}
}
