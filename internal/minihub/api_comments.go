package minihub

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// comment is a comment in the conversation of a pull request.
type comment struct {
	id                   int64
	pull                 *pull
	user                 *user
	body                 string
	createdAt, updatedAt time.Time
}

// maxBodyText is how long the text of a comment may be, in characters.
const maxBodyText = 65536

func checkBody(body string) error {
	switch {
	case body == "":
		return invalid("IssueComment", "body", "missing_field", "")
	case utf8.RuneCountInString(body) > maxBodyText:
		return invalid("IssueComment", "body", "custom", fmt.Sprintf("body is too long (maximum is %d characters)", maxBodyText))
	}
	return nil
}

// mayEdit reports whether an account may change or delete a comment: its author,
// and whoever may write to the repository.
func (m *comment) mayEdit(u *user) bool {
	return u != nil && (u == m.user || m.pull.base.permission(u).atLeast(Write))
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

func (h *Hub) addComment(p *pull, by *user, body string) (*comment, error) {
	if err := checkBody(body); err != nil {
		return nil, err
	}
	m := &comment{id: h.id(), pull: p, user: by, body: body, createdAt: h.now(), updatedAt: h.now()}
	p.base.comments = append(p.base.comments, m)
	p.updatedAt = h.now()
	return m, nil
}

// changeComment gives a comment another text. Whoever does it, the author stays.
func (h *Hub) changeComment(m *comment, body string) error {
	if err := checkBody(body); err != nil {
		return err
	}
	m.body, m.updatedAt = body, h.now()
	m.pull.updatedAt = h.now()
	return nil
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
	if !m.mayEdit(c.user) {
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
	if err := c.hub.changeComment(m, in.Body); err != nil {
		return err
	}
	c.reply(http.StatusOK, c.urls.comment(m))
	return nil
}

func deleteComment(c *call) error {
	m, err := c.ownComment()
	if err != nil {
		return err
	}
	m.pull.base.comments = slices.DeleteFunc(m.pull.base.comments, func(x *comment) bool { return x == m })
	m.pull.updatedAt = c.hub.now()
	c.reply(http.StatusNoContent, nil)
	return nil
}
