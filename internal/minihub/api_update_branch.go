package minihub

import "net/http"

func updateBranch(c *call) error {
	p, err := c.writer()
	if err != nil {
		return err
	}
	var in struct {
		Expected string `json:"expected_head_sha"`
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	if p.headRepo == nil || !p.headRepo.permission(c.user).atLeast(Write) {
		return forbidden()
	}
	if in.Expected != "" && in.Expected != p.headSHA {
		return unprocessable("expected head sha didn't match current head ref.")
	}
	if err := c.hub.updateFromBase(c, p); err != nil {
		return err
	}
	c.reply(http.StatusAccepted, obj{"message": "Updating pull request branch.", "url": c.urls.pullHTML(p)})
	return nil
}

// updateFromBase merges the base branch into the head branch.
func (h *Hub) updateFromBase(c *call, p *pull) error {
	ctx := c.ctx()
	tip, err := h.branchHead(ctx, p.base, p.baseRef)
	if err != nil {
		return err
	}
	behind, err := h.git.isAncestor(ctx, p.base.dir, tip, p.headSHA)
	if err != nil {
		return err
	}
	if behind || p.state != "open" {
		return unprocessable("There are no new commits on the base branch.")
	}
	tree, ok, err := h.git.mergeTrees(ctx, p.base.dir, p.headSHA, tip)
	if err != nil {
		return err
	}
	if !ok {
		return unprocessable("merge conflict between base and head")
	}
	sha, err := h.git.commitTree(ctx, p.base.dir, tree, message("Merge branch '"+p.baseRef+"' into "+p.headRef, ""),
		[]string{p.headSHA, tip}, h.signature(c.user), h.webFlow())
	if err != nil {
		return err
	}
	if p.headRepo != p.base {
		if _, err := h.git.run(ctx, p.headRepo.dir, "fetch", "-q", "--no-tags", "--no-write-fetch-head", p.base.dir, sha); err != nil {
			return err
		}
	}
	return h.setRef(ctx, p.headRepo, heads+p.headRef, p.headSHA, sha, c.user, "")
}
