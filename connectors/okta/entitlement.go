package okta

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/group"
)

func rules() group.Rules { return group.Rules{MaxName: 255, CheckID: checkID} }

func readText(text string) (group.Entitlement, error) { return rules().Text(text) }

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
