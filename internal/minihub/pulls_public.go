package minihub

import (
	"net/http"
	"slices"
	"time"
)

// Pull is a pull request as the Go side sees it.
type Pull struct {
	Number      int
	Title       string
	Author      string
	State       string
	Merged      bool
	MergeCommit string
	Head, Base  string // branches
	HeadSHA     string
	UpdatedAt   time.Time
}

func (p *pull) public() Pull {
	return Pull{
		Number: int(p.number), Title: p.title, Author: p.author.login, State: p.state, Merged: p.merged(),
		MergeCommit: p.mergeCommit, Head: p.headRef, Base: p.baseRef, HeadSHA: p.headSHA, UpdatedAt: p.updatedAt,
	}
}

// Pulls lists all pull requests of a repository, newest first.
func (h *Hub) Pulls(fullName string) ([]Pull, error) {
	var out []Pull
	err := h.withRepo(fullName, func(r *repo) error {
		for _, p := range slices.Backward(r.pulls) {
			out = append(out, p.public())
		}
		return nil
	})
	return out, err
}

// Pull returns one pull request.
func (h *Hub) Pull(fullName string, number int) (Pull, error) {
	var out Pull
	err := h.withPull(fullName, number, func(p *pull) error {
		out = p.public()
		return nil
	})
	return out, err
}

// ClosePull closes a pull request as an account.
func (h *Hub) ClosePull(fullName string, number int, login string) error {
	return h.edit(fullName, number, login, pullEdit{State: new("closed")})
}

// ReopenPull reopens a pull request as an account.
func (h *Hub) ReopenPull(fullName string, number int, login string) error {
	return h.edit(fullName, number, login, pullEdit{State: new("open")})
}

// EditPull changes title and body of a pull request as an account.
func (h *Hub) EditPull(fullName string, number int, login, title, body string) error {
	return h.edit(fullName, number, login, pullEdit{Title: &title, Body: &body})
}

// Retarget changes the base branch of a pull request as an account.
func (h *Hub) Retarget(fullName string, number int, login, base string) error {
	return h.edit(fullName, number, login, pullEdit{Base: &base})
}

func (h *Hub) edit(fullName string, number int, login string, e pullEdit) error {
	return h.withPull(fullName, number, func(p *pull) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		return h.editPull(goSide(), p, u, e)
	})
}

func (h *Hub) withPull(fullName string, number int, f func(*pull) error) error {
	return h.withRepo(fullName, func(r *repo) error {
		p := r.pull(int64(number))
		if p == nil {
			return refuse(http.StatusNotFound, "no pull request %d in %s", number, fullName)
		}
		return f(p)
	})
}
