package okta

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func TestOneSessionThatDoesNotEndDoesNotKeepTheOthers(t *testing.T) {
	o := newStandIn(t)
	c := opened(t, o, nil)
	var lost []grants.Grant
	for i := range 30 {
		lost = append(lost, gr(fmt.Sprintf("p%02d@example.com", i), "ops"))
		o.user(lost[i].Account)
	}
	first := o.user(lost[0].Account).id
	o.answer = func(w http.ResponseWriter, r *http.Request) bool { // such as the sessions of an administrator
		hit := r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/users/"+first+"/sessions")
		if hit {
			fail(w, 403, "E0000006", "You do not have permission to perform the requested action")
		}
		return hit
	}
	ender, _ := connectors.AsSessionEnder(c)
	refused(t, ender.EndSessions(t.Context(), lost), "org: end sessions", "p00@example.com")
	for _, g := range lost[1:] {
		if o.user(g.Account).sessions != 1 {
			t.Errorf("the sessions of %s go on", g.Account)
		}
	}
}
