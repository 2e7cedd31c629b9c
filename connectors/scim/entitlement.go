package scim

import (
	"errors"
	"strings"

	"github.com/tenure-dev/tenure/connectors/group"
)

// maxName is the longest name or id that is taken, in characters.
const maxName = 256

func rules() group.Rules { return group.Rules{MaxName: maxName, CheckID: checkID} }

func readText(text string) (group.Entitlement, error) { return rules().Text(text) }

// checkID refuses what could be more than one segment of an address.
func checkID(id string) error {
	if len(id) > maxName || strings.Trim(id, ".") == "" || strings.IndexFunc(id, notID) >= 0 {
		return errors.New("groupId may have letters, digits and . _ ~ : @ + - only, up to 256 of them")
	}
	return nil
}

func notID(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._~:@+-", r))
}
