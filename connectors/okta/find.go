package okta

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/tenure-dev/tenure/connectors/group"
	"github.com/tenure-dev/tenure/connectors/rest"
)

// user and groupDoc are what is needed of Okta's users and groups.
type user struct {
	ID      string
	Profile struct{ Login string }
}

type groupDoc struct {
	ID      string
	Type    string
	Profile struct{ Name string }
}

func (u user) id() string     { return u.ID }
func (g groupDoc) id() string { return g.ID }

// managed is the type of groups whose members Okta itself keeps.
const managed = "OKTA_GROUP"

// errAbsent says that a group does not exist.
var errAbsent = errors.New("does not exist in the organization")

// directory looks groups up, and lists all of them at most once.
type directory struct {
	*connector
	all func() ([]groupDoc, error)
}

func (c *connector) directory(ctx context.Context) *directory {
	return &directory{connector: c, all: sync.OnceValues(func() ([]groupDoc, error) {
		return pages[groupDoc](ctx, c, url.Values{"limit": {"1000"}}, "groups")
	})}
}

// find returns a group. Okta's search may be late by seconds, so it is only believed
// when it finds: what it does not find is looked for in the list of all groups, and what
// it finds is read again.
func (d *directory) find(ctx context.Context, e group.Entitlement) (groupDoc, error) {
	if e.ID != "" {
		g, err := d.load(ctx, e.ID)
		return g, about(e, err)
	}
	search, err := pages[groupDoc](ctx, d.connector, url.Values{"search": {"profile.Name eq " + rest.Quote(e.Name)}}, "groups")
	if err != nil && rest.Status(err) != 400 { // it may not take every name
		return groupDoc{}, about(e, err)
	}
	if g, ok, err := pick(e, search); err != nil {
		return groupDoc{}, about(e, err)
	} else if ok {
		now, err := d.load(ctx, g.ID)
		if err != nil && !errors.Is(err, errAbsent) {
			return groupDoc{}, about(e, err)
		}
		if err == nil && now.Profile.Name == e.Name {
			return now, nil
		}
	}
	all, err := d.all()
	if err != nil {
		return groupDoc{}, about(e, err)
	}
	g, ok, err := pick(e, all)
	if err == nil && !ok {
		err = errAbsent
	}
	return g, about(e, err)
}

// pick returns the group of exactly that name: the one that Okta manages, or else one
// that something else manages.
func pick(e group.Entitlement, list []groupDoc) (found groupDoc, ok bool, err error) {
	for _, g := range list {
		switch {
		case g.Profile.Name != e.Name:
		case ok && found.Type == managed && g.Type == managed:
			return groupDoc{}, false, errors.New("has a name that several groups share; use groupId")
		case !ok || g.Type == managed:
			found, ok = g, true
		}
	}
	return found, ok, nil
}

func (c *connector) load(ctx context.Context, id string) (groupDoc, error) {
	var g groupDoc
	err := c.do(ctx, "GET", nil, &g, "groups", id)
	switch {
	case rest.Missing(err):
		return g, errAbsent
	case err != nil:
		return g, err
	case g.ID != id:
		return g, fmt.Errorf("the server answers with another group, %+.80q", g.ID)
	}
	return g, nil
}

// findUser returns the user of that exact login; without one, an empty user and the
// login that Okta takes the name for, if it does: it knows short names and folds case.
func (c *connector) findUser(ctx context.Context, login string) (u user, other string, err error) {
	err = c.do(ctx, "GET", nil, &u, "users", login)
	switch {
	case rest.Missing(err):
		return user{}, "", nil
	case err != nil:
		return user{}, "", fmt.Errorf("look up the user: %w", err)
	case u.ID == "":
		return user{}, "", errors.New("look up the user: the server answers without an id")
	case u.Profile.Login != login:
		return user{}, u.Profile.Login, nil
	}
	return u, "", nil
}

func about(e group.Entitlement, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	return nil
}

// maxPages bounds a list, in case the server's links go round in circles.
const maxPages = 100_000

// pages reads a list to its end, from link to link (RFC 8288, rel="next").
func pages[T interface{ id() string }](ctx context.Context, c *connector, q url.Values, path ...string) ([]T, error) {
	var out []T
	seen, links := map[string]bool{}, map[string]bool{}
	r := rest.Request{Path: append([]string{"api", "v1"}, path...), Query: q}
	for range maxPages {
		var page []T
		answer, err := c.rest.Do(ctx, r, &page)
		if err != nil {
			return nil, err
		}
		if page == nil {
			return nil, errors.New("the server's list is no list")
		}
		for _, item := range page {
			if item.id() == "" {
				return nil, errors.New("the server's list has an entry without an id")
			}
			if !seen[item.id()] {
				seen[item.id()] = true
				out = append(out, item)
			}
		}
		next := nextLink(answer.Header["Link"])
		if next == "" {
			return out, nil
		}
		if links[next] {
			break
		}
		links[next] = true
		r = rest.Request{Link: next}
	}
	return nil, errors.New("the pages of the server's list do not come to an end")
}

// nextLink finds the address of the next page.
func nextLink(headers []string) string {
	for _, h := range headers {
		for h != "" {
			start, end := strings.IndexByte(h, '<'), strings.IndexByte(h, '>')
			if start < 0 || end < start {
				break
			}
			address, rest := h[start+1:end], h[end+1:]
			params := rest
			if n := strings.IndexByte(rest, '<'); n >= 0 {
				params = rest[:n]
			}
			for _, p := range strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
				if v, ok := strings.CutPrefix(p, "rel="); ok {
					if u, err := strconv.Unquote(v); err == nil {
						v = u
					}
					if v == "next" {
						return address
					}
				}
			}
			h = rest
		}
	}
	return ""
}
