package minihub

import (
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"time"
)

// comment is a comment in the conversation of a pull request.
type comment struct {
	id                   int64
	pull                 *pull
	user                 *user
	body                 string
	createdAt, updatedAt time.Time
}

func (u urls) comment(m *comment) obj {
	api := u.repoAPI(m.pull.base)
	return obj{
		"id": m.id, "node_id": nodeID("IssueComment", m.id), "url": fmt.Sprintf("%s/issues/comments/%d", api, m.id),
		"html_url":  fmt.Sprintf("%s#issuecomment-%d", u.pullHTML(m.pull), m.id),
		"issue_url": fmt.Sprintf("%s/issues/%d", api, m.pull.number), "body": m.body, "user": u.userOrNil(m.user),
		"created_at": stamp(m.createdAt), "updated_at": stamp(m.updatedAt),
		"author_association": u.association(m.pull.base, m.user), "performed_via_github_app": nil,
	}
}

func listComments(c *call) error {
	p, err := c.pull(Read)
	if err != nil {
		return err
	}
	var found []*comment
	for _, m := range p.base.comments {
		if m.pull == p {
			found = append(found, m)
		}
	}
	return list(c, found, c.urls.comment)
}

// Comment writes into the conversation of a pull request as an account.
func (h *Hub) Comment(fullName string, number int, login, body string) error {
	return h.withPull(fullName, number, func(p *pull) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		_, err = h.addComment(p, u, body)
		return err
	})
}

func (h *Hub) addComment(p *pull, by *user, body string) (*comment, error) {
	if body == "" {
		return nil, invalid("IssueComment", "body", "missing_field", "")
	}
	m := &comment{id: h.id(), pull: p, user: by, body: body, createdAt: h.now(), updatedAt: h.now()}
	p.base.comments = append(p.base.comments, m)
	p.updatedAt = h.now()
	return m, nil
}

func createComment(c *call) error {
	p, err := c.writer()
	if err != nil {
		return err
	}
	var in struct{ Body string }
	if err := c.decode(&in); err != nil {
		return err
	}
	m, err := c.hub.addComment(p, c.user, in.Body)
	if err != nil {
		return err
	}
	c.reply(http.StatusCreated, c.urls.comment(m))
	return nil
}

func (c *call) comment() (*comment, error) {
	r, err := c.repo(Read)
	if err != nil {
		return nil, err
	}
	id, _ := strconv.ParseInt(c.params["comment_id"], 10, 64)
	for _, m := range r.comments {
		if m.id == id {
			return m, nil
		}
	}
	return nil, notFound()
}

// ownComment is the comment of the path for somebody who may change it.
func (c *call) ownComment() (*comment, error) {
	m, err := c.comment()
	if err != nil {
		return nil, err
	}
	if c.user == nil || (m.user != c.user && !m.pull.base.permission(c.user).atLeast(Write)) {
		return nil, forbidden()
	}
	return m, nil
}

func getComment(c *call) error {
	m, err := c.comment()
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, c.urls.comment(m))
	return nil
}

func updateComment(c *call) error {
	m, err := c.ownComment()
	if err != nil {
		return err
	}
	var in struct{ Body string }
	if err := c.decode(&in); err != nil {
		return err
	}
	if in.Body == "" {
		return invalid("IssueComment", "body", "missing_field", "")
	}
	m.body, m.updatedAt = in.Body, c.hub.now()
	c.reply(http.StatusOK, c.urls.comment(m))
	return nil
}

func deleteComment(c *call) error {
	m, err := c.ownComment()
	if err != nil {
		return err
	}
	m.pull.base.comments = slices.DeleteFunc(m.pull.base.comments, func(x *comment) bool { return x == m })
	c.reply(http.StatusNoContent, nil)
	return nil
}

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
