package gitea

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/connectors/holders"
)

// team is a team of the organisation.
type team struct {
	c     *connector
	name  string
	found *sdk.Team // once looked at
	// before is the team that had the name when it was first seen, if it has another now.
	before *sdk.Team
}

// teams are all teams of the organisation: who may list them sees all.
func (c *connector) teams(ctx context.Context) ([]*sdk.Team, error) {
	return list("teams", func(t *sdk.Team) string { return fmt.Sprint(t.ID) }, func(page int) ([]*sdk.Team, *sdk.Response, error) {
		return c.way.SDK(ctx).ListOrgTeams(c.set.Organization, sdk.ListTeamsOptions{ListOptions: listPage(page)})
	})
}

func (c *connector) members(ctx context.Context, t *sdk.Team) ([]held, error) {
	found, err := list("members of team "+t.Name, userKey, func(page int) ([]*sdk.User, *sdk.Response, error) {
		return c.way.SDK(ctx).ListTeamMembers(t.ID, sdk.ListTeamMembersOptions{ListOptions: listPage(page)})
	})
	if err != nil {
		return nil, err
	}
	return users(found)
}

// Look returns the members of the team, and of the one that had the name when it was
// first seen: what was granted in it goes on under its new name.
func (t *team) Look(ctx context.Context) ([]held, error) {
	all, err := t.c.teams(ctx)
	if err != nil {
		return nil, fmt.Errorf("teams of organisation %s: %w", t.c.set.Organization, err)
	}
	t.found, t.before = nil, nil
	e, id := entitlement{kindTeam, t.name}, int64(0)
	if i := slices.IndexFunc(all, func(x *sdk.Team) bool { return x.Name == t.name }); i >= 0 {
		t.found, id = all[i], all[i].ID
	} else if err := t.c.sees(ctx, e); err != nil {
		return nil, err
	}
	if first := t.c.firsts.First(e, id); first != id {
		if i := slices.IndexFunc(all, func(x *sdk.Team) bool { return x.ID == first }); i >= 0 {
			t.before = all[i]
		} else {
			t.c.firsts.Replace(e, id)
		}
	}
	var out []held
	for _, x := range []*sdk.Team{t.found, t.before} {
		if x == nil {
			continue
		}
		in, err := t.c.members(ctx, x)
		if err != nil {
			return nil, err
		}
		for _, h := range in {
			h.team = x.ID
			out = append(out, h)
		}
	}
	return out, nil
}

// missing is an error if the team does not exist, or has rights that have to be listed.
func (t *team) missing() error {
	switch {
	case t.found != nil:
	case t.before != nil:
		return fmt.Errorf("team %q is called %q now; write that", t.name, t.before.Name)
	default:
		return fmt.Errorf("the organisation %s has no team %q", t.c.set.Organization, t.name)
	}
	if p := t.found.Permission; (p == sdk.AccessModeAdmin || p == sdk.AccessModeOwner) && !slices.Contains(t.c.set.Teams, t.name) {
		return fmt.Errorf("team %q administers repositories; setting teams must list it", t.name)
	}
	return nil
}

// Grant adds a member.
func (t *team) Grant(ctx context.Context, account, _ string, _ []held) error {
	if err := t.missing(); err != nil {
		return err
	}
	if err := t.c.account(ctx, account); err != nil {
		return err
	}
	if err := t.c.notOwn(ctx, account); err != nil {
		return err
	}
	resp, err := t.c.way.SDK(ctx).AddTeamMember(t.found.ID, account)
	return said(resp, err, http.StatusNoContent)
}

// Revoke removes a member. The server keeps the last owner.
func (t *team) Revoke(ctx context.Context, h held) error {
	if err := t.c.notOwn(ctx, h.login); err != nil {
		return err
	}
	resp, err := t.c.way.SDK(ctx).RemoveTeamMember(h.team, h.login)
	return gone(said(resp, err, http.StatusNoContent))
}

// Clean removes accounts that were renamed after they had been granted the team.
func (t *team) Clean(ctx context.Context, revoked []holders.Revoked) error {
	if t.found == nil && t.before == nil {
		return nil
	}
	return t.c.cleanRenamed(ctx, t, revoked)
}
