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
}

const teamQuery = `query ($org: String!, $slug: String!, $after: String) {
  organization(login: $org) {
    login
    viewerCanAdminister
    team(slug: $slug) {
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

func (t *team) path() string { return t.c.org() + "/teams/" + url.PathEscape(t.slug) }

// look reads invitations before members: who accepts meanwhile is in both.
func (t *team) look(ctx context.Context) ([]held, error) {
	invitations, hidden := list(ctx, t.c, t.path()+"/invitations", invitationKey)
	if gone(hidden) != nil {
		return nil, hidden
	}
	active, there, err := t.members(ctx)
	if t.there = there; err != nil || !there {
		return nil, err
	}
	if err := t.markOwners(ctx, active); err != nil {
		return nil, err
	}
	if hidden != nil {
		return nil, errUnseen("invitations of team", t.slug, "GitHub shows the team, but not who is invited to it")
	}
	var invited []held
	for _, i := range invitations {
		if i.Login == "" {
			continue // sent to an address; nobody knows yet whose account will accept
		}
		h, ok, err := t.invited(ctx, i)
		if err != nil {
			return nil, err
		}
		if ok {
			invited = append(invited, h)
		}
	}
	return mergeHeld(active, invited), nil
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

func (t *team) members(ctx context.Context) (out []held, there bool, err error) {
	for after := any(nil); ; {
		var a teamAnswer
		if _, err := t.c.query(ctx, teamQuery, map[string]any{"org": t.c.set.Organization, "slug": t.slug, "after": after}, &a); err != nil {
			return nil, false, err
		}
		if a.Organization == nil {
			return nil, false, t.c.found(nil)
		}
		if err := t.c.found(&a.Organization.about); err != nil {
			return nil, false, err
		}
		in := a.Organization.Team
		switch {
		case in == nil:
			return nil, false, t.c.seesTeams(&a.Organization.about, t.slug)
		case in.Slug != t.slug:
			return nil, false, fmt.Errorf("GitHub answers team %q with another one", t.slug)
		case in.Members == nil || in.Members.Page == nil || in.Members.Edges == nil:
			return nil, false, errUnseen("members of team", t.slug, "GitHub shows the team only")
		}
		for _, e := range in.Members.Edges {
			if e.Node == nil || e.Node.ID == 0 || e.Node.Login == "" || e.Role == "" {
				return nil, false, fmt.Errorf("GitHub lists a member of team %q without saying who", t.slug)
			}
			out = append(out, held{person: person{id: e.Node.ID, login: e.Node.Login}, level: strings.ToLower(e.Role)})
		}
		if !in.Members.Page.HasNextPage {
			return out, true, nil
		}
		if in.Members.Page.EndCursor == "" || any(in.Members.Page.EndCursor) == after {
			return nil, false, fmt.Errorf("GitHub's list of the members of team %q does not go on", t.slug)
		}
		after = in.Members.Page.EndCursor
	}
}

// invited reads what an invitation gives in this team; false: it is gone by now.
func (t *team) invited(ctx context.Context, i invitation) (held, bool, error) {
	p, ok, err := t.c.personOf(ctx, i.Login)
	if err != nil || !ok {
		return held{}, false, err
	}
	m, err := t.membership(ctx, i.Login)
	if err != nil || m == nil {
		return held{}, false, err
	}
	me, err := t.c.self(ctx)
	if err != nil {
		return held{}, false, err
	}
	h := held{person: p, level: m.GetRole(), invitation: i.ID, alone: me.is(i.Inviter) && i.TeamCount <= 1 && i.Role == "direct_member"}
	if m.GetState() == "active" {
		h.invitation = 0
	}
	return h, true, nil
}

// membership is a person's, by login; nil: there is none.
func (t *team) membership(ctx context.Context, login string) (m *gh.Membership, err error) {
	err = t.c.reading(ctx, func() (err error) {
		m, _, err = t.c.way.REST.Teams.GetTeamMembershipBySlug(ctx, t.c.set.Organization, t.slug, login)
		return err
	})
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	return m, err
}

func (t *team) missing() error {
	if t.there {
		return nil
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
			t.revoke(ctx, held{person: p}))
	}
	return nil
}

// revoke cancels an invitation that we sent for this team alone, and then the
// membership, which is all there is if it was accepted meanwhile. Of an invitation to
// more, or by another hand, only this team is taken.
func (t *team) revoke(ctx context.Context, h held) error {
	if h.invitation != 0 && h.alone {
		if err := t.c.cancel(ctx, h.invitation); err != nil {
			return err
		}
	}
	_, err := t.c.way.REST.Teams.RemoveTeamMembershipBySlug(ctx, t.c.set.Organization, t.slug, h.login)
	return gone(err)
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
		teams, err := list(ctx, t.c, fmt.Sprintf("%s/invitations/%d/teams", t.c.org(), i.ID), func(t gh.Team) string { return t.GetSlug() })
		if gone(err) != nil {
			return err
		}
		if len(teams) == 1 && teams[0].GetSlug() == t.slug {
			if err := t.c.cancel(ctx, i.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
