package gitea

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/tenure-dev/tenure/connectors/holders"
)

// nobody is no name that Gitea gives to an account, so that a change of it only shows
// whether the token could make one.
const nobody = "-"

// Check names every scope that the token lacks, every right that its account lacks,
// and what of the scope does not exist. It changes nothing.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	add := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: check: %w", c.target, fmt.Errorf(format, args...)))
	}
	me, err := c.self(ctx)
	switch {
	case lacksScope(err):
		add("the token lacks the scope read:user, which is needed to look accounts up")
	case err != nil:
		add("the token: %w", c.explain(ctx, err))
		return errs
	}
	repos := ""
	for _, text := range scope {
		if e, _, err := read(text); err == nil && e.kind == kindRepository {
			repos = e.name
		}
	}
	resp, err := c.way.SDK(ctx).RemoveTeamMember(0, nobody)
	if lacksScope(said(resp, err)) {
		// The rights in the organisation are told by it, too.
		add("the token lacks the scope write:organization, which is needed for teams")
	}
	if repos != "" {
		resp, err := c.way.SDK(ctx).DeleteCollaborator(c.set.Organization, repos, nobody)
		if lacksScope(said(resp, err)) {
			add("the token lacks the scope write:repository, which is needed for collaborators")
		}
	}
	if len(errs) > 0 {
		return errs // what cannot be asked for now says nothing
	}
	p, _, err := c.rights(ctx)
	if status(err) == http.StatusNotFound {
		add("the account %s of the token does not own the organisation %s, which is not there or hidden from it", me, c.set.Organization)
		return errs
	}
	if err != nil {
		add("rights in organisation %s: %w", c.set.Organization, c.explain(ctx, err))
		return errs
	}
	if !p.IsOwner && !p.IsAdmin {
		add("the account %s of the token does not own the organisation %s", me, c.set.Organization)
		return errs
	}
	return append(errs, c.host().Check(ctx, scope, func(t holders.Thing[held]) error {
		if _, err := t.Look(ctx); err != nil {
			return err
		}
		return t.(interface{ missing() error }).missing()
	})...)
}

// lacksScope reports whether the server refused the token for its scopes.
func lacksScope(err error) bool {
	return status(err) == http.StatusForbidden && strings.Contains(err.Error(), "scope")
}
