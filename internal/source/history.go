package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// FirstParents returns the commits after from up to and including to on the
// first-parent history of to, oldest first. An empty from means all of it, from
// the first commit on. A from that is not on that history is ErrNotOnHistory.
func (r *Repo) FirstParents(from, to string) (commits []string, err error) {
	err = r.read(func(s *filesystem.Storage) error {
		if from != "" {
			if _, err := hashOf(from); err != nil {
				return err
			}
		}
		if _, err := commitOf(s, to); err != nil {
			return err
		}
		at := to
		for at != from {
			c, err := commitOf(s, at)
			if err != nil {
				return fmt.Errorf("history of %s is cut off: %v", to, err) // not the caller's mistake: damage
			}
			commits = append(commits, at)
			if len(c.ParentHashes) > 0 {
				at = c.ParentHashes[0].String()
				continue
			}
			if from == "" {
				break
			}
			return fmt.Errorf("commit %s: %w of %s", from, ErrNotOnHistory, to)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(commits)
	return commits, nil
}

// Parents returns the parents of a commit, first parent first.
func (r *Repo) Parents(commit string) (parents []string, err error) {
	err = r.read(func(s *filesystem.Storage) error {
		c, err := commitOf(s, commit)
		if err != nil {
			return err
		}
		for _, p := range c.ParentHashes {
			parents = append(parents, p.String())
		}
		return nil
	})
	return parents, err
}

// CommitInfo returns what a commit says of itself; times are UTC.
func (r *Repo) CommitInfo(commit string) (i Info, err error) {
	err = r.read(func(s *filesystem.Storage) error {
		c, err := commitOf(s, commit)
		if err != nil {
			return err
		}
		subject, _, _ := strings.Cut(strings.TrimSpace(c.Message), "\n")
		i = Info{
			Author:     c.Author.Name + " <" + c.Author.Email + ">",
			AuthorTime: c.Author.When.UTC(),
			CommitTime: c.Committer.When.UTC(),
			Subject:    strings.TrimSpace(subject),
		}
		return nil
	})
	return i, err
}

// commitOf reads a commit that a caller asked for.
func commitOf(s *filesystem.Storage, commit string) (*object.Commit, error) {
	h, err := hashOf(commit)
	if err != nil {
		return nil, err
	}
	c, err := object.GetCommit(s, h)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("commit %s: %w", commit, ErrUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", commit, err)
	}
	return c, nil
}

// hashOf accepts full lower-case hashes only: an abbreviation can come to mean
// something else.
func hashOf(s string) (plumbing.Hash, error) {
	if !plumbing.IsHash(s) || s != strings.ToLower(s) {
		return plumbing.ZeroHash, fmt.Errorf("%q is no full commit or blob id: %w", s, ErrUnknown)
	}
	return plumbing.NewHash(s), nil
}
