package minihub

import (
	"context"
	"fmt"
	"strings"
)

// PullRequest is what OpenPull needs.
type PullRequest struct {
	Title string
	Body  string
	Head  string // "branch" or "owner:branch"
	Base  string // empty: the default branch
	Draft bool
}

// OpenPull opens a pull request as an account and returns its number.
func (h *Hub) OpenPull(fullName, login string, in PullRequest) (int, error) {
	var number int64
	err := h.withRepo(fullName, func(r *repo) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		p, err := h.openPull(goSide(), r, u, in)
		if err != nil {
			return err
		}
		number = p.number
		return nil
	})
	return int(number), err
}

func (h *Hub) openPull(ctx context.Context, r *repo, by *user, in PullRequest) (*pull, error) {
	if strings.TrimSpace(in.Title) == "" {
		return nil, invalid("PullRequest", "title", "missing_field", "")
	}
	if in.Base == "" {
		in.Base = r.defaultBranch
	}
	headRepo, headRef := r, in.Head
	if owner, branch, ok := strings.Cut(in.Head, ":"); ok {
		headRef = branch
		headRepo = h.inNetwork(r, owner)
	}
	if headRepo == nil {
		return nil, invalid("PullRequest", "head", "invalid", "")
	}
	if headRepo.permission(by).rank() < Write.rank() {
		return nil, forbidden()
	}
	headSHA, err := h.branchHead(ctx, headRepo, headRef)
	if err != nil {
		return nil, err
	}
	if headSHA == "" {
		return nil, invalid("PullRequest", "head", "invalid", "")
	}
	baseSHA, err := h.branchHead(ctx, r, in.Base)
	if err != nil {
		return nil, err
	}
	if baseSHA == "" {
		return nil, invalid("PullRequest", "base", "invalid", "")
	}
	for _, p := range r.pulls {
		if p.state == "open" && p.headRepo == headRepo && p.headRef == headRef && p.baseRef == in.Base {
			return nil, invalid("PullRequest", "", "custom", "A pull request already exists for "+p.label()+".")
		}
	}
	p := &pull{
		id: h.id(), number: int64(len(r.pulls) + 1),
		title: in.Title, body: in.Body, author: by, state: "open", draft: in.Draft,
		base: r, baseRef: in.Base, baseSHA: baseSHA,
		headRepo: headRepo, headOwner: headRepo.owner, headRef: headRef, headSHA: headSHA,
		createdAt: h.now(), updatedAt: h.now(),
	}
	if err := h.keepHead(ctx, p); err != nil {
		return nil, err
	}
	ahead, err := h.git.run(ctx, r.dir, "rev-list", "--count", baseSHA+".."+headSHA)
	if err != nil {
		return nil, err
	}
	if ahead == "0" {
		_, _ = h.git.run(ctx, r.dir, "update-ref", "-d", p.keptRef())
		return nil, invalid("PullRequest", "", "custom", fmt.Sprintf("No commits between %s and %s", in.Base, in.Head))
	}
	if err := h.tryMerge(ctx, p); err != nil {
		return nil, err
	}
	r.pulls = append(r.pulls, p)
	h.hooks.pull(h, p, "opened", by, nil)
	return p, nil
}

// inNetwork finds the repository of an owner among a repository and its forks.
func (h *Hub) inNetwork(r *repo, owner string) *repo {
	root := r
	for root.parent != nil {
		root = root.parent
	}
	for _, f := range h.repos {
		top := f
		for top.parent != nil {
			top = top.parent
		}
		if top == root && !f.deleted && strings.EqualFold(f.owner.login, owner) {
			return f
		}
	}
	return nil
}
