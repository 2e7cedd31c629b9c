package minihub

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// pull is a pull request.
type pull struct {
	id, number  int64
	title, body string
	author      *user
	state       string // "open" or "closed"
	draft       bool
	base        *repo
	baseRef     string
	baseSHA     string // tip of the base branch when the head last changed
	headRepo    *repo
	headOwner   *user
	headRef     string
	headSHA     string
	createdAt   time.Time
	updatedAt   time.Time
	closedAt    time.Time
	mergedAt    time.Time
	mergedBy    *user
	mergeCommit string
	// Frozen at the merge: where the head had left the base, and every commit that
	// the merge brought to the base branch or that the head consisted of.
	forkPoint  string
	introduced map[string]bool
	events     []event
	reviews    []*review
}

// event is an entry of a pull request's timeline.
type event struct {
	id     int64
	kind   string
	actor  *user
	at     time.Time
	commit string
	extra  obj
}

func (p *pull) record(h *Hub, kind string, actor *user, commit string, extra obj) {
	p.updatedAt = h.now()
	p.events = append(p.events, event{id: h.id(), kind: kind, actor: actor, at: h.now(), commit: commit, extra: extra})
}

// keptRef keeps the head readable in the base repository after its branch is gone.
func (p *pull) keptRef() string { return fmt.Sprintf("refs/pull/%d/head", p.number) }

func (p *pull) merged() bool { return !p.mergedAt.IsZero() }

func (p *pull) label() string {
	if p.headOwner == nil {
		return p.headRef
	}
	return p.headOwner.login + ":" + p.headRef
}

func (r *repo) pull(number int64) *pull {
	for _, p := range r.pulls {
		if p.number == number {
			return p
		}
	}
	return nil
}

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
	r.pulls = append(r.pulls, p)
	h.hooks.pull(h, p, "opened", by)
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

// keepHead brings the head into the base repository under refs/pull.
func (h *Hub) keepHead(ctx context.Context, p *pull) error {
	if p.headRepo != p.base {
		if _, err := h.git.run(ctx, p.base.dir, "fetch", "-q", "--no-tags", "--no-write-fetch-head", p.headRepo.dir, p.headSHA); err != nil {
			return err
		}
	}
	_, err := h.git.run(ctx, p.base.dir, "update-ref", p.keptRef(), p.headSHA)
	return err
}

// headMoved follows a push to the head branch of an open pull request.
func (h *Hub) headMoved(ctx context.Context, p *pull, after string, by *user, forced bool) error {
	if after == zero {
		h.closePull(p, by)
		p.record(h, "head_ref_deleted", by, "", nil)
		return nil
	}
	before := p.headSHA
	p.headSHA = after
	if err := h.keepHead(ctx, p); err != nil {
		return err
	}
	base, err := h.branchHead(ctx, p.base, p.baseRef)
	if err != nil {
		return err
	}
	p.baseSHA = base
	p.updatedAt = h.now()
	if forced {
		p.record(h, "head_ref_force_pushed", by, after, nil)
	}
	h.hooks.pull(h, p, "synchronize", by)
	if prot, ok := p.base.protections[p.baseRef]; ok && prot.DismissStale && before != after {
		for _, rv := range p.reviews {
			if rv.state == Approved {
				h.dismiss(p, rv, by, "")
			}
		}
	}
	contained, err := h.git.isAncestor(ctx, p.base.dir, after, base)
	if err != nil {
		return err
	}
	if contained { // nothing left to merge: GitHub closes it
		h.closePull(p, by)
	}
	return nil
}

func (h *Hub) closePull(p *pull, by *user) {
	p.state = "closed"
	p.closedAt = h.now()
	p.record(h, "closed", by, "", nil)
	h.hooks.pull(h, p, "closed", by)
}

// mayEdit reports whether an account may close, reopen or edit a pull request.
func (p *pull) mayEdit(u *user) bool {
	return u != nil && (u == p.author || p.base.permission(u).atLeast(Write))
}

// pullEdit is a change of a pull request; nil fields stay.
type pullEdit struct {
	Title, Body, State, Base *string
}

// EditPull changes title, body, state ("open", "closed") or base branch.
func (h *Hub) editPull(ctx context.Context, p *pull, by *user, e pullEdit) error {
	if !p.mayEdit(by) {
		return forbidden()
	}
	if e.Title != nil {
		if strings.TrimSpace(*e.Title) == "" {
			return invalid("PullRequest", "title", "missing_field", "")
		}
		p.title = *e.Title
	}
	if e.Body != nil {
		p.body = *e.Body
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
	p.updatedAt = h.now()
	return nil
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
	p.baseRef, p.baseSHA = base, sha
	p.record(h, "base_ref_changed", by, "", nil)
	h.hooks.pull(h, p, "edited", by)
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
	}
	p.state = "open"
	p.closedAt = time.Time{}
	p.record(h, "reopened", by, "", nil)
	h.hooks.pull(h, p, "reopened", by)
	return nil
}

// followable reports whether a branch has only grown since the pull request saw it.
func (h *Hub) followable(ctx context.Context, p *pull, head string) (bool, error) {
	if _, err := h.git.run(ctx, p.headRepo.dir, "cat-file", "-e", p.headSHA+"^{commit}"); err != nil {
		return false, nil
	}
	return h.git.isAncestor(ctx, p.headRepo.dir, p.headSHA, head)
}

// commits lists the commits of a pull request, oldest first.
func (h *Hub) commits(ctx context.Context, p *pull) ([]string, error) {
	from, err := h.base(ctx, p)
	if err != nil {
		return nil, err
	}
	spec := p.headSHA
	args := []string{"rev-list", "--reverse", "--topo-order", spec}
	if from != "" {
		args = append(args, "^"+from)
	}
	if !p.merged() {
		tip, err := h.branchHead(ctx, p.base, p.baseRef)
		if err != nil {
			return nil, err
		}
		if tip != "" && p.state == "open" {
			args = append(args, "^"+tip)
		}
	}
	return h.git.lines(ctx, p.base.dir, args...)
}

// base is the commit that a pull request's difference is shown against.
func (h *Hub) base(ctx context.Context, p *pull) (string, error) {
	if p.merged() {
		return p.forkPoint, nil
	}
	tip := p.baseSHA
	if p.state == "open" {
		cur, err := h.branchHead(ctx, p.base, p.baseRef)
		if err != nil {
			return "", err
		}
		if cur != "" {
			tip = cur
		}
	}
	return h.git.mergeBase(ctx, p.base.dir, tip, p.headSHA)
}

// Pull is a pull request as the Go side sees it.
type Pull struct {
	Number      int
	Title       string
	Author      string
	State       string
	Merged      bool
	MergeCommit string
	Head, Base  string // branches
	HeadSHA     string
}

func (p *pull) public() Pull {
	return Pull{
		Number: int(p.number), Title: p.title, Author: p.author.login, State: p.state, Merged: p.merged(),
		MergeCommit: p.mergeCommit, Head: p.headRef, Base: p.baseRef, HeadSHA: p.headSHA,
	}
}

// Pulls lists all pull requests of a repository, newest first.
func (h *Hub) Pulls(fullName string) ([]Pull, error) {
	var out []Pull
	err := h.withRepo(fullName, func(r *repo) error {
		for _, p := range slices.Backward(r.pulls) {
			out = append(out, p.public())
		}
		return nil
	})
	return out, err
}

// Pull returns one pull request.
func (h *Hub) Pull(fullName string, number int) (Pull, error) {
	var out Pull
	err := h.withPull(fullName, number, func(p *pull) error {
		out = p.public()
		return nil
	})
	return out, err
}

// ClosePull closes a pull request as an account.
func (h *Hub) ClosePull(fullName string, number int, login string) error {
	return h.edit(fullName, number, login, pullEdit{State: new("closed")})
}

// ReopenPull reopens a pull request as an account.
func (h *Hub) ReopenPull(fullName string, number int, login string) error {
	return h.edit(fullName, number, login, pullEdit{State: new("open")})
}

// Retarget changes the base branch of a pull request as an account.
func (h *Hub) Retarget(fullName string, number int, login, base string) error {
	return h.edit(fullName, number, login, pullEdit{Base: &base})
}

func (h *Hub) edit(fullName string, number int, login string, e pullEdit) error {
	return h.withPull(fullName, number, func(p *pull) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		return h.editPull(goSide(), p, u, e)
	})
}

func (h *Hub) withPull(fullName string, number int, f func(*pull) error) error {
	return h.withRepo(fullName, func(r *repo) error {
		p := r.pull(int64(number))
		if p == nil {
			return refuse(http.StatusNotFound, "no pull request %d in %s", number, fullName)
		}
		return f(p)
	})
}
