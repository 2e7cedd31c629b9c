package minihub

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// webFlow is who GitHub names as the committer of what its buttons make.
func (h *Hub) webFlow() signature {
	return signature{name: "GitHub", email: "noreply@github.com", when: h.now()}
}

func (h *Hub) signature(u *user) signature {
	return signature{name: u.login, email: u.email, when: h.now()}
}

// mergeRequest is a press of the merge button.
type mergeRequest struct {
	SHA     string // the head must still be this; empty: any
	Method  string // merge (default), squash or rebase
	Title   string
	Message string
}

// Merge merges a pull request as an account with a method (merge, squash or
// rebase) and returns merge_commit_sha.
func (h *Hub) Merge(fullName string, number int, login, method string) (string, error) {
	var sha string
	err := h.withPull(fullName, number, func(p *pull) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		sha, err = h.merge(goSide(), p, u, mergeRequest{Method: method})
		return err
	})
	return sha, err
}

func (h *Hub) merge(ctx context.Context, p *pull, by *user, in mergeRequest) (string, error) {
	if !p.base.permission(by).atLeast(Write) {
		return "", forbidden()
	}
	if p.state != "open" {
		return "", refuse(http.StatusMethodNotAllowed, "Pull Request is not mergeable")
	}
	if p.draft {
		return "", refuse(http.StatusMethodNotAllowed, "Pull Request is still a draft")
	}
	if in.SHA != "" && in.SHA != p.headSHA {
		return "", refuse(http.StatusConflict, "Head branch was modified. Review and try the merge again.")
	}
	if r := h.blocked(p, by); r != nil {
		return "", r
	}
	before, err := h.branchHead(ctx, p.base, p.baseRef)
	if err != nil {
		return "", err
	}
	after, ok, err := h.mergeOnto(ctx, p, before, by, in)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", refuse(http.StatusMethodNotAllowed, "Pull Request is not mergeable")
	}
	if err := h.markMerged(ctx, p, by, before, after); err != nil {
		return "", err
	}
	return after, h.setRef(ctx, p.base, heads+p.baseRef, before, after, by, ActivityMerge)
}

// mergeOnto makes the commits of a merge on top of a commit; no ref moves. ok is
// false when there are conflicts.
func (h *Hub) mergeOnto(ctx context.Context, p *pull, onto string, by *user, in mergeRequest) (sha string, ok bool, err error) {
	dir := p.base.dir
	switch in.Method {
	case "", "merge", "squash":
	case "rebase":
		return h.rebase(ctx, p, onto)
	default:
		return "", false, invalid("PullRequest", "merge_method", "invalid", "")
	}
	tree, ok, err := h.git.mergeTrees(ctx, dir, onto, p.headSHA)
	if err != nil || !ok {
		return "", false, err
	}
	if in.Method == "squash" {
		title := orElse(in.Title, fmt.Sprintf("%s (#%d)", p.title, p.number))
		sha, err = h.git.commitTree(ctx, dir, tree, message(title, in.Message), []string{onto}, h.signature(p.author), h.webFlow())
		return sha, err == nil, err
	}
	title := orElse(in.Title, fmt.Sprintf("Merge pull request #%d from %s", p.number, strings.Replace(p.label(), ":", "/", 1)))
	sha, err = h.git.commitTree(ctx, dir, tree, message(title, orElse(in.Message, p.title)), []string{onto, p.headSHA}, h.signature(by), h.webFlow())
	return sha, err == nil, err
}

func orElse(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

func message(title, body string) string {
	if body == "" {
		return title + "\n"
	}
	return title + "\n\n" + body + "\n"
}

// rebase replays the commits of a pull request. Each is a new commit even when
// nothing else changed, as GitHub's are.
func (h *Hub) rebase(ctx context.Context, p *pull, onto string) (sha string, ok bool, err error) {
	dir := p.base.dir
	commits, err := h.commits(ctx, p)
	if err != nil {
		return "", false, err
	}
	for _, c := range commits {
		info, err := h.commit(ctx, p.base, c)
		if err != nil {
			return "", false, err
		}
		if len(info.parents) != 1 {
			return "", false, nil
		}
		// A stand-in with our tree and the commit's own parent makes that parent the
		// merge base, which turns the merge into a cherry-pick.
		stand, err := h.git.commitTree(ctx, dir, onto+"^{tree}", "", info.parents, h.webFlow(), h.webFlow())
		if err != nil {
			return "", false, err
		}
		tree, clean, err := h.git.mergeTrees(ctx, dir, stand, c)
		if err != nil || !clean {
			return "", false, err
		}
		onto, err = h.git.commitTree(ctx, dir, tree, info.message, []string{onto}, info.author, h.webFlow())
		if err != nil {
			return "", false, err
		}
	}
	return onto, len(commits) > 0, nil
}

// markMerged records a merge that moves the base branch from before to after.
func (h *Hub) markMerged(ctx context.Context, p *pull, by *user, before, after string) error {
	landed, err := h.git.lines(ctx, p.base.dir, "rev-list", after, "^"+before)
	if err != nil {
		return err
	}
	return h.land(ctx, p, by, before, after, landed)
}

// land makes a pull request a merged one: mergeCommit is what it says, landed are
// commits besides its own that it answers for.
func (h *Hub) land(ctx context.Context, p *pull, by *user, before, mergeCommit string, landed []string) error {
	forkPoint, err := h.git.mergeBase(ctx, p.base.dir, before, p.headSHA)
	if err != nil {
		return err
	}
	own, err := h.git.lines(ctx, p.base.dir, "rev-list", p.headSHA, "^"+before)
	if err != nil {
		return err
	}
	p.introduced = map[string]bool{mergeCommit: true}
	for _, c := range append(own, landed...) {
		p.introduced[c] = true
	}
	p.forkPoint, p.mergeCommit, p.mergedBy = forkPoint, mergeCommit, by
	p.mergedAt, p.closedAt = h.now(), h.now()
	p.state = "closed"
	p.record(h, "merged", by, mergeCommit, nil)
	p.record(h, "closed", by, "", nil)
	h.hooks.pull(h, p, "closed", by, nil)
	return nil
}

// mergedIndirectly marks a pull request merged when its head came to the base
// branch by another way: a push, or the merge of another pull request. The merge
// commit is then the first-parent commit that made the head reachable.
func (h *Hub) mergedIndirectly(ctx context.Context, p *pull, before, after string, by *user) error {
	dir := p.base.dir
	reached, err := h.git.isAncestor(ctx, dir, p.headSHA, after)
	if err != nil || !reached {
		return err
	}
	if before == zero {
		before = p.baseSHA
	}
	line, err := h.git.lines(ctx, dir, "rev-list", "--first-parent", "--reverse", after, "^"+before)
	if err != nil {
		return err
	}
	reachedBy := after
	for _, c := range line {
		contains, err := h.git.isAncestor(ctx, dir, p.headSHA, c)
		if err != nil {
			return err
		}
		if contains {
			reachedBy = c
			break
		}
	}
	return h.land(ctx, p, by, before, reachedBy, nil)
}
