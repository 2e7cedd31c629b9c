package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// maxPacks is how many packs may gather before the copy is cloned again. Looking
// an object up costs a search in each (see BenchmarkReadWithManyPacks).
const maxPacks = 100

// Repo is the local copy. Its methods may be called at the same time; a poll
// does not hold up reads while it waits for the network.
type Repo struct {
	remote  remote
	ref     plumbing.ReferenceName
	dir     string // of the copy, below Config.Dir
	cfg     Config
	limit   int           // packs
	polling chan struct{} // holds one token; taken by whoever speaks to the remote

	mu      sync.Mutex // guards what follows; a store serves one reader at a time
	store   *filesystem.Storage
	head    string
	damaged bool
	closed  bool
}

// Open opens the copy in the directory, or starts an empty one. It does not
// reach out to the remote: with the remote down, what was fetched before can
// still be read. A copy that is damaged is thrown away; the first poll brings a
// new one.
func Open(ctx context.Context, c Config) (*Repo, error) {
	rem, err := parseRemote(c)
	if err != nil {
		return nil, err
	}
	ref, err := branchRef(c.Branch)
	if err != nil {
		return nil, err
	}
	if c.Dir == "" {
		return nil, errors.New("repository: no directory is given for the local copy")
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	r := &Repo{remote: rem, ref: ref, dir: filepath.Join(c.Dir, "copy.git"), cfg: c, limit: maxPacks, polling: make(chan struct{}, 1)}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("repository copy: %w", err)
	}
	if err := tidy(r.dir); err != nil {
		return nil, fmt.Errorf("repository copy: %w", err)
	}
	if err := verify(r.dir, ref); err != nil {
		if err := os.RemoveAll(r.dir); err != nil {
			return nil, fmt.Errorf("repository copy is damaged and cannot be removed: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.load(); err != nil {
		return nil, fmt.Errorf("repository copy: %w", err)
	}
	return r, nil
}

// load opens the copy anew, so that readers see what a fetch brought. The caller
// holds the lock, or is the only one who knows r.
func (r *Repo) load() error {
	s, err := openStore(r.dir)
	if err != nil {
		return err
	}
	head, err := headOf(s, r.ref)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	if r.store != nil {
		// Its files were only read: nothing can be lost in closing them.
		_ = r.store.Close()
	}
	r.store, r.head, r.damaged = s, head, false
	return nil
}

// Head returns the head of the branch as of the last poll that succeeded, also
// one of an earlier process; "" when there was none.
func (r *Repo) Head() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.head
}

// Close releases the files. What is read afterwards fails.
func (r *Repo) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	return r.store.Close()
}

// read runs f on the store. An error that is not about a thing the caller asked
// for means that the copy is damaged.
func (r *Repo) read(f func(s *filesystem.Storage) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("repository copy: %w", os.ErrClosed)
	}
	err := f(r.store)
	switch {
	case err == nil, errors.Is(err, ErrUnknown), errors.Is(err, ErrTooLarge), errors.Is(err, ErrNotOnHistory), errors.Is(err, ErrMalformed):
		return err
	}
	r.damaged = true
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
