package minihub

import "net/http"

// queueBot is the account behind GitHub's merge queue.
const queueBot = "github-merge-queue[bot]"

// QueueMerge merges pull requests of one base branch through a merge queue: each
// gets a merge commit of its own, the branch moves once, and the push record says
// merge_queue_merge by the queue's bot.
func (h *Hub) QueueMerge(fullName string, numbers ...int) error {
	return h.withRepo(fullName, func(r *repo) error {
		bot := h.userByLogin(queueBot)
		if bot == nil {
			bot = h.newUser(queueBot, "Bot", 0)
		}
		ctx := goSide()
		var branch, before, tip string
		for _, n := range numbers {
			p := r.pull(int64(n))
			if p == nil || p.state != "open" {
				return refuse(http.StatusNotFound, "no open pull request %d in %s", n, fullName)
			}
			if branch == "" {
				sha, err := h.branchHead(ctx, r, p.baseRef)
				if err != nil {
					return err
				}
				branch, before, tip = p.baseRef, sha, sha
			}
			if p.baseRef != branch {
				return unprocessable("a merge queue serves one branch")
			}
			if ref := h.blocked(p, bot); ref != nil {
				return ref
			}
			onto := tip
			sha, ok, err := h.mergeOnto(ctx, p, onto, bot, mergeRequest{})
			if err != nil {
				return err
			}
			if !ok {
				return refuse(http.StatusMethodNotAllowed, "Pull Request is not mergeable")
			}
			if err := h.markMerged(ctx, p, bot, onto, sha); err != nil {
				return err
			}
			tip = sha
		}
		if tip == before {
			return nil
		}
		return h.setRef(ctx, r, heads+branch, before, tip, bot, ActivityQueueMerge)
	})
}
