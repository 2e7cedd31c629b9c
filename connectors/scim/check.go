package scim

import (
	"context"
	"errors"
	"fmt"

	"github.com/tenure-dev/tenure/connectors/rest"
)

// nobody is a member that no group has: taking it away changes nothing, and needs the
// right to change members.
const nobody = "tenure-has-no-such-member"

// Check asks the server what it can do, whether groups and users can be read, and
// whether the members of every group in scope can be changed: by taking away a member
// that it does not have.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	miss := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{c.target}, args...)...))
	}
	s, err := c.who(ctx)
	if err != nil {
		return []error{c.wrap("check", err)}
	}
	if !s.patch && !s.etag {
		miss("the server has neither PATCH nor ETags, one of which is needed")
	}
	if _, err := matching[user](ctx, c, list{resource: "Users", only: "userName"}, "userName", nobody); rest.Refused(err) {
		miss("missing right: read users: %w", err)
	} else if err != nil {
		errs = append(errs, c.wrap("check", err))
	}
	for _, text := range scope {
		e, err := readText(text)
		if err == nil {
			err = e.Allowed(c.groups)
		}
		if err != nil {
			miss("%s: %w", text, err)
			continue
		}
		g, err := c.find(ctx, e)
		switch {
		case rest.Refused(err):
			miss("missing right: read groups: %w", err)
			continue
		case err != nil:
			errs = append(errs, c.wrap("check", err))
			continue
		case !s.patch:
			continue
		}
		err = c.patch(ctx, g.ID, change{remove: []string{nobody}})
		var answered *rest.Error
		switch {
		case rest.Refused(err):
			miss("missing right: change the members of the %s: %w", e, err)
		case err != nil && !(errors.As(err, &answered) && refusesContent(err)):
			errs = append(errs, c.wrap("check", err))
		}
	}
	return errs
}
