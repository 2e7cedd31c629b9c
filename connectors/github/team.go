package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	gh "github.com/google/go-github/v60/github"
)

// team is a team of the organisation. Members of child teams are not its own.
type team struct {
	c     *connector
	slug  string
	there bool // once looked at
	// renamed is what the team that had the slug is called now; empty: it has it still.
	renamed string
}

const teamQuery = `query ($org: String!, $slug: String!, $after: String) {
  organization(login: $org) {
    login
    viewerCanAdminister
    team(slug: $slug) {
      id
      slug
      members(membership: IMMEDIATE, first: 100, after: $after) {
        pageInfo { hasNextPage endCursor }
        edges { role node { login databaseId } }
      }
    }
  }
}`

type teamAnswer struct {
	Organization *struct {
		about
		Team *struct {
			ID      string `json:"id"`
			Slug    string `json:"slug"`
			Members *struct {
				Page  *page `json:"pageInfo"`
				Edges []struct {
					Role string `json:"role"`
					Node *user  `json:"node"`
				} `json:"edges"`
			} `json:"members"`
		} `json:"team"`
	} `json:"organization"`
}

// look reads the team with the slug, and the one that had it when it was first seen, if
// that is another one: what was granted in it goes on there.
func (t *team) look(ctx context.Context) ([]held, error) {
	found, id, err := t.lookAt(ctx, t.slug)
	if err != nil {
		return nil, err
	}
	t.there, t.renamed = id != "", ""
	e := entitlement{kind: kindTeam, name: t.slug}
	first := t.c.firsts.First(e, id)
	if first == id {
		return found, nil
	}
	now, err := t.c.node(ctx, e, first)
	if err != nil {
		return nil, err
	}
	if now == nil {
		t.c.firsts.Replace(e, id)
		return found, nil
	}
	t.renamed = now.Slug
	before, was, err := t.lookAt(ctx, t.renamed)
	if err == nil && was != first {
		err = fmt.Errorf("team %q is renamed faster than it can be read", t.slug)
	}
	return append(found, before...), err
}

// lookAt reads the team that has a slug now; without an id there is none. It reads invitations
// before members: who accepts meanwhile is in both.
func (t *team) lookAt(ctx context.Context, slug string) (out []held, id string, err error) {
	invitations, hidden := list(ctx, t.c, fmt.Sprintf("%s/teams/%s/invitations", t.c.org(), url.PathEscape(slug)), invitationKey)
	if gone(hidden) != nil {
		return nil, "", hidden
	}
	active, id, err := t.members(ctx, slug)
	if err != nil || id == "" {
		return nil, "", err
	}
	if err := t.markOwners(ctx, active); err != nil {
		return nil, "", err
	}
	if hidden != nil {
		return nil, "", errUnseen("invitations of team", slug, "GitHub shows the team, but not who is invited to it")
	}
	var invited []held
	for _, i := range invitations {
		if i.Login == "" {
			continue // sent to an address; nobody knows yet whose account will accept
		}
		h, ok, err := t.invited(ctx, slug, i)
		if err != nil {
			return nil, "", err
		}
		if ok {
			invited = append(invited, h)
		}
	}
	out = mergeHeld(active, invited)
	for i := range out {
		out[i].in = slug
	}
	return out, id, nil
}

// markOwners marks the owners of the organisation among maintainers.
func (t *team) markOwners(ctx context.Context, members []held) error {
	if !slices.ContainsFunc(members, func(h held) bool { return h.level == roleMaintainer }) {
		return nil
	}
	owners, err := t.c.owners(ctx)
	if err != nil {
		return err
	}
	for i, h := range members {
		members[i].owner = h.level == roleMaintainer && slices.ContainsFunc(owners, func(u gh.User) bool { return u.GetID() == h.id })
	}
	return nil
}

func (t *team) members(ctx context.Context, slug string) (out []held, id string, err error) {
	for after := any(nil); ; {
		var a teamAnswer
		if _, err := t.c.query(ctx, teamQuery, map[string]any{"org": t.c.set.Organization, "slug": slug, "after": after}, &a); err != nil {
			return nil, "", err
		}
		if a.Organization == nil {
			return nil, "", t.c.found(nil)
		}
		if err := t.c.found(&a.Organization.about); err != nil {
			return nil, "", err
		}
		in := a.Organization.Team
		switch {
		case in == nil:
			return nil, "", t.c.seesTeams(&a.Organization.about, slug)
		case in.Slug != slug || in.ID == "" || id != "" && id != in.ID:
			return nil, "", fmt.Errorf("GitHub answers team %q with another one", slug)
		case in.Members == nil || in.Members.Page == nil || in.Members.Edges == nil:
			return nil, "", errUnseen("members of team", slug, "GitHub shows the team only")
		}
		id = in.ID
		for _, e := range in.Members.Edges {
			if e.Node == nil || e.Node.ID == 0 || e.Node.Login == "" || e.Role == "" {
				return nil, "", fmt.Errorf("GitHub lists a member of team %q without saying who", slug)
			}
			out = append(out, held{person: person{id: e.Node.ID, login: e.Node.Login}, level: strings.ToLower(e.Role)})
		}
		if !in.Members.Page.HasNextPage {
			return out, id, nil
		}
		if in.Members.Page.EndCursor == "" || any(in.Members.Page.EndCursor) == after {
			return nil, "", fmt.Errorf("GitHub's list of the members of team %q does not go on", slug)
		}
		after = in.Members.Page.EndCursor
	}
}

// invited reads what an invitation gives in this team; false: it is gone by now.
func (t *team) invited(ctx context.Context, slug string, i invitation) (held, bool, error) {
	p, ok, err := t.c.personOf(ctx, i.Login)
	if err != nil || !ok {
		return held{}, false, err
	}
	m, err := t.membership(ctx, slug, i.Login)
	if err != nil || m == nil {
		return held{}, false, err
	}
	me, err := t.c.self(ctx)
	if err != nil {
		return held{}, false, err
	}
	h := held{person: p, level: m.GetRole(), invitation: i.ID, ours: me.is(i.Inviter) && i.Role == "direct_member", alone: i.TeamCount <= 1}
	if m.GetState() == "active" {
		h.invitation = 0
	}
	return h, true, nil
}

// membership is a person's, by login; nil: there is none.
func (t *team) membership(ctx context.Context, slug, login string) (m *gh.Membership, err error) {
	err = t.c.reading(ctx, func() (err error) {
		m, _, err = t.c.way.REST.Teams.GetTeamMembershipBySlug(ctx, t.c.set.Organization, slug, login)
		return err
	})
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	return m, err
}

func (t *team) missing() error {
	switch {
	case t.there:
		return nil
	case t.renamed != "":
		return fmt.Errorf("team %q is called %q now; write that", t.slug, t.renamed)
	}
	return fmt.Errorf("the organisation %s has no team with the slug %q", t.c.set.Organization, t.slug)
}

func (t *team) grant(ctx context.Context, p person, at standing, level string) error {
	if err := t.missing(); err != nil {
		return err
	}
	if !at.member && !t.c.set.InviteMembers {
		return fmt.Errorf("%s is no member of the organisation %s; setting inviteMembers: true would send an invitation", p.login, t.c.set.Organization)
	}
	m, _, err := t.c.way.REST.Teams.AddTeamMembershipBySlug(ctx, t.c.set.Organization, t.slug, p.login, &gh.TeamAddTeamMembershipOptions{Role: level})
	if err != nil {
		return err
	}
	if m.GetRole() != level && !at.owner {
		// They became an owner in this very moment, or the answer is wrong.
		return errors.Join(fmt.Errorf("GitHub made %s %s of team %q, not %s", p.login, m.GetRole(), t.slug, level),
			t.revoke(ctx, held{person: p, in: t.slug}))
	}
	return nil
}

// revoke cancels an invitation that we sent for this team alone, and then the
// membership, which is all there is if it was accepted meanwhile. Of an invitation to
// more, or by another hand, only this team is taken; ours ends with its last team, also
// if several are taken at the same time.
func (t *team) revoke(ctx context.Context, h held) error {
	ours := h.invitation != 0 && h.ours
	if ours && h.alone {
		if err := t.c.cancel(ctx, h.invitation); err != nil {
			return err
		}
	}
	_, err := t.c.way.REST.Teams.RemoveTeamMembershipBySlug(ctx, t.c.set.Organization, h.in, h.login)
	if gone(err) != nil || !ours || h.alone {
		return gone(err)
	}
	teams, err := t.c.teamsOf(ctx, h.invitation)
	if err != nil || len(teams) > 0 {
		return gone(err)
	}
	return t.c.cancel(ctx, h.invitation)
}

// teamsOf are the teams that an invitation to the organisation is for.
func (c *connector) teamsOf(ctx context.Context, invitation int64) ([]gh.Team, error) {
	return list(ctx, c, fmt.Sprintf("%s/invitations/%d/teams", c.org(), invitation), func(t gh.Team) string { return t.GetSlug() })
}

// cancel withdraws an invitation to the organisation. GitHub says 404 or 422 for one
// that is not open any more.
func (c *connector) cancel(ctx context.Context, id int64) error {
	err := c.send(ctx, http.MethodDelete, fmt.Sprintf("%s/invitations/%d", c.org(), id), nil)
	if status(err) == http.StatusUnprocessableEntity {
		return nil
	}
	return gone(err)
}

// cleanFailed withdraws invitations of ours that failed or expired and were for this
// team alone, so that no owner sends them again by a click after the grant has ended.
func (t *team) cleanFailed(ctx context.Context, over func(person) bool) error {
	failed, err := list(ctx, t.c, t.c.org()+"/failed_invitations", invitationKey)
	if err != nil {
		return err
	}
	for _, i := range failed {
		me, err := t.c.self(ctx)
		if err != nil {
			return err
		}
		if i.Login == "" || i.TeamCount > 1 || !me.is(i.Inviter) {
			continue
		}
		p, ok, err := t.c.personOf(ctx, i.Login)
		if err != nil {
			return err
		}
		if !ok || !over(p) {
			continue
		}
		teams, err := t.c.teamsOf(ctx, i.ID)
		if gone(err) != nil {
			return err
		}
		if len(teams) == 1 && slices.Contains([]string{t.slug, t.renamed}, teams[0].GetSlug()) {
			if err := t.c.cancel(ctx, i.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
