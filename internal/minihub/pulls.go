package minihub

import (
	"context"
	"fmt"
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
	testMerge   string // what merging would give, as of the last change of the head; empty: conflicts
	unknownFor  int    // answers for which mergeability is still "being computed"
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
