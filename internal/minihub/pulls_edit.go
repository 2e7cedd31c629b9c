package minihub

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// mayEdit reports whether an account may close, reopen or edit a pull request.
func (p *pull) mayEdit(u *user) bool {
	return u != nil && (u == p.author || p.base.permission(u).atLeast(Write))
}

// pullEdit is a change of a pull request; nil fields stay.
type pullEdit struct {
	Title, Body, State, Base *string
}

// editPull changes title, body, state ("open", "closed") or base branch.
func (h *Hub) editPull(ctx context.Context, p *pull, by *user, e pullEdit) error {
	if !p.mayEdit(by) {
		return forbidden()
	}
	if e.Title != nil && strings.TrimSpace(*e.Title) == "" {
		return invalid("PullRequest", "title", "missing_field", "")
	}
	if changes := p.rewrite(e.Title, e.Body); len(changes) > 0 {
		p.updatedAt = h.now()
		h.hooks.pull(h, p, "edited", by, obj{"changes": changes})
	}
	if e.Base != nil && *e.Base != p.baseRef {
		if err := h.retarget(ctx, p, by, *e.Base); err != nil {
			return err
		}
	}
	if e.State != nil {
		if err := h.setState(ctx, p, by, *e.State); err != nil {
			return err
		}
	}
	return nil
}

// rewrite changes title and body, and returns what they were where they differ.
func (p *pull) rewrite(title, body *string) obj {
	changes := obj{}
	if title != nil && *title != p.title {
		changes["title"] = obj{"from": p.title}
		p.title = *title
	}
	if body != nil && *body != p.body {
		changes["body"] = obj{"from": p.body}
		p.body = *body
	}
	return changes
}

func (h *Hub) retarget(ctx context.Context, p *pull, by *user, base string) error {
	if p.state != "open" {
		return invalid("PullRequest", "base", "custom", "Cannot change the base branch of a closed pull request.")
	}
	sha, err := h.branchHead(ctx, p.base, base)
	if err != nil {
		return err
	}
	if sha == "" {
		return invalid("PullRequest", "base", "invalid", "Proposed base branch '"+base+"' was not found")
	}
	contained, err := h.git.isAncestor(ctx, p.base.dir, p.headSHA, sha)
	if err != nil {
		return err
	}
	if contained {
		return invalid("PullRequest", "base", "custom", fmt.Sprintf("There are no new commits between base branch '%s' and head branch '%s'", base, p.headRef))
	}
	was := obj{"ref": obj{"from": p.baseRef}, "sha": obj{"from": p.baseSHA}}
	p.baseRef, p.baseSHA = base, sha
	if err := h.tryMerge(ctx, p); err != nil {
		return err
	}
	p.record(h, "base_ref_changed", by, "", nil)
	h.hooks.pull(h, p, "edited", by, obj{"changes": obj{"base": was}})
	return nil
}

func (h *Hub) setState(ctx context.Context, p *pull, by *user, state string) error {
	switch {
	case state == p.state:
		return nil
	case state == "closed":
		h.closePull(p, by)
		return nil
	case state != "open":
		return invalid("PullRequest", "state", "invalid", "")
	case p.merged():
		return invalid("PullRequest", "state", "custom", "state cannot be changed. The pull request is already merged.")
	case p.headRepo == nil || p.headRepo.deleted:
		return invalid("PullRequest", "state", "custom", "state cannot be changed. The repository that submitted this pull request has been deleted.")
	}
	head, err := h.branchHead(ctx, p.headRepo, p.headRef)
	if err != nil {
		return err
	}
	if head == "" {
		return invalid("PullRequest", "state", "custom", fmt.Sprintf("state cannot be changed. The %s branch has been deleted.", p.headRef))
	}
	if head != p.headSHA { // GitHub does not reopen over a rewritten branch
		ff, err := h.followable(ctx, p, head)
		if err != nil {
			return err
		}
		if !ff {
			return invalid("PullRequest", "state", "custom", fmt.Sprintf("state cannot be changed. The %s branch was force-pushed or recreated.", p.headRef))
		}
		p.headSHA = head
		if err := h.keepHead(ctx, p); err != nil {
			return err
		}
		if err := h.tryMerge(ctx, p); err != nil {
			return err
		}
	}
	p.state = "open"
	p.closedAt = time.Time{}
	p.record(h, "reopened", by, "", nil)
	h.hooks.pull(h, p, "reopened", by, nil)
	return nil
}

// followable reports whether a branch has only grown since the pull request saw it.
func (h *Hub) followable(ctx context.Context, p *pull, head string) (bool, error) {
	if _, err := h.git.run(ctx, p.headRepo.dir, "cat-file", "-e", p.headSHA+"^{commit}"); err != nil {
		return false, nil
	}
	return h.git.isAncestor(ctx, p.headRepo.dir, p.headSHA, head)
}
