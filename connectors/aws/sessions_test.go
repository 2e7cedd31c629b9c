package aws

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/aws/awstest"
	"github.com/tenure-dev/tenure/grants"
)

// iamRole plays the calls about one user's grant of the role deployer.
type iamRole struct {
	mu    sync.Mutex
	end   string   // document of the policy that ends sessions; "": none
	calls []string // that change something
}

func (i *iamRole) answer(c awstest.Call, w http.ResponseWriter) {
	i.mu.Lock()
	defer i.mu.Unlock()
	policy := func(kind, document string) {
		fmt.Fprintf(w, `<R><Get%[1]sPolicyResult><PolicyDocument>%[2]s</PolicyDocument></Get%[1]sPolicyResult></R>`, kind, url.PathEscape(document))
	}
	action := c.Form.Get("Action")
	if !strings.HasPrefix(action, "Get") && !strings.HasPrefix(action, "List") {
		i.calls = append(i.calls, action)
	}
	switch action {
	case "ListUsers":
		fmt.Fprint(w, `<R><ListUsersResult><Users><member><UserName>alice</UserName></member></Users></ListUsersResult></R>`)
	case "ListRoles":
		fmt.Fprintf(w, `<R><ListRolesResult><Roles><member><RoleName>deployer</RoleName><RoleId>AROA1</RoleId><Arn>arn:aws:iam::%s:role/deployer</Arn></member></Roles></ListRolesResult></R>`, awstest.Account)
	case "GetUserPolicy": // always as it was before the revoke
		d, _ := readDocument([]byte(reading))
		text, _ := d.until(time.Now().Add(time.Hour))
		policy("User", text)
	case "GetRolePolicy":
		if i.end == "" {
			fault(w, 404, "NoSuchEntity")
			return
		}
		policy("Role", i.end)
	case "PutRolePolicy":
		i.end = c.Form.Get("PolicyDocument")
		fmt.Fprint(w, "<R/>")
	case "DeleteRolePolicy":
		i.end = ""
		fmt.Fprint(w, "<R/>")
	default:
		fmt.Fprint(w, "<R/>")
	}
}

func TestSessionsEndThoughAWSStillShowsTheRevokedPolicy(t *testing.T) {
	g := grants.Grant{Target: target, Account: "alice", Entitlement: "role=deployer"}
	var aws iamRole
	c := scripted(t, aws.answer)
	ender, _ := connectors.AsSessionEnder(c)
	awstest.Must(t, ender.EndSessions(t.Context(), []grants.Grant{g}))
	if aws.end != "" {
		t.Error("the sessions of a grant that goes on were ended")
	}
	awstest.Must(t, c.Revoke(t.Context(), g))
	awstest.Must(t, ender.EndSessions(t.Context(), []grants.Grant{g}))
	if e, ok := readEnds(url.PathEscape(aws.end)); !ok || !e.issuedBefore.After(time.Now()) {
		t.Errorf("sessions go on after the revoke: %q", aws.end)
	}
}

func TestAnOldEndIsSweptOnlyWhereItIsStillOld(t *testing.T) {
	g := grants.Grant{Target: target, Account: "alice", Entitlement: "role=deployer"}
	var aws iamRole
	c := scripted(t, aws.answer).(*account)
	p := endPolicy(grants.Grant{Target: target, Account: "bob", Entitlement: "role=deployer"}, role{name: "deployer"})
	long := ends{issuedBefore: time.Now().Add(-48 * time.Hour)}
	for _, x := range []struct {
		what  string
		end   ends
		act   connectors.Act
		swept bool
	}{
		{"one that was written anew since the list", ends{issuedBefore: time.Now()}, connectors.Act{Grant: g, Until: time.Now().Add(time.Hour)}, false},
		{"an old one, before a role is granted", long, connectors.Act{Grant: g, Until: time.Now().Add(time.Hour)}, true},
		{"an old one, before a revoke", long, connectors.Act{Grant: g, Revoke: true}, false},
	} {
		aws.end, _ = x.end.document("AROA1:bob")
		aws.calls = nil
		c.old = map[rolePolicy]bool{p: true}
		awstest.Must(t, c.Apply(t.Context(), []connectors.Act{x.act})[0])
		if slices.Contains(aws.calls, "DeleteRolePolicy") != x.swept {
			t.Errorf("%s: %q", x.what, aws.calls)
		}
	}
}
