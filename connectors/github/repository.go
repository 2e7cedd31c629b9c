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

// repository is a repository of the organisation. A person has at most one permission
// on it by a grant of their own.
type repository struct {
	c    *connector
	name string
	now  string // what it is called now, once looked at; a renamed one is followed
}

const repositoryQuery = `query ($org: String!, $name: String!, $after: String) {
  organization(login: $org) { login viewerCanAdminister }
  repository(owner: $org, name: $name) {
    id
    name
    owner { login }
    collaborators(affiliation: DIRECT, first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      edges {
        node { login databaseId }
        permissionSources { roleName source { __typename } }
      }
    }
  }
}`

type repositoryAnswer struct {
	Organization *about `json:"organization"`
	Repository   *struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Owner struct {
			Login string `json:"login"`
		} `json:"owner"`
		Collaborators *struct {
			Page  *page              `json:"pageInfo"`
			Edges []collaboratorEdge `json:"edges"`
		} `json:"collaborators"`
	} `json:"repository"`
}

type collaboratorEdge struct {
	Node    *user `json:"node"`
	Sources []struct {
		Role   string `json:"roleName"`
		Source struct {
			Kind string `json:"__typename"`
		} `json:"source"`
	} `json:"permissionSources"`
}

func (r *repository) path(name string) string {
	return "repos/" + url.PathEscape(r.c.set.Organization) + "/" + url.PathEscape(name)
}

// repositoryInvitation is one to a repository.
type repositoryInvitation struct {
	ID          int64    `json:"id"`
	Invitee     *gh.User `json:"invitee"`
	Permissions string   `json:"permissions"`
	Expired     bool     `json:"expired"`
}

// look reads the repository with the name, and the one that had it when it was first
// seen, if another one has it now: GitHub does not lead to that one any more.
func (r *repository) look(ctx context.Context) ([]held, error) {
	found, id, now, err := r.lookAt(ctx, r.name)
	if err != nil {
		return nil, err
	}
	r.now = now
	e := entitlement{kind: kindRepository, name: r.name}
	first := r.c.firsts.First(e, id)
	if first == id {
		return found, nil
	}
	n, err := r.c.node(ctx, e, first)
	switch {
	case err != nil:
		return nil, err
	case n == nil:
		r.c.firsts.Replace(e, id)
		return found, nil
	case n.Owner.Login != r.c.set.Organization:
		return nil, fmt.Errorf("repository %q of before went to %q, where the connector has nothing to do; end what was granted there", r.name, n.Owner.Login)
	}
	before, was, _, err := r.lookAt(ctx, n.Name)
	if err == nil && was != first {
		err = fmt.Errorf("repository %q is renamed faster than it can be read", r.name)
	}
	return append(found, before...), err
}

// lookAt reads the repository that has a name now; without an id there is none. It reads
// invitations before collaborators: who accepts meanwhile is in both.
func (r *repository) lookAt(ctx context.Context, name string) (out []held, id, now string, err error) {
	invitations, hidden := list(ctx, r.c, r.path(name)+"/invitations", func(i repositoryInvitation) string { return fmt.Sprint(i.ID) })
	if gone(hidden) != nil {
		return nil, "", "", hidden
	}
	active, id, now, err := r.collaborators(ctx, name)
	if err != nil || id == "" {
		return nil, "", "", err
	}
	if hidden != nil {
		return nil, "", "", errUnseen("invitations of repository", r.name, "GitHub shows the repository, but not who is invited to it")
	}
	var invited []held
	for _, i := range invitations {
		if i.Invitee.GetID() == 0 {
			continue // the account is gone
		}
		level, err := permissionOf(i.Permissions)
		if err != nil {
			return nil, "", "", fmt.Errorf("invitation of %s to %s: %w", i.Invitee.GetLogin(), r.name, err)
		}
		invited = append(invited, held{person: person{id: i.Invitee.GetID(), login: i.Invitee.GetLogin()}, level: level, invitation: i.ID, expired: i.Expired})
	}
	out = mergeHeld(active, invited)
	for i := range out {
		out[i].in = now
	}
	return out, id, now, nil
}

func (r *repository) collaborators(ctx context.Context, name string) (out []held, id, now string, err error) {
	for after := any(nil); ; {
		var a repositoryAnswer
		head, err := r.c.query(ctx, repositoryQuery, map[string]any{"org": r.c.set.Organization, "name": name, "after": after}, &a)
		if err != nil {
			return nil, "", "", err
		}
		if err := r.c.found(a.Organization); err != nil {
			return nil, "", "", err
		}
		in := a.Repository
		switch {
		case in == nil:
			return nil, "", "", r.c.seesRepositories(ctx, a.Organization, head, name)
		case in.Owner.Login != r.c.set.Organization:
			return nil, "", "", fmt.Errorf("repository %q went to %q, where the connector has nothing to do; end what was granted there", r.name, in.Owner.Login)
		case in.Collaborators == nil || in.Collaborators.Page == nil || in.Collaborators.Edges == nil:
			return nil, "", "", errUnseen("collaborators of repository", r.name, "GitHub shows the repository only")
		}
		if in.ID == "" || id != "" && id != in.ID {
			return nil, "", "", fmt.Errorf("GitHub answers repository %q with another one", name)
		}
		id, now = in.ID, in.Name
		for _, e := range in.Collaborators.Edges {
			h, direct, err := e.held()
			if err != nil {
				return nil, "", "", fmt.Errorf("collaborators of %s: %w", r.name, err)
			}
			if direct {
				out = append(out, h)
			}
		}
		if !in.Collaborators.Page.HasNextPage {
			return out, id, now, nil
		}
		if in.Collaborators.Page.EndCursor == "" || any(in.Collaborators.Page.EndCursor) == after {
			return nil, "", "", fmt.Errorf("GitHub's list of the collaborators of %q does not go on", r.name)
		}
		after = in.Collaborators.Page.EndCursor
	}
}

// held is the permission that comes from the repository itself; false: there is none,
// and all that the person can do comes from elsewhere.
func (e collaboratorEdge) held() (h held, direct bool, err error) {
	if e.Node == nil || e.Node.ID == 0 || e.Node.Login == "" {
		return held{}, false, errors.New("GitHub lists one without saying who")
	}
	if e.Sources == nil {
		return held{}, false, fmt.Errorf("GitHub does not say where the permission of %s comes from; the credentials must administer the repository", e.Node.Login)
	}
	for _, s := range e.Sources {
		if s.Source.Kind != "Repository" {
			continue
		}
		level, err := permissionOf(s.Role)
		return held{person: person{id: e.Node.ID, login: e.Node.Login}, level: level}, err == nil, err
	}
	return held{}, false, nil
}

// permissionOf translates the names of roles that GitHub answers with to those of
// permissions that it takes. The name of a custom role is the same in both.
func permissionOf(role string) (string, error) {
	switch folded := strings.ToLower(role); folded {
	case "":
		return "", errors.New("GitHub does not name the role")
	case "read":
		return "pull", nil
	case "write":
		return "push", nil
	case "triage", "maintain", "admin":
		return folded, nil
	}
	return role, nil
}

func (r *repository) missing() error {
	switch r.now {
	case r.name:
		return nil
	case "":
		return fmt.Errorf("the organisation %s has no repository %q", r.c.set.Organization, r.name)
	}
	return fmt.Errorf("repository %q is called %q; write that", r.name, r.now)
}

func (r *repository) grant(ctx context.Context, p person, at standing, level string) error {
	if err := r.missing(); err != nil {
		return err
	}
	switch {
	case !at.member && !r.c.set.OutsideCollaborators:
		return fmt.Errorf("%s is no member of the organisation %s; setting outsideCollaborators: true would send an invitation", p.login, r.c.set.Organization)
	case !at.member && !slices.Contains(builtIn, level):
		return fmt.Errorf("%s is no member of the organisation %s, and an invitation does not tell its custom role; grant one of %s", p.login, r.c.set.Organization, strings.Join(builtIn, ", "))
	}
	_, _, err := r.c.way.REST.Repositories.AddCollaborator(ctx, r.c.set.Organization, r.now, p.login, &gh.RepositoryAddCollaboratorOptions{Permission: level})
	if err != nil || slices.Contains(builtIn, level) {
		return err
	}
	// What GitHub takes for the name of a custom role it may write otherwise, and a
	// revoke would not find it.
	now, _, _, err := r.collaborators(ctx, r.now)
	for _, h := range now {
		if h.in = r.now; h.id == p.id && h.level != level {
			err = errors.Join(err, fmt.Errorf("GitHub writes role %q as %q; write the same", level, h.level), r.revoke(ctx, h))
		}
	}
	return err
}

// revoke withdraws the invitation, or removes the collaborator.
func (r *repository) revoke(ctx context.Context, h held) error {
	if h.invitation != 0 {
		return gone(r.c.send(ctx, http.MethodDelete, fmt.Sprintf("%s/invitations/%d", r.path(h.in), h.invitation), nil))
	}
	return gone(r.c.send(ctx, http.MethodDelete, r.path(h.in)+"/collaborators/"+url.PathEscape(h.login), nil))
}
