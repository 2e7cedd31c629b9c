package okta

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// maxName is the longest name or id that is taken, in characters.
const maxName = 255

// entitlement is a group, by its name or by its id.
type entitlement struct{ name, id string }

func readSpec(spec connectors.Spec) (entitlement, error) {
	key := "group"
	if _, ok := spec["groupId"]; ok {
		key = "groupId"
	}
	pairs, err := connectors.DecodeSpec(spec, key)
	if err != nil {
		return entitlement{}, err
	}
	e := entitlement{name: pairs["group"], id: pairs["groupId"]}
	if key == "groupId" {
		return e, checkID(e.id)
	}
	return e, checkName(e.name)
}

// readText reads canonical text, whose names it checks too: nothing that these rules
// refuse was ever granted.
func readText(text string) (entitlement, error) {
	pairs, err := connectors.Parse(text)
	if err != nil {
		return entitlement{}, err
	}
	spec := connectors.Spec{}
	for k, v := range pairs {
		spec[k] = v
	}
	e, err := readSpec(spec)
	if err != nil {
		return entitlement{}, fmt.Errorf("entitlement %.200q: %w", text, err)
	}
	return e, nil
}

func (e entitlement) text() string {
	if e.id != "" {
		return connectors.Format(map[string]string{"groupId": e.id})
	}
	return connectors.Format(map[string]string{"group": e.name})
}

func (e entitlement) String() string {
	if e.id != "" {
		return fmt.Sprintf("group with the id %q", e.id)
	}
	return fmt.Sprintf("group %q", e.name)
}

// checkName refuses names that people could not tell apart.
func checkName(name string) error {
	if err := connectors.CheckName(name); err != nil {
		return err
	}
	if n := len([]rune(name)); n > maxName {
		return fmt.Errorf("a name must not be longer than %d characters, and this has %d", maxName, n)
	}
	return nil
}

// checkID refuses what is no id of Okta's.
func checkID(id string) error {
	if len(id) > 64 || strings.IndexFunc(id, notID) >= 0 {
		return errors.New("groupId has letters and digits only")
	}
	return nil
}

func notID(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
}

// allowed applies the target's ceiling.
func (c *connector) allowed(e entitlement) error {
	if len(c.groups) > 0 && !slices.Contains(c.groups, e.name+e.id) {
		return fmt.Errorf("the target's setting groups does not list %q", e.name+e.id)
	}
	return nil
}

// checkLogin refuses what could not be the name of one user in an address: Okta takes no
// slash or question mark there, and "me" for whoever asks.
func checkLogin(login string) error {
	if err := connectors.CheckName(login); err != nil {
		return err
	}
	if len([]rune(login)) > 100 || strings.ContainsAny(login, "/?#") || strings.Trim(login, ".") == "" || login == "me" {
		return fmt.Errorf("%+.80q is no login that can be looked up", login)
	}
	return nil
}
