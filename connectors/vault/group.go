package vault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// group is an identity group as the server shows it.
type group struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Members  []string `json:"member_entity_ids"`
	Policies []string `json:"policies"`
	Parents  []string `json:"parent_group_ids"`
	Changes  int      `json:"modify_index"` // counts the writes to it
}

// group returns the group of that name, or nil. The server does not tell upper from
// lower case; the answer has the name as it is spelled.
func (c *connector) group(ctx context.Context, name string) (*group, error) {
	var g group
	found, err := c.client.call(ctx, opRead, "identity/group/name/"+name, nil, &g)
	if err != nil {
		return nil, fmt.Errorf("read group %q: %w", name, err)
	}
	if !found {
		return nil, nil
	}
	if !strings.EqualFold(g.Name, name) || g.ID == "" {
		return nil, fmt.Errorf("read group %q: the server answers with another, %q", name, g.Name)
	}
	return &g, nil
}

// tries of one change of a list of members that others change at the same time.
const tries = 12

// change brings a list of members to what is wanted: true to add, false to remove.
// Vault takes whole lists only and has no check-and-set. So changes of one group wait
// for each other in this connector, the list is read right before it is written, and
// it is read again after that: if the server has counted more writes than ours, it is
// left to settle and compared once more. What another hand wrote between our reading
// and our writing is lost; see the documentation.
func (c *connector) change(ctx context.Context, e entitlement, want map[string]bool) error {
	unlock, err := c.alone(ctx, e.group())
	if err != nil {
		return err
	}
	defer unlock()
	adds := false
	for _, add := range want {
		adds = adds || add
	}
	wrote, id := -1, "" // the count of writes that ours should have made, and where
	for try := range tries {
		g, err := c.group(ctx, e.group())
		switch {
		case err != nil:
			return err
		case g != nil && adds:
			if err := e.fits(g); err != nil {
				return err
			}
		case g != nil:
		case !adds:
			return nil
		case e.kind == kindGroup:
			return fmt.Errorf("group %q does not exist", e.name)
		default:
			g = &group{}
		}
		if id != "" && g.ID != id {
			return fmt.Errorf("group %q was deleted and made anew meanwhile; look at it", e.group())
		}
		list, differs := merge(g.Members, want)
		if e.kind == kindPolicy && adds && !slices.Equal(g.Policies, []string{e.name}) {
			differs = true
		}
		switch {
		case !differs && (wrote < 0 || g.Changes == wrote):
			return nil
		case !differs || wrote >= 0:
			// Another hand wrote, too: look once more when it is quiet.
			if wrote = g.Changes; differs {
				wrote = -1
			}
			if err := rest(ctx, try); err != nil {
				return err
			}
			continue
		case g.external():
			return errExternal(g)
		}
		body := map[string]any{"member_entity_ids": list}
		if e.kind == kindPolicy && adds {
			body["policies"] = e.name
		}
		wrote, id = g.Changes+1, g.ID
		if _, err := c.client.call(ctx, opWrite, "identity/group/name/"+e.group(), body, nil); err != nil {
			return fmt.Errorf("write group %q: %w", e.group(), err)
		}
	}
	return fmt.Errorf("group %q: others change its members again and again", e.group())
}

// fits refuses a group that is not what the entitlement means. What is to be taken
// away may also come from a group that was spelled otherwise since.
func (e entitlement) fits(g *group) error {
	switch {
	case g.external():
		return errExternal(g)
	case g.ID != "" && g.Name != e.group():
		return fmt.Errorf("group %q is spelled %q on the server; write it so", e.group(), g.Name)
	}
	return nil
}

// external reports whether the server itself keeps the members.
func (g *group) external() bool { return g.ID != "" && g.Type != "internal" }

func errExternal(g *group) error {
	return fmt.Errorf("group %q is external: its members come from an auth method at each login", g.Name)
}

// merge returns the list with what is wanted, and whether that changes it.
func merge(members []string, want map[string]bool) (list []string, differs bool) {
	list = []string{}
	for _, id := range members {
		if add, named := want[id]; !named || add {
			list = append(list, id)
		}
	}
	differs = len(list) != len(members)
	for id, add := range want {
		if add && !slices.Contains(members, id) {
			list, differs = append(list, id), true
		}
	}
	slices.Sort(list)
	return list, differs
}

// rest waits a little longer with each try.
func rest(ctx context.Context, try int) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(rand.IntN(10*(try+1))+5) * time.Millisecond):
		return nil
	}
}

// alone waits until nothing else in this connector changes the group.
func (c *connector) alone(ctx context.Context, name string) (unlock func(), err error) {
	name = strings.ToLower(name)
	c.mu.Lock()
	turn, ok := c.locks[name]
	if !ok {
		turn = make(chan struct{}, 1)
		c.locks[name] = turn
	}
	c.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// unknownMember reports whether a write failed because an entity in the list was gone.
func unknownMember(err error) bool {
	var s *statusError
	return errors.As(err, &s) && (s.code == http.StatusBadRequest || s.code == http.StatusInternalServerError) &&
		strings.Contains(s.text, "entity")
}
