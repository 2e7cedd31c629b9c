package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

const aboutQuery = `query ($org: String!) { organization(login: $org) { login viewerCanAdminister } }`

// Check names every right that the credentials lack for the scope, and what of it does
// not exist. It changes nothing.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	add := func(what string, err error) {
		if err != nil {
			errs = append(errs, c.wrap(ctx, what, err))
		}
	}
	me, err := c.self(ctx)
	if err != nil {
		add("check the credentials", err)
		return errs
	}
	var things []entitlement
	kinds := map[string]bool{}
	for _, text := range scope {
		e, err := read(text)
		if err == nil {
			err = c.set.allowed(e)
		}
		if err != nil {
			add("check", err)
			continue
		}
		kinds[e.kind] = true
		if !slices.Contains(things, e.thing()) {
			things = append(things, e.thing())
		}
	}
	var a struct {
		Organization *about `json:"organization"`
	}
	head, err := c.query(ctx, aboutQuery, map[string]any{"org": c.set.Organization}, &a)
	if err == nil {
		err = c.found(a.Organization)
	}
	if err != nil {
		add("check the organisation", err)
		return errs
	}
	missing := c.rights(head, kinds, me, a.Organization)
	for _, err := range missing {
		add("check", err)
	}
	if len(missing) > 0 {
		return errs // what cannot be seen now says nothing
	}
	looked := make([]error, len(things))
	each(len(things), func(i int) {
		t := c.thing(things[i])
		if _, looked[i] = t.look(ctx); looked[i] == nil {
			looked[i] = t.missing()
		}
	})
	for i, err := range looked {
		add(fmt.Sprintf("check %s", things[i]), err)
	}
	return errs
}

// rights compares what the credentials have with what the kinds of entitlements need.
// Of a fine-grained token GitHub does not say what it may; looking shows a part of it.
func (c *connector) rights(head http.Header, kinds map[string]bool, me person, o *about) []error {
	if c.way.IsApp() {
		return c.appRights(kinds)
	}
	var errs []error
	scopes, classic := scopesOf(head)
	need := func(scope, why string) {
		if classic && !slices.Contains(scopes, scope) {
			errs = append(errs, fmt.Errorf("the token lacks the scope %s, which is needed for %s", scope, why))
		}
	}
	if kinds[kindTeam] || kinds[kindRole] {
		need("admin:org", "teams, invitations and roles in the organisation")
	}
	if kinds[kindRepository] {
		need("repo", "collaborators of repositories and invitations to them")
	}
	if !o.CanAdmin {
		errs = append(errs, fmt.Errorf("the account %s of the token is not an owner of the organisation", me.login))
	}
	return errs
}

func (c *connector) appRights(kinds map[string]bool) []error {
	p, err := c.way.App().Permissions()
	if err != nil {
		return []error{errors.New("GitHub does not say which permissions the App has")}
	}
	var errs []error
	need := func(name, have, want string) {
		if have != want && have != "write" {
			errs = append(errs, fmt.Errorf("the App has the permission %s: %q, and needs %q", name, have, want))
		}
	}
	need("members", p.GetMembers(), "write")
	if kinds[kindRepository] {
		need("administration", p.GetAdministration(), "write")
		need("metadata", p.GetMetadata(), "read")
	}
	if kinds[kindRole] {
		need("organization_custom_org_roles", p.GetOrganizationCustomOrgRoles(), "read")
	}
	return errs
}
