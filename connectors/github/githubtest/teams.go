package githubtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/tenure-dev/tenure/internal/minihub"
)

func (c *call) team() (*team, error) {
	if t := c.s.teams[c.r.PathValue("slug")]; t != nil {
		return t, nil
	}
	return nil, notFound()
}

func (c *call) showInvite(i *invite) (obj, bool) {
	inviter, _ := c.s.hub.User(i.by)
	by, ok := c.s.user(inviter.ID)
	if !ok {
		return nil, false
	}
	o := obj{"id": i.id, "login": c.s.login(i.who), "email": nil, "role": i.role, "created_at": stamp, "inviter": by, "team_count": len(i.teams),
		"node_id": fmt.Sprint("OI_", i.id), "invitation_teams_url": fmt.Sprintf("%s/api/v3/orgs/%s/invitations/%d/teams", c.s.URL, Org, i.id)}
	if i.failed {
		o["failed_at"], o["failed_reason"] = stamp, "Invitation expired"
	}
	return o, true
}

// invitations are those that pick returns true for, in order.
func (c *call) invitations(pick func(*invite) bool) (out []*invite) {
	for _, id := range slices.Sorted(maps.Keys(c.s.invites)) {
		if i := c.s.invites[id]; pick(i) {
			out = append(out, i)
		}
	}
	return out
}

func listInvites(c *call) error {
	if err := c.admin("read"); err != nil {
		return err
	}
	want := c.r.URL.Query().Get("role")
	return list(c, c.invitations(func(i *invite) bool { return !i.failed && (want == "" || want == "all" || i.role == want) }), c.showInvite)
}

func listFailed(c *call) error {
	if err := c.admin("read"); err != nil {
		return err
	}
	return list(c, c.invitations(func(i *invite) bool { return i.failed }), c.showInvite)
}

func (c *call) invite() (*invite, error) {
	id, _ := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if i := c.s.invites[id]; i != nil {
		return i, nil
	}
	return nil, notFound()
}

func cancelInvite(c *call) error {
	if err := c.admin("write"); err != nil {
		return err
	}
	i, err := c.invite()
	if err != nil {
		return err
	}
	delete(c.s.invites, i.id)
	return c.done()
}

func inviteTeams(c *call) error {
	if err := c.admin("read"); err != nil {
		return err
	}
	i, err := c.invite()
	if err != nil {
		return err
	}
	return list(c, slices.Sorted(maps.Keys(i.teams)), func(slug string) (obj, bool) {
		api := c.s.URL + "/api/v3/orgs/" + Org + "/teams/" + slug
		id := c.s.teams[slug].id
		return obj{"id": id, "node_id": fmt.Sprint("T_", id), "url": api, "members_url": api + "/members{/member}", "name": slug, "description": nil, "permission": "pull",
			"html_url": c.s.URL + "/orgs/" + Org + "/teams/" + slug, "repositories_url": api + "/repos", "slug": slug, "parent": nil,
			"type": "organization", "organization_id": 77}, true
	})
}

func teamInvites(c *call) error {
	if err := c.admin("read"); err != nil {
		return err
	}
	if _, err := c.team(); err != nil {
		return err
	}
	slug := c.r.PathValue("slug")
	return list(c, c.invitations(func(i *invite) bool { return !i.failed && i.teams[slug] != "" }), c.showInvite)
}

// membership is somebody's in a team, or by a child of it, or by an invitation.
func (c *call) membership(slug string, id int64) (role, state string) {
	if role := c.s.teams[slug].members[id]; role != "" {
		return role, "active"
	}
	for child, t := range c.s.teams {
		if t.parent == slug {
			if role, state := c.membership(child, id); state == "active" {
				return role, state
			}
		}
	}
	if i := c.s.inviteOf(id); i != nil && i.teams[slug] != "" {
		return i.teams[slug], "pending"
	}
	return "", ""
}

func (c *call) answerMembership(id int64) error {
	slug := c.r.PathValue("slug")
	role, state := c.membership(slug, id)
	if role == "" {
		return notFound()
	}
	return c.ok(obj{"role": role, "state": state, "url": c.s.URL + c.r.URL.EscapedPath()})
}

// teamAndUser are those of the path.
func (c *call) teamAndUser(want string) (*team, minihub.User, error) {
	u, err := c.user(want)
	if err != nil {
		return nil, u, err
	}
	t, err := c.team()
	return t, u, err
}

func getMembership(c *call) error {
	_, u, err := c.teamAndUser("read")
	if err != nil {
		return err
	}
	return c.answerMembership(u.ID)
}

func setMembership(c *call) error {
	t, u, err := c.teamAndUser("write")
	if err != nil {
		return err
	}
	var in struct{ Role string }
	if err := c.body(&in); err != nil {
		return err
	}
	if in.Role == "" {
		in.Role = "member"
	}
	slug := c.r.PathValue("slug")
	switch {
	case t.synced:
		return refuse(http.StatusForbidden, "This team's membership is managed by team synchronization")
	case c.s.members[u.ID] == "admin":
		t.members[u.ID] = "maintainer"
	case c.s.members[u.ID] != "":
		t.members[u.ID] = in.Role
	default:
		i := c.s.inviteOf(u.ID)
		if i == nil {
			c.s.nextID++
			i = &invite{id: c.s.nextID, who: u.ID, role: "direct_member", by: c.by, teams: map[string]string{}}
			c.s.invites[i.id] = i
		}
		i.teams[slug] = in.Role
	}
	return c.answerMembership(u.ID)
}

func dropMembership(c *call) error {
	t, u, err := c.teamAndUser("write")
	if err != nil {
		return err
	}
	if t.synced {
		return refuse(http.StatusForbidden, "This team's membership is managed by team synchronization")
	}
	slug := c.r.PathValue("slug")
	if i := c.s.inviteOf(u.ID); i != nil && i.teams[slug] != "" {
		delete(i.teams, slug) // and the invitation stays
		return c.done()
	}
	if t.members[u.ID] == "" {
		return notFound()
	}
	delete(t.members, u.ID)
	return c.done()
}
