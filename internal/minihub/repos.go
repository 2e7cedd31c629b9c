package minihub

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Permission is what an account may do in a repository.
type Permission string

// The permissions, each including those before it.
const (
	None  Permission = "none"
	Read  Permission = "read"
	Write Permission = "write"
	Admin Permission = "admin"
)

func (p Permission) rank() int {
	switch p {
	case Admin:
		return 3
	case Write:
		return 2
	case Read:
		return 1
	}
	return 0
}

func (p Permission) atLeast(q Permission) bool { return p.rank() >= q.rank() }

// Protection is what a protected branch asks of a merge. Direct pushes to the
// branch are refused, force pushes and deletion even more so.
type Protection struct {
	Approvals       int      // approving reviews by accounts with write permission
	DismissStale    bool     // a push to the head dismisses approvals
	AllowBypass     bool     // administrators may merge and push regardless
	RequireStatuses []string // contexts that must have succeeded on the head
	AllowForcePush  bool     // whoever may push may also force
}

// Repo is a repository as the Go side sees it.
type Repo struct {
	ID            int64
	FullName      string // owner/name
	DefaultBranch string
	Dir           string // the bare repository
}

type repo struct {
	id            int64
	owner         *user
	name          string
	dir           string
	defaultBranch string
	private       bool
	deleted       bool
	parent        *repo // what it was forked from
	createdAt     time.Time
	pushedAt      time.Time
	collaborators map[*user]Permission
	protections   map[string]Protection // by branch
	pulls         []*pull               // in order of their numbers
	activity      []activity
	statuses      []status
	comments      []*comment
}

func (r *repo) fullName() string { return r.owner.login + "/" + r.name }

func (r *repo) public() Repo {
	return Repo{ID: r.id, FullName: r.fullName(), DefaultBranch: r.defaultBranch, Dir: r.dir}
}

// permission of an account; nil is somebody who did not authenticate.
func (r *repo) permission(u *user) Permission {
	if u != nil {
		if u == r.owner {
			return Admin
		}
		if p, ok := r.collaborators[u]; ok {
			return p
		}
	}
	if r.private {
		return None
	}
	return Read
}

// CreateRepo makes an empty public repository "owner/name" with the default branch
// main. An owner that does not exist becomes an organization.
func (h *Hub) CreateRepo(fullName string) (Repo, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	owner, name, ok := strings.Cut(fullName, "/")
	if !ok || owner == "" || name == "" || strings.ContainsAny(name, "/\\ ") {
		return Repo{}, fmt.Errorf("minihub: %q is not owner/name", fullName)
	}
	if h.repoByName(fullName) != nil {
		return Repo{}, fmt.Errorf("minihub: repository %s exists", fullName)
	}
	u := h.userByLogin(owner)
	if u == nil {
		u = h.newUser(owner, "Organization", 0)
	}
	r, err := h.newRepo(goSide(), u, name, "main")
	if err != nil {
		return Repo{}, err
	}
	return r.public(), nil
}

func (h *Hub) newRepo(ctx context.Context, owner *user, name, branch string) (*repo, error) {
	id := h.id()
	r := &repo{
		id:            id,
		owner:         owner,
		name:          name,
		dir:           filepath.Join(h.opts.Dir, "repositories", strconv.FormatInt(id, 10)+".git"),
		defaultBranch: branch,
		createdAt:     h.now(),
		pushedAt:      h.now(),
		collaborators: map[*user]Permission{},
		protections:   map[string]Protection{},
	}
	if err := h.git.initRepo(ctx, r.dir, branch); err != nil {
		return nil, fmt.Errorf("minihub: create %s/%s: %w", owner.login, name, err)
	}
	delete(h.moved, strings.ToLower(r.fullName()))
	h.repos = append(h.repos, r)
	return r, nil
}

// SetPrivate makes a repository visible to its collaborators only, or to all again.
func (h *Hub) SetPrivate(fullName string, private bool) error {
	return h.withRepo(fullName, func(r *repo) error {
		r.private = private
		return nil
	})
}

// SetPermission makes an account a collaborator, or (None) no longer one.
func (h *Hub) SetPermission(fullName, login string, p Permission) error {
	return h.withRepo(fullName, func(r *repo) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		if p == None {
			delete(r.collaborators, u)
			return nil
		}
		r.collaborators[u] = p
		return nil
	})
}

// ProtectBranch sets the protection of a branch.
func (h *Hub) ProtectBranch(fullName, branch string, p Protection) error {
	return h.withRepo(fullName, func(r *repo) error {
		r.protections[branch] = p
		return nil
	})
}

// UnprotectBranch removes the protection of a branch.
func (h *Hub) UnprotectBranch(fullName, branch string) error {
	return h.withRepo(fullName, func(r *repo) error {
		delete(r.protections, branch)
		return nil
	})
}

// RenameRepo gives a repository another name; API requests for the old one are
// redirected until a new repository takes it.
func (h *Hub) RenameRepo(fullName, name string) error {
	return h.withRepo(fullName, func(r *repo) error {
		if h.repoByName(r.owner.login+"/"+name) != nil {
			return fmt.Errorf("minihub: repository %s/%s exists", r.owner.login, name)
		}
		h.moved[strings.ToLower(fullName)] = r.id
		r.name = name
		delete(h.moved, strings.ToLower(r.fullName()))
		return nil
	})
}

// DeleteRepo removes a repository. Pull requests from a deleted fork stay, without
// a head repository.
func (h *Hub) DeleteRepo(fullName string) error {
	return h.withRepo(fullName, func(r *repo) error {
		r.deleted = true
		for _, other := range h.repos {
			for _, p := range other.pulls {
				if p.headRepo == r && p.state == "open" && other != r {
					h.closePull(p, nil)
				}
			}
		}
		return nil
	})
}

// Repo returns the repository that has a name now.
func (h *Hub) Repo(fullName string) (Repo, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.repoByName(fullName); r != nil {
		return r.public(), true
	}
	return Repo{}, false
}

// Fork copies a repository under another owner, as the fork button does.
func (h *Hub) Fork(fullName, login string) (Repo, error) {
	var out Repo
	err := h.withRepo(fullName, func(r *repo) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		f, err := h.fork(goSide(), r, u, "")
		if err != nil {
			return err
		}
		out = f.public()
		return nil
	})
	return out, err
}

// fork is idempotent, as GitHub's: an account has one fork of a repository.
func (h *Hub) fork(ctx context.Context, r *repo, owner *user, name string) (*repo, error) {
	for _, f := range h.repos {
		if f.parent == r && f.owner == owner && !f.deleted {
			return f, nil
		}
	}
	if name == "" {
		name = r.name
	}
	if h.repoByName(owner.login+"/"+name) != nil {
		return nil, unprocessable("name already exists on this account")
	}
	f, err := h.newRepo(ctx, owner, name, r.defaultBranch)
	if err != nil {
		return nil, err
	}
	f.parent = r
	f.private = r.private
	if _, err := h.git.run(ctx, f.dir, "fetch", "-q", "--no-write-fetch-head", r.dir,
		"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return nil, err
	}
	return f, nil
}

// withRepo runs f on a repository under the lock.
func (h *Hub) withRepo(fullName string, f func(*repo) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.repoByName(fullName)
	if r == nil {
		return fmt.Errorf("minihub: no repository %s", fullName)
	}
	return f(r)
}

func (h *Hub) repoByName(fullName string) *repo {
	for _, r := range h.repos {
		if !r.deleted && strings.EqualFold(r.fullName(), fullName) {
			return r
		}
	}
	return nil
}

func (h *Hub) repoByID(id int64) *repo {
	for _, r := range h.repos {
		if !r.deleted && r.id == id {
			return r
		}
	}
	return nil
}
