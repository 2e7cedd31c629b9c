package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	git "github.com/go-git/go-git/v5"
	gitconfig "github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Poll asks the remote where the branch is, and fetches it when that is not what
// is here. When nothing is new it costs one ref advertisement.
//
// changed says that this call moved the copy. A process that died between a poll
// and its use of it sees no change afterwards: compare head with your own record.
//
// A branch that is not there is ErrNoBranch, and the copy stays as it was. All
// else that the remote does wrong is ErrUnavailable.
func (r *Repo) Poll(ctx context.Context) (head string, changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	select {
	case r.polling <- struct{}{}:
	case <-ctx.Done():
		cancel()
		return "", false, fmt.Errorf("repository %s: %w: an earlier call to it has not come back: %w", r.remote.name, ErrUnavailable, ctx.Err())
	}
	type result struct {
		head    string
		changed bool
		err     error
	}
	// The SSH client cannot be interrupted during its handshake. The goroutine
	// keeps the token until it is really over, so there is never a second one.
	done := make(chan result, 1)
	go func() {
		defer cancel()
		defer func() { <-r.polling }()
		var x result
		x.head, x.changed, x.err = r.poll(ctx)
		done <- x
	}()
	select {
	case x := <-done:
		return x.head, x.changed, x.err
	case <-ctx.Done():
	}
	select {
	case x := <-done: // both were ready
		return x.head, x.changed, x.err
	default:
		return "", false, fmt.Errorf("repository %s: %w: %w", r.remote.name, ErrUnavailable, ctx.Err())
	}
}

func (r *Repo) poll(ctx context.Context) (string, bool, error) {
	want, err := r.list(ctx)
	if err != nil {
		return "", false, err
	}
	r.mu.Lock()
	have, damaged, closed := r.head, r.damaged, r.closed
	r.mu.Unlock()
	switch {
	case closed:
		return "", false, fmt.Errorf("repository copy: %w", os.ErrClosed)
	case want == have && !damaged:
		return have, false, nil
	case damaged:
		err = r.clone(ctx)
	default:
		err = r.fetchInto(ctx, r.dir)
		if err == nil {
			err = r.reload()
		} else if broken := verify(r.dir, r.ref); broken != nil {
			err = r.clone(ctx)
		}
	}
	if err != nil {
		return "", false, err
	}
	if countPacks(r.dir) > r.limit {
		// What was fetched is here whether this succeeds or not; it is tried
		// again when the branch has moved on.
		_ = r.clone(ctx)
	}
	head := r.Head()
	return head, head != have, nil
}

func (r *Repo) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("repository copy: %w", os.ErrClosed)
	}
	if err := r.load(); err != nil {
		r.damaged = true
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// clone downloads a new copy next to the old one and puts it in its place.
// A crash in between leaves no copy, which is as good as an old one.
func (r *Repo) clone(ctx context.Context) error {
	fresh, old := r.dir+".new", r.dir+".old"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("repository copy: %w", err)
	}
	if err := r.fetchInto(ctx, fresh); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err := verify(fresh, r.ref); err != nil {
		return errors.Join(fmt.Errorf("repository %s: %w: what was downloaded is damaged: %w", r.remote.name, ErrUnavailable, err), os.RemoveAll(fresh))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.Join(fmt.Errorf("repository copy: %w", os.ErrClosed), os.RemoveAll(fresh))
	}
	if err := os.Rename(r.dir, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("repository copy: %w", err)
	}
	if err := os.Rename(fresh, r.dir); err != nil {
		return fmt.Errorf("repository copy: %w", err)
	}
	if err := r.load(); err != nil {
		r.damaged = true
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return os.RemoveAll(old)
}

// list returns where the remote's branch is.
func (r *Repo) list(ctx context.Context) (string, error) {
	auth, secrets, err := r.remote.credentials(ctx)
	if err != nil {
		return "", r.failed(ctx, err, secrets)
	}
	refs, err := git.NewRemote(memory.NewStorage(), r.remoteConfig()).ListContext(ctx, &git.ListOptions{Auth: auth})
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return "", r.noBranch()
	}
	if err != nil {
		return "", r.failed(ctx, err, secrets)
	}
	for _, ref := range refs {
		if ref.Name() == r.ref && ref.Type() == plumbing.HashReference && !ref.Hash().IsZero() {
			return ref.Hash().String(), nil
		}
	}
	return "", r.noBranch()
}

// fetchInto brings the branch into the copy in a directory: all of its history,
// no tags, wherever it has moved to. It has a store of its own, since a store
// does not serve a writer and a reader at once.
func (r *Repo) fetchInto(ctx context.Context, dir string) (err error) {
	auth, secrets, err := r.remote.credentials(ctx)
	if err != nil {
		return r.failed(ctx, err, secrets)
	}
	s, err := openStore(dir)
	if err != nil {
		return fmt.Errorf("repository copy: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = git.NewRemote(s, r.remoteConfig()).FetchContext(ctx, &git.FetchOptions{
		RefSpecs: []gitconfig.RefSpec{gitconfig.RefSpec("+" + r.ref.String() + ":" + r.ref.String())},
		Auth:     auth,
		Tags:     git.NoTags,
		Force:    true,
	})
	var gone git.NoMatchingRefSpecError
	switch {
	case err == nil, errors.Is(err, git.NoErrAlreadyUpToDate):
		return nil
	case errors.As(err, &gone), errors.Is(err, transport.ErrEmptyRemoteRepository):
		return r.noBranch() // deleted since it was listed
	}
	return r.failed(ctx, err, secrets)
}

func (r *Repo) remoteConfig() *gitconfig.RemoteConfig {
	return &gitconfig.RemoteConfig{Name: "origin", URLs: []string{r.remote.url}}
}

func (r *Repo) noBranch() error {
	return fmt.Errorf("repository %s: branch %s: %w", r.remote.name, r.cfg.Branch, ErrNoBranch)
}

// failed turns an error of the remote into one that may be printed. The original
// is not wrapped, because its text can contain the URL or the token.
func (r *Repo) failed(ctx context.Context, err error, secrets []string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("repository %s: %w: %w", r.remote.name, ErrUnavailable, ctx.Err())
	}
	hint := ""
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		hint = "; check the credentials and that they may read the repository"
	case errors.Is(err, transport.ErrRepositoryNotFound):
		hint = "; check the URL and that the credentials may read it"
	}
	return fmt.Errorf("repository %s: %w: %s%s", r.remote.name, ErrUnavailable, strings.TrimSpace(r.remote.scrub(err.Error(), secrets...)), hint)
}
