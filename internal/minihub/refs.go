package minihub

import (
	"context"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"time"
)

// The kinds of entries of the push record.
const (
	ActivityPush       = "push"
	ActivityForcePush  = "force_push"
	ActivityCreate     = "branch_creation"
	ActivityDelete     = "branch_deletion"
	ActivityMerge      = "pr_merge"
	ActivityQueueMerge = "merge_queue_merge"
)

// activity is one entry of the push record of a repository.
type activity struct {
	id            int64
	ref           string
	before, after string
	at            time.Time
	kind          string
	actor         *user
}

const heads = "refs/heads/"

// branchHead returns the commit of a branch, or "" when there is none.
func (h *Hub) branchHead(ctx context.Context, r *repo, branch string) (string, error) {
	refs, err := h.git.refs(ctx, r.dir, heads+branch)
	if err != nil {
		return "", err
	}
	return refs[heads+branch], nil
}

// setRef moves a ref when it still is at before (zero: it must not exist), and
// records what that means. kind is empty for a plain update.
func (h *Hub) setRef(ctx context.Context, r *repo, ref, before, after string, by *user, kind string) error {
	var err error
	if after == zero {
		_, err = h.git.run(ctx, r.dir, "update-ref", "-d", ref, before)
	} else {
		_, err = h.git.run(ctx, r.dir, "update-ref", ref, after, before)
	}
	if err != nil {
		return refuse(http.StatusConflict, "Reference %s could not be updated", ref)
	}
	return h.refMoved(ctx, r, ref, before, after, by, kind)
}

// refMoved records a ref that has moved and carries the consequences: pull
// requests follow their heads, and those whose head became reachable are merged.
func (h *Hub) refMoved(ctx context.Context, r *repo, ref, before, after string, by *user, kind string) error {
	branch, ok := strings.CutPrefix(ref, heads)
	if !ok || before == after {
		return nil
	}
	forced := false
	if before != zero && after != zero {
		ff, err := h.git.isAncestor(ctx, r.dir, before, after)
		if err != nil {
			return err
		}
		forced = !ff
	}
	if kind == "" {
		switch {
		case before == zero:
			kind = ActivityCreate
		case after == zero:
			kind = ActivityDelete
		case forced:
			kind = ActivityForcePush
		default:
			kind = ActivityPush
		}
	}
	now := h.now()
	r.activity = append(r.activity, activity{
		id: h.id(), ref: ref, before: before, after: after, at: now, kind: kind, actor: by,
	})
	r.pushedAt = now
	h.hooks.push(h, r, ref, before, after, by, forced)

	for _, base := range h.repos {
		for _, p := range base.pulls {
			if p.headRepo != r || p.headRef != branch {
				continue
			}
			if p.state != "open" {
				if p.merged() && after == zero {
					p.record(h, "head_ref_deleted", by, "", nil)
				}
				continue
			}
			if err := h.headMoved(ctx, p, after, by, forced); err != nil {
				return err
			}
		}
	}
	for _, p := range r.pulls {
		if p.state != "open" || p.baseRef != branch {
			continue
		}
		if after == zero {
			h.closePull(p, by)
			continue
		}
		if err := h.mergedIndirectly(ctx, p, before, after, by); err != nil {
			return err
		}
	}
	return nil
}

// recordPush compares the refs before and after a push and records each change.
func (h *Hub) recordPush(ctx context.Context, r *repo, old, cur map[string]string, by *user) error {
	names := map[string]bool{}
	for n := range old {
		names[n] = true
	}
	for n := range cur {
		names[n] = true
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	sort.Strings(sorted)
	for _, n := range sorted {
		before, after := old[n], cur[n]
		if before == "" {
			before = zero
		}
		if after == "" {
			after = zero
		}
		if err := h.refMoved(ctx, r, n, before, after, by, ""); err != nil {
			return err
		}
	}
	return nil
}

// mayPush says why an account may not move a branch directly; nil: it may.
func (r *repo) mayPush(u *user, branch string) (direct, force error) {
	p, ok := r.protections[branch]
	if !ok {
		return nil, nil
	}
	if !p.AllowBypass || r.permission(u) != Admin {
		direct = fmt.Errorf("protected branch %s: changes must be made through a pull request", branch)
	}
	if !p.AllowForcePush {
		force = fmt.Errorf("protected branch %s: cannot force-push to this branch", branch)
	}
	return direct, force
}
