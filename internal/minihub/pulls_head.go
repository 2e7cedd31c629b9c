package minihub

import (
	"context"
	"fmt"
)

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

// tryMerge makes the test merge that GitHub keeps for an open pull request. It is
// what merge_commit_sha says until the real merge: a hash of a commit that never
// was on any branch.
func (h *Hub) tryMerge(ctx context.Context, p *pull) error {
	p.testMerge, p.unknownFor = "", h.slowMergeability
	tree, ok, err := h.git.mergeTrees(ctx, p.base.dir, p.baseSHA, p.headSHA)
	if err != nil || !ok {
		return err
	}
	p.testMerge, err = h.git.commitTree(ctx, p.base.dir, tree, message("Merge "+p.headSHA+" into "+p.baseSHA, ""),
		[]string{p.baseSHA, p.headSHA}, h.signature(p.author), h.webFlow())
	if err != nil {
		return err
	}
	_, err = h.git.run(ctx, p.base.dir, "update-ref", fmt.Sprintf("refs/pull/%d/merge", p.number), p.testMerge)
	return err
}

// SlowMergeability makes the first n answers about a pull request, after each
// change of its head, say that mergeability is not known yet, as GitHub's often do.
func (h *Hub) SlowMergeability(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slowMergeability = n
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
	if err := h.tryMerge(ctx, p); err != nil {
		return err
	}
	if forced {
		p.record(h, "head_ref_force_pushed", by, after, nil)
	}
	h.hooks.pull(h, p, "synchronize", by, obj{"before": before, "after": after})
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
	h.hooks.pull(h, p, "closed", by, nil)
}
