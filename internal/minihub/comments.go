package minihub

import (
	"net/http"
	"time"
)

// Comment is a comment as the Go side sees it.
type Comment struct {
	ID                   int64
	Author               string // login; empty: the account is gone
	Body                 string
	CreatedAt, UpdatedAt time.Time
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

// Comments lists the conversation of a pull request, oldest first.
func (h *Hub) Comments(fullName string, number int) ([]Comment, error) {
	var out []Comment
	err := h.withPull(fullName, number, func(p *pull) error {
		for _, m := range p.base.comments {
			if m.pull != p {
				continue
			}
			c := Comment{ID: m.id, Body: m.body, CreatedAt: m.createdAt, UpdatedAt: m.updatedAt}
			if m.user != nil && !m.user.deleted {
				c.Author = m.user.login
			}
			out = append(out, c)
		}
		return nil
	})
	return out, err
}

// EditComment changes the text of a comment as an account. An administrator may
// change anybody's; it goes on to be shown as its author's.
func (h *Hub) EditComment(fullName string, id int64, login, body string) error {
	return h.withRepo(fullName, func(r *repo) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		for _, m := range r.comments {
			if m.id != id {
				continue
			}
			if !m.mayEdit(u) {
				return forbidden()
			}
			return h.changeComment(m, body)
		}
		return refuse(http.StatusNotFound, "no comment %d in %s", id, fullName)
	})
}
