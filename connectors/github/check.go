package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/tenure-dev/tenure/connectors/holders"
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
	kinds := map[string]bool{}
	for _, text := range scope {
		if e, err := read(text); err == nil {
			kinds[e.kind] = true
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
	return append(errs, c.host().Check(ctx, scope, func(t holders.Thing[held]) error {
		in := t.(*holding)
		if _, err := in.look(ctx); err != nil {
			return err
		}
		return in.missing()
	})...)
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
