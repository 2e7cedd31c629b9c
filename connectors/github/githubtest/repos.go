package githubtest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// repo finds a repository, without regard to case; a renamed one redirects.
func (c *call) repo(want string) (*repo, string, error) {
	if err := c.may("repo", "administration", want); err != nil {
		return nil, "", err
	}
	name := c.r.PathValue("repo")
	for have, r := range c.s.repos {
		if strings.EqualFold(have, name) {
			return r, have, nil
		}
	}
	if to, ok := c.s.moved[name]; ok {
		at := strings.Replace(c.r.URL.RequestURI(), "/repos/"+Org+"/"+name, "/repos/"+Org+"/"+to, 1)
		c.w.Header().Set("Location", c.s.URL+at)
		return nil, "", refuse(http.StatusMovedPermanently, "Moved Permanently")
	}
	return nil, "", notFound()
}

var roleOf = map[string]string{"pull": "read", "push": "write", "triage": "triage", "maintain": "maintain", "admin": "admin"}

func addCollaborator(c *call) error {
	r, name, err := c.repo("write")
	if err != nil {
		return err
	}
	u, err := c.s.person(c.r.PathValue("username"))
	if err != nil {
		return err
	}
	var in struct{ Permission string }
	if err := c.body(&in); err != nil {
		return err
	}
	role := cmp.Or(roleOf[in.Permission], in.Permission)
	if !slices.Contains([]string{"read", "write", "triage", "maintain", "admin", "reviewer"}, role) {
		return refuse(http.StatusUnprocessableEntity, "Validation Failed")
	}
	if c.s.members[u.ID] != "" || r.direct[u.ID] != "" {
		r.direct[u.ID] = role
		return c.done()
	}
	for _, i := range r.invites {
		if i.who == u.ID {
			if i.expired {
				return refuse(http.StatusUnprocessableEntity, "Validation Failed")
			}
			i.role = role
			return c.invited(name, r, i, http.StatusCreated)
		}
	}
	c.s.nextID++
	i := &repoInvite{id: c.s.nextID, who: u.ID, role: role, by: c.by}
	r.invites = append(r.invites, i)
	return c.invited(name, r, i, http.StatusCreated)
}

func (c *call) invited(name string, r *repo, i *repoInvite, status int) error {
	write(c.w, status, c.showRepoInvite(name, r, i))
	return nil
}

func (c *call) showRepoInvite(name string, r *repo, i *repoInvite) obj {
	by, _ := c.s.hub.User(i.by)
	at := fmt.Sprintf("%s/api/v3/user/repository_invitations/%d", c.s.URL, i.id)
	return obj{"id": i.id, "node_id": fmt.Sprint("RI_", i.id), "permissions": i.role, "inviter": c.s.userOrNil(by.ID), "invitee": c.s.userOrNil(i.who),
		"repository": c.s.minimal(name, r.id), "url": at, "html_url": c.s.URL + "/" + Org + "/" + name + "/invitations", "created_at": stamp, "expired": i.expired}
}

func dropCollaborator(c *call) error {
	r, _, err := c.repo("write")
	if err != nil {
		return err
	}
	u, err := c.s.person(c.r.PathValue("username"))
	if err != nil {
		return err
	}
	delete(r.direct, u.ID)
	return c.done()
}

func repoInvites(c *call) error {
	r, name, err := c.repo("read")
	if err != nil {
		return err
	}
	return list(c, r.invites, func(i *repoInvite) (obj, bool) { return c.showRepoInvite(name, r, i), true })
}

func dropRepoInvite(c *call) error {
	r, _, err := c.repo("write")
	if err != nil {
		return err
	}
	for k, i := range r.invites {
		if strconv.FormatInt(i.id, 10) == c.r.PathValue("id") {
			r.invites = slices.Delete(r.invites, k, k+1)
			return c.done()
		}
	}
	return notFound()
}
