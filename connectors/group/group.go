// Package group is the entitlement {group: NAME} or {groupId: ID}, for connectors whose
// targets have groups with names that people know and ids that stay.
package group

import (
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/connectors"
)

// Entitlement is a group, by its name or by its id: one of the two is empty.
type Entitlement struct{ Name, ID string }

// Rules are what a target takes as names and ids.
type Rules struct {
	MaxName int // in characters
	CheckID func(string) error
}

// Spec reads an entitlement as a role writes it.
func (r Rules) Spec(spec connectors.Spec) (Entitlement, error) {
	key := "group"
	if _, ok := spec["groupId"]; ok {
		key = "groupId"
	}
	pairs, err := connectors.DecodeSpec(spec, key)
	if err != nil {
		return Entitlement{}, err
	}
	e := Entitlement{pairs["group"], pairs["groupId"]}
	if e.ID != "" {
		return e, r.CheckID(e.ID)
	}
	return e, r.CheckName(e.Name)
}

// Text reads canonical text, whose names it checks too: nothing that these rules refuse
// was ever granted.
func (r Rules) Text(text string) (Entitlement, error) {
	return connectors.ReadText(text, r.Spec)
}

// CheckName refuses names that people could not tell apart, and those that are too long.
func (r Rules) CheckName(name string) error {
	if err := connectors.CheckName(name); err != nil {
		return err
	}
	if n := len([]rune(name)); n > r.MaxName {
		return fmt.Errorf("a name must not be longer than %d characters, and this has %d", r.MaxName, n)
	}
	return nil
}

// Canonical is the one text of the entitlement.
func (e Entitlement) Canonical() string {
	if e.ID != "" {
		return connectors.Format(map[string]string{"groupId": e.ID})
	}
	return connectors.Format(map[string]string{"group": e.Name})
}

func (e Entitlement) String() string {
	if e.ID != "" {
		return fmt.Sprintf("group with the id %q", e.ID)
	}
	return fmt.Sprintf("group %q", e.Name)
}

// In reports whether a list of names and ids has the group as it is written.
func (e Entitlement) In(list []string) bool { return slices.Contains(list, e.Name+e.ID) }

// Allowed applies a target's setting groups: an empty one allows all.
func (e Entitlement) Allowed(groups []string) error {
	if len(groups) > 0 && !e.In(groups) {
		return fmt.Errorf("the target's setting groups does not list %q", e.Name+e.ID)
	}
	return nil
}
