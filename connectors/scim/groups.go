package scim

import (
	"context"
	"errors"
	"fmt"

	"github.com/tenure-dev/tenure/connectors/group"
	"github.com/tenure-dev/tenure/connectors/rest"
)

// errAbsent says that a group does not exist.
var errAbsent = errors.New("does not exist on the server")

// errAmbiguous says that a name stands for several groups.
var errAmbiguous = errors.New("has a name that several groups share; use groupId")

// find returns the group, without its members. errAbsent and errAmbiguous are wrapped.
func (c *connector) find(ctx context.Context, e group.Entitlement) (groupDoc, error) {
	if e.ID != "" {
		g, err := c.load(ctx, e.ID)
		return g, about(e, err)
	}
	list, err := matching[groupDoc](ctx, c, list{resource: "Groups", without: "members"}, "displayName", e.Name)
	if err != nil {
		return groupDoc{}, about(e, err)
	}
	var exact []groupDoc
	other := ""
	for _, g := range list {
		if g.DisplayName == e.Name {
			exact = append(exact, g)
		} else if other == "" && len(list) == 1 {
			other = g.DisplayName
		}
	}
	switch {
	case len(exact) == 1:
		return exact[0], nil
	case len(exact) > 1:
		return groupDoc{}, about(e, errAmbiguous)
	case other != "":
		return groupDoc{}, about(e, fmt.Errorf("%w; it has one that is spelled %+.80q", errAbsent, other))
	}
	return groupDoc{}, about(e, errAbsent)
}

// load reads one group with its members: lists may leave them out.
func (c *connector) load(ctx context.Context, id string) (groupDoc, error) {
	var g groupDoc
	_, err := c.rest.Do(ctx, rest.Request{Path: []string{"Groups", id}}, &g)
	switch {
	case rest.Missing(err):
		if err := c.alive(ctx, "Groups"); err != nil {
			return g, err
		}
		return g, errAbsent
	case err != nil:
		return g, err
	case g.ID != id:
		return g, fmt.Errorf("the server answers with another group, %+.80q", g.ID)
	}
	for _, m := range g.Members {
		if m.Value == "" {
			return g, errors.New("the server shows a member without an id")
		}
	}
	return g, nil
}

func about(e group.Entitlement, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	return nil
}
