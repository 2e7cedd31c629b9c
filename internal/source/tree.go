package source

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// treeEntry is an entry of a tree: a file, or a directory whose mode is "".
type treeEntry struct {
	path string
	hash plumbing.Hash
	mode Mode
}

// Changes returns what a commit changed against its first parent, sorted by
// path; of a commit without a parent, all files. A move is a deletion and an
// addition. It reads only the directories that differ.
func (r *Repo) Changes(commit string) (changes []Change, err error) {
	err = r.read(func(s *filesystem.Storage) error {
		c, err := commitOf(s, commit)
		if err != nil {
			return err
		}
		var before plumbing.Hash
		if len(c.ParentHashes) > 0 {
			p, err := object.GetCommit(s, c.ParentHashes[0])
			if err != nil {
				return fmt.Errorf("parent of commit %s: %w", commit, err)
			}
			before = p.TreeHash
		}
		err = diff(s, "", before, c.TreeHash, &changes)
		sort.Slice(changes, func(i, j int) bool { return changes[i].Path < changes[j].Path })
		return err
	})
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// Files returns every file at a commit, sorted by path.
func (r *Repo) Files(commit string) (files []Entry, err error) {
	err = r.read(func(s *filesystem.Storage) error {
		c, err := commitOf(s, commit)
		if err != nil {
			return err
		}
		err = walk(s, c.Hash.String(), func(e treeEntry) error {
			f, err := fileOf(s, e)
			files = append(files, f)
			return err
		})
		sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
		return err
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

// Lookup returns the file at a path of a commit; ErrUnknown when there is none.
func (r *Repo) Lookup(commit, path string) (f Entry, err error) {
	err = r.read(func(s *filesystem.Storage) error {
		c, err := commitOf(s, commit)
		if err != nil {
			return err
		}
		at := treeEntry{hash: c.TreeHash}
		for _, name := range strings.Split(path, "/") {
			if at.mode != "" {
				return fmt.Errorf("%s at commit %s: %w", path, commit, ErrUnknown)
			}
			dir, err := readTree(s, at.path, at.hash)
			if err != nil {
				return err
			}
			next, ok := dir[name]
			if !ok {
				return fmt.Errorf("%s at commit %s: %w", path, commit, ErrUnknown)
			}
			at = next
		}
		if at.mode == "" {
			return fmt.Errorf("%s at commit %s is a directory: %w", path, commit, ErrUnknown)
		}
		f, err = fileOf(s, at)
		return err
	})
	return f, err
}

// Read returns the bytes of a blob, or ErrTooLarge, without reading them, when
// there are more than max.
func (r *Repo) Read(blob string, max int64) (data []byte, err error) {
	err = r.read(func(s *filesystem.Storage) error {
		h, err := hashOf(blob)
		if err != nil {
			return err
		}
		size, err := s.EncodedObjectSize(h)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			return fmt.Errorf("blob %s: %w", blob, ErrUnknown)
		}
		if err != nil {
			return fmt.Errorf("blob %s: %w", blob, err)
		}
		if size > max {
			return fmt.Errorf("blob %s: %w: %d bytes, at most %d are read", blob, ErrTooLarge, size, max)
		}
		o, err := s.EncodedObject(plumbing.AnyObject, h)
		if err != nil {
			return fmt.Errorf("blob %s: %w", blob, err)
		}
		if o.Type() != plumbing.BlobObject {
			return fmt.Errorf("%s is a %s, no blob: %w", blob, o.Type(), ErrUnknown)
		}
		in, err := o.Reader()
		if err != nil {
			return fmt.Errorf("blob %s: %w", blob, err)
		}
		defer in.Close()
		data, err = io.ReadAll(io.LimitReader(in, max+1))
		if err != nil {
			return fmt.Errorf("blob %s: %w", blob, err)
		}
		if int64(len(data)) != size || plumbing.ComputeHash(plumbing.BlobObject, data) != h {
			return fmt.Errorf("blob %s: its bytes are not the ones it is named after", blob)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// diff appends the files that differ between two trees; a zero hash is no tree.
func diff(s *filesystem.Storage, path string, before, after plumbing.Hash, out *[]Change) error {
	if before == after {
		return nil
	}
	olds, err := readTree(s, path, before)
	if err != nil {
		return err
	}
	news, err := readTree(s, path, after)
	if err != nil {
		return err
	}
	for name, o := range olds {
		n, ok := news[name]
		if ok && n.hash == o.hash && n.mode == o.mode {
			continue
		}
		if err := diffEntry(s, &o, optional(n, ok), out); err != nil {
			return err
		}
	}
	for name, n := range news {
		if _, ok := olds[name]; ok {
			continue
		}
		if err := diffEntry(s, nil, &n, out); err != nil {
			return err
		}
	}
	return nil
}

func optional(e treeEntry, ok bool) *treeEntry {
	if !ok {
		return nil
	}
	return &e
}

// diffEntry compares what has one name in two trees. A file that became a
// directory is gone under its own path, and the directory's files are new.
func diffEntry(s *filesystem.Storage, o, n *treeEntry, out *[]Change) error {
	var c Change
	var before, after plumbing.Hash
	path := ""
	if o != nil {
		path = o.path
		if o.mode == "" {
			before = o.hash
		} else {
			f, err := fileOf(s, *o)
			if err != nil {
				return err
			}
			c.Old = &f
		}
	}
	if n != nil {
		path = n.path
		if n.mode == "" {
			after = n.hash
		} else {
			f, err := fileOf(s, *n)
			if err != nil {
				return err
			}
			c.New = &f
		}
	}
	if c.Old != nil || c.New != nil {
		c.Path = path
		*out = append(*out, c)
	}
	return diff(s, path, before, after, out)
}

// walk visits every file of a commit, in no order.
func walk(s *filesystem.Storage, commit string, visit func(treeEntry) error) error {
	c, err := object.GetCommit(s, plumbing.NewHash(commit))
	if err != nil {
		return fmt.Errorf("commit %s: %w", commit, err)
	}
	return walkTree(s, "", c.TreeHash, visit)
}

func walkTree(s *filesystem.Storage, path string, tree plumbing.Hash, visit func(treeEntry) error) error {
	entries, err := readTree(s, path, tree)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.mode == "" {
			err = walkTree(s, e.path, e.hash, visit)
		} else {
			err = visit(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readTree returns the entries of a tree by name; of a zero hash, none.
func readTree(s *filesystem.Storage, path string, tree plumbing.Hash) (map[string]treeEntry, error) {
	if tree.IsZero() {
		return nil, nil
	}
	t, err := object.GetTree(s, tree)
	if err != nil {
		return nil, fmt.Errorf("directory %q: %w", path, err)
	}
	entries := make(map[string]treeEntry, len(t.Entries))
	for _, e := range t.Entries {
		if _, twice := entries[e.Name]; twice || !plainName(e.Name) {
			return nil, fmt.Errorf("directory %q: %w: entry %q", path, ErrMalformed, e.Name)
		}
		full := e.Name
		if path != "" {
			full = path + "/" + e.Name
		}
		entry := treeEntry{path: full, hash: e.Hash}
		switch e.Mode {
		case filemode.Dir:
		case filemode.Regular, filemode.Deprecated:
			entry.mode = Regular
		case filemode.Executable:
			entry.mode = Executable
		case filemode.Symlink:
			entry.mode = Symlink
		case filemode.Submodule:
			entry.mode = Submodule
		default:
			entry.mode = odd(e.Mode)
		}
		entries[e.Name] = entry
	}
	return entries, nil
}

// odd says what Git takes an entry with an unusual mode for. Anybody who may open a
// pull request can make one, so it must not keep the tree from being read.
func odd(m filemode.FileMode) Mode {
	const kind, file, link, dir, owner = 0o170000, 0o100000, 0o120000, 0o040000, 0o100
	switch m & kind {
	case file:
		if m&owner != 0 {
			return Executable
		}
		return Regular
	case link:
		return Symlink
	case dir:
		return "" // a directory
	}
	return Submodule
}

func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

func fileOf(s *filesystem.Storage, e treeEntry) (Entry, error) {
	f := Entry{Path: e.path, Blob: e.hash.String(), Mode: e.mode}
	if e.mode == Submodule {
		return f, nil
	}
	size, err := s.EncodedObjectSize(e.hash)
	if err != nil {
		return f, fmt.Errorf("%s: %w", e.path, err)
	}
	f.Size = size
	return f, nil
}
