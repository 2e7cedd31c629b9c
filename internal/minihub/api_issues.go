package minihub

import (
	"fmt"
	"sort"
)

func (u urls) event(p *pull, e event) obj {
	o := obj{
		"id": e.id, "node_id": nodeID("Event", e.id), "url": fmt.Sprintf("%s/issues/events/%d", u.repoAPI(p.base), e.id),
		"actor": u.user(e.actor), "event": e.kind, "created_at": stamp(e.at),
		"commit_id": orNil(e.commit), "commit_url": nil, "performed_via_github_app": nil,
	}
	if e.commit != "" {
		o["commit_url"] = u.repoAPI(p.base) + "/commits/" + e.commit
	}
	if e.kind == "closed" || e.kind == "reopened" {
		o["state_reason"] = nil
	}
	for k, v := range e.extra {
		o[k] = v
	}
	return o
}

func listEvents(c *call) error {
	p, err := c.pull(Read)
	if err != nil {
		return err
	}
	return list(c, p.events, func(e event) obj { return c.urls.event(p, e) })
}

// listTimeline mixes events with commits, reviews and comments. Commits come first
// and carry no time of their own that could be trusted, as on GitHub.
func listTimeline(c *call) error {
	p, err := c.pull(Read)
	if err != nil {
		return err
	}
	shas, err := c.hub.commits(c.ctx(), p)
	if err != nil {
		return err
	}
	items := []obj{}
	for _, s := range shas {
		info, err := c.hub.commit(c.ctx(), p.base, s)
		if err != nil {
			return err
		}
		o := c.urls.gitCommit(p.base, info)
		o["event"] = "committed"
		items = append(items, o)
	}
	type numbered struct {
		id int64
		o  obj
	}
	var rest []numbered
	for _, e := range p.events {
		rest = append(rest, numbered{e.id, c.urls.event(p, e)})
	}
	for _, rv := range p.reviews {
		if rv.state == Pending {
			continue
		}
		o := c.urls.review(p, rv)
		o["event"] = "reviewed"
		o["state"] = map[string]string{
			Approved: "approved", ChangesRequested: "changes_requested", Commented: "commented", Dismissed: "dismissed",
		}[rv.state]
		rest = append(rest, numbered{rv.id, o})
	}
	for _, m := range p.base.comments {
		if m.pull == p {
			o := c.urls.comment(m)
			o["event"], o["actor"] = "commented", c.urls.user(m.user)
			rest = append(rest, numbered{m.id, o})
		}
	}
	sort.SliceStable(rest, func(i, j int) bool { return rest[i].id < rest[j].id })
	for _, d := range rest {
		items = append(items, d.o)
	}
	return list(c, items, func(o obj) obj { return o })
}
