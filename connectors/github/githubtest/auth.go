package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/internal/minihub"
)

// call is one request under way. The server's lock is held.
type call struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	token *token
	by    string // login of who calls
}

// refusal is an answer that is no success.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return fmt.Sprintf("%d %s", e.status, e.message) }

func refuse(status int, message string) error { return &refusal{status, message} }

func notFound() error { return refuse(http.StatusNotFound, "Not Found") }

// whose finds out who calls. Tokens of installations are the hub's.
func (s *Server) whose(r *http.Request) (*token, string, error) {
	_, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.HasPrefix(text, "ghs_") && s.tokens["app"] != nil {
		return s.tokens["app"], "tenure[bot]", nil
	}
	t := s.tokens[text]
	if t == nil || text == "app" {
		return nil, "", refuse(http.StatusUnauthorized, "Bad credentials")
	}
	return t, t.user.Login, nil
}

// scope demands a scope of a classic token and ownership of whoever has it, or a
// permission of an App.
func (c *call) may(scope, permission, want string) error {
	if c.token.app != nil {
		if have := c.token.app[permission]; have != "write" && have != want {
			return refuse(http.StatusForbidden, "Resource not accessible by integration")
		}
		return nil
	}
	if c.token.classic && !slices.Contains(c.token.scopes, scope) {
		return notFound()
	}
	if c.s.members[c.token.user.ID] != "admin" {
		return refuse(http.StatusForbidden, "Must have admin rights to Repository.")
	}
	return nil
}

// admin demands what teams, members and roles need.
func (c *call) admin(want string) error { return c.may("admin:org", "members", want) }

// person is an account by login, without regard to case.
func (s *Server) person(login string) (minihub.User, error) {
	u, ok := s.hub.User(login)
	if !ok {
		return minihub.User{}, notFound()
	}
	return u, nil
}
