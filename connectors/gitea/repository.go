package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"sync"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/connectors/holders"
)

// repository is a repository of the organisation.
type repository struct {
	c    *connector
	name string
	now  string // its name now, once looked at; empty: it is not there
	gone bool   // once looked at: there is none, by this name or of before
}

// find asks for the repository. One that was renamed is followed, because what was
// granted on it goes on under the new name.
func (r *repository) find(ctx context.Context) (*sdk.Repository, error) {
	name := r.name
	for hop := 0; ; hop++ {
		repo, resp, err := r.c.way.SDK(ctx).GetRepo(r.c.set.Organization, name)
		err = said(resp, err, http.StatusOK)
		var a *answer
		switch {
		case err == nil && (repo.Owner == nil || repo.Owner.UserName != r.c.set.Organization):
			return nil, fmt.Errorf("repository %q is not of the organisation %s, as it is written there", name, r.c.set.Organization)
		case err == nil:
			return repo, nil
		case status(err) == http.StatusNotFound:
			return nil, r.c.sees(ctx, entitlement{kindRepository, r.name})
		case errors.As(err, &a) && a.status/100 == 3 && a.to != "" && hop < 3:
			owner := path.Base(path.Dir(a.to))
			if owner != r.c.set.Organization {
				return nil, fmt.Errorf("repository %q went to %q, where the connector has nothing to do; end what was granted there", r.name, owner)
			}
			name = path.Base(a.to)
		default:
			return nil, err
		}
	}
}

// Look returns the collaborators of the repository, and of the one that had the name
// when it was first seen, if another one has it now.
func (r *repository) Look(ctx context.Context) ([]held, error) {
	r.now = ""
	repo, err := r.find(ctx)
	if err != nil {
		return nil, err
	}
	var out []held
	var id int64
	if repo != nil {
		if out, err = r.collaborators(ctx, repo); err != nil {
			return nil, err
		}
		r.now, id = repo.Name, repo.ID
	}
	before, err := r.before(ctx, id)
	r.gone = repo == nil && before == nil
	if err != nil || before == nil {
		return out, err
	}
	more, err := r.collaborators(ctx, before)
	return append(out, more...), err
}

// before is the repository that had the name when it was first seen, if it is there and
// has another name now, and none that is redirected.
func (r *repository) before(ctx context.Context, id int64) (*sdk.Repository, error) {
	e := entitlement{kindRepository, r.name}
	first := r.c.firsts.First(e, id)
	if first == id {
		return nil, nil
	}
	repo, resp, err := r.c.way.SDK(ctx).GetRepoByID(first)
	err = said(resp, err, http.StatusOK)
	switch {
	case status(err) == http.StatusNotFound:
		r.c.firsts.Replace(e, id)
		return nil, nil
	case err == nil && (repo.ID != first || repo.Owner == nil || repo.Owner.UserName != r.c.set.Organization):
		return nil, fmt.Errorf("repository %q of before went out of the organisation; end what was granted there", r.name)
	}
	return repo, err
}

// collaborators are those of a repository, with the permission that each may have of
// their own.
func (r *repository) collaborators(ctx context.Context, repo *sdk.Repository) ([]held, error) {
	found, err := list("collaborators of "+repo.Name, userKey, func(page int) ([]*sdk.User, *sdk.Response, error) {
		return r.c.way.SDK(ctx).ListCollaborators(r.c.set.Organization, repo.Name, sdk.ListCollaboratorsOptions{ListOptions: listPage(page)})
	})
	if err != nil {
		return nil, err
	}
	out, err := users(found)
	if err != nil {
		return nil, err
	}
	others, err := r.others(ctx, repo, len(out) > 0)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(out))
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i := range out {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			out[i].levels, errs[i] = r.levels(ctx, repo.Name, out[i].login, others)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for i := range out {
		out[i].repo = repo.Name
	}
	return slices.DeleteFunc(out, func(h held) bool { return len(h.levels) == 0 }), nil
}

// others is how much the teams of the repository give, by login. An empty login
// stands for everybody.
func (r *repository) others(ctx context.Context, repo *sdk.Repository, needed bool) (map[string]int, error) {
	out := map[string]int{}
	if !repo.Private {
		out[""] = 1 // everybody may read
	}
	if !needed {
		return out, nil
	}
	teams, resp, err := r.c.way.SDK(ctx).GetRepoTeams(r.c.set.Organization, repo.Name)
	if err := said(resp, err, http.StatusOK); err != nil {
		return nil, err
	}
	for _, t := range teams {
		members, err := r.c.members(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			out[m.login] = max(out[m.login], rank(string(t.Permission)))
		}
	}
	return out, nil
}

// rank counts permissions from 1; those of administrators and owners are above all
// that a collaborator can have.
func rank(permission string) int {
	switch permission {
	case "read", "write":
		return slices.Index(permissions, permission) + 1
	case "admin", "owner":
		return len(permissions) + 1
	}
	return 0
}

// levels are the permissions that a collaborator may have of their own: the one that
// the server names, if it is more than another way gives; else any up to it. None:
// they are no collaborator any more.
func (r *repository) levels(ctx context.Context, name, login string, others map[string]int) ([]string, error) {
	p, resp, err := r.c.way.SDK(ctx).CollaboratorPermission(r.c.set.Organization, name, login)
	err = said(resp, err, http.StatusOK)
	if status(err) == http.StatusNotFound {
		return nil, nil // the account went meanwhile
	}
	if err != nil {
		return nil, err
	}
	other := max(others[login], others[""])
	have := string(p.Permission)
	i := slices.Index(permissions, have)
	switch {
	case have == "owner":
		return permissions, nil
	case have == "none":
		return nil, nil
	case i < 0:
		return nil, fmt.Errorf("the server says that %s has the permission %q on %s", login, have, name)
	case i+1 > other:
		return permissions[i : i+1], nil
	}
	return permissions[:i+1], nil
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

// Grant adds a collaborator.
func (r *repository) Grant(ctx context.Context, account, level string, _ []held) error {
	if err := r.missing(); err != nil {
		return err
	}
	if err := r.c.account(ctx, account); err != nil {
		return err
	}
	if err := r.c.notOwn(ctx, account); err != nil {
		return err
	}
	mode := sdk.AccessMode(level)
	resp, err := r.c.way.SDK(ctx).AddCollaborator(r.c.set.Organization, r.now, account, sdk.AddCollaboratorOption{Permission: &mode})
	return said(resp, err, http.StatusNoContent)
}

// Revoke removes a collaborator.
func (r *repository) Revoke(ctx context.Context, h held) error {
	if err := r.c.notOwn(ctx, h.login); err != nil {
		return err
	}
	resp, err := r.c.way.SDK(ctx).DeleteCollaborator(r.c.set.Organization, h.repo, h.login)
	err = said(resp, err, http.StatusNoContent)
	if status(err) == http.StatusUnprocessableEntity {
		return nil // the account is gone
	}
	return gone(err)
}

// Clean removes accounts that were renamed after they had been granted the repository.
func (r *repository) Clean(ctx context.Context, revoked []holders.Revoked) error {
	if r.gone {
		return nil
	}
	return r.c.cleanRenamed(ctx, r, revoked)
}
