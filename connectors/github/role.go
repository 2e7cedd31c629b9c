package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	gh "github.com/google/go-github/v60/github"
)

// role is one of the organisation's roles. Only what is assigned to the person counts,
// not what a team has.
type role struct {
	c    *connector
	name string
	id   int64  // once looked at
	now  string // what it is called now; a renamed one is followed
}

type roleList struct {
	Roles []struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	} `json:"roles"`
}

// roleUser is a user of a role. A mixed assignment is a direct one and one by a team.
type roleUser struct {
	ID         int64  `json:"id"`
	Login      string `json:"login"`
	Assignment string `json:"assignment"`
}

func (r *role) look(ctx context.Context) ([]held, error) {
	if err := r.find(ctx); err != nil || r.id == 0 {
		return nil, err
	}
	users, err := list(ctx, r.c, fmt.Sprintf("%s/organization-roles/%d/users", r.c.org(), r.id), func(u roleUser) string { return fmt.Sprint(u.ID, u.Assignment) })
	if err != nil {
		return nil, err
	}
	var out []held
	for _, u := range users {
		if u.ID == 0 || u.Login == "" {
			return nil, fmt.Errorf("GitHub lists a user of role %q without saying who", r.name)
		}
		switch u.Assignment {
		case "direct", "mixed":
			out = append(out, held{person: person{id: u.ID, login: u.Login}})
		case "indirect":
		default:
			return nil, fmt.Errorf("GitHub does not say whether role %q of %s is their own or a team's", r.name, u.Login)
		}
	}
	return out, nil
}

// find looks up the number of the role. The list is not cut into pages.
func (r *role) find(ctx context.Context) error {
	var l roleList
	err := r.c.reading(ctx, func() error {
		l = roleList{}
		q, err := r.c.way.REST.NewRequest(http.MethodGet, r.c.org()+"/organization-roles", nil)
		if err != nil {
			return err
		}
		_, err = r.c.way.REST.Do(ctx, q, &l)
		return err
	})
	if err != nil {
		return err
	}
	if l.Roles == nil {
		return errors.New("GitHub answers without a list of roles")
	}
	names := map[int64]string{}
	r.id, r.now = 0, ""
	for _, x := range l.Roles {
		if names[x.ID] = x.Name; x.Name != r.name {
			continue
		}
		if r.id != 0 && r.id != x.ID {
			return fmt.Errorf("the organisation has two roles %q", r.name)
		}
		r.id, r.now = x.ID, x.Name
	}
	first := r.c.roles.First(r.name, r.id)
	switch _, there := names[first]; {
	case first == r.id:
	case !there:
		r.c.roles.Replace(r.name, r.id)
	case r.id == 0:
		r.id, r.now = first, names[first]
	default:
		return fmt.Errorf("role %q was renamed to %q, and another role has its name; give them their names back, or end what was granted by the first and restart", r.name, names[first])
	}
	return nil
}

func (r *role) path(login string) string {
	return fmt.Sprintf("%s/organization-roles/users/%s/%d", r.c.org(), url.PathEscape(login), r.id)
}

func (r *role) missing() error {
	switch r.now {
	case r.name:
		return nil
	case "":
	default:
		return fmt.Errorf("role %q is called %q now; write that", r.name, r.now)
	}
	return fmt.Errorf("the organisation %s has no role %q", r.c.set.Organization, r.name)
}

func (r *role) grant(ctx context.Context, p person, at standing, _ string) error {
	if err := r.missing(); err != nil {
		return err
	}
	if !at.member {
		return fmt.Errorf("%s is no member of the organisation %s, and its roles are for members", p.login, r.c.set.Organization)
	}
	return r.c.send(ctx, http.MethodPut, r.path(p.login), nil)
}

func (r *role) revoke(ctx context.Context, h held) error {
	return gone(r.c.send(ctx, http.MethodDelete, r.path(h.login), nil))
}

// ownership is organizationRole: admin. It is given to members only and leaves them
// members; nobody is invited as an owner, but who was by another hand is shown.
type ownership struct{ c *connector }

func (o *ownership) look(ctx context.Context) ([]held, error) {
	invitations, err := list(ctx, o.c, o.c.org()+"/invitations?role=admin", invitationKey)
	if err != nil {
		return nil, err
	}
	owners, err := o.c.owners(ctx)
	if err != nil {
		return nil, err
	}
	var active, invited []held
	for _, u := range owners {
		active = append(active, held{person: person{id: u.GetID(), login: u.GetLogin()}})
	}
	for _, i := range invitations {
		if i.Login == "" || i.Role != owner {
			continue
		}
		p, ok, err := o.c.personOf(ctx, i.Login)
		if err != nil {
			return nil, err
		}
		if ok {
			invited = append(invited, held{person: p, invitation: i.ID})
		}
	}
	return mergeHeld(active, invited), nil
}

func (*ownership) missing() error { return nil }

// owners are the active owners of the organisation.
func (c *connector) owners(ctx context.Context) ([]gh.User, error) {
	return list(ctx, c, c.org()+"/members?role=admin", func(u gh.User) string { return fmt.Sprint(u.GetID()) })
}

func (o *ownership) grant(ctx context.Context, p person, at standing, _ string) error {
	if !at.member {
		return fmt.Errorf("%s is no member of the organisation %s, and nobody is invited as an owner", p.login, o.c.set.Organization)
	}
	return o.set(ctx, p.login, owner)
}

// revoke makes the owner a member again. The last owner stays.
func (o *ownership) revoke(ctx context.Context, h held) error {
	if h.invitation != 0 {
		return o.c.cancel(ctx, h.invitation)
	}
	// One after the other: of two owners who go at once, the second would be the last.
	o.c.owning.Lock()
	defer o.c.owning.Unlock()
	owners, err := o.c.owners(ctx)
	if err != nil {
		return err
	}
	others := 0
	for _, u := range owners {
		if u.GetID() != h.id {
			others++
		}
	}
	if others == 0 {
		return fmt.Errorf("%s is the last owner of %s; make somebody else an owner first", h.login, o.c.set.Organization)
	}
	if others == len(owners) {
		return nil // no owner any more, perhaps no member: setting a role would invite them
	}
	return gone(o.set(ctx, h.login, "member"))
}

func (o *ownership) set(ctx context.Context, login, role string) error {
	_, _, err := o.c.way.REST.Organizations.EditOrgMembership(ctx, login, o.c.set.Organization, &gh.Membership{Role: &role})
	return err
}
