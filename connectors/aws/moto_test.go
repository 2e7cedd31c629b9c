package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/aws/awstest"
	"github.com/tenure-dev/tenure/grants"
)

func grantOf(t testing.TB, account string, spec connectors.Spec) grants.Grant {
	t.Helper()
	e, err := Driver{}.Canonical(spec)
	awstest.Must(t, err)
	return grants.Grant{Target: target, Account: account, Entitlement: e}
}

func observed(t testing.TB, c connectors.Connector, gs ...grants.Grant) []grants.Grant {
	t.Helper()
	var scope []string
	for _, g := range gs {
		scope = append(scope, g.Entitlement)
	}
	found, err := c.Observe(t.Context(), scope)
	awstest.Must(t, err)
	return found
}

func end(t testing.TB, c connectors.Connector, g grants.Grant) {
	t.Helper()
	ender, ok := connectors.AsSessionEnder(c)
	if !ok {
		t.Fatal("sessions cannot be ended")
	}
	awstest.Must(t, ender.EndSessions(t.Context(), []grants.Grant{g}))
}

// TestASessionEndsWithItsGrantAndNotWithSomebodyElses plays the life of a role's sessions
// on the very policies that the emulator holds.
func TestASessionEndsWithItsGrantAndNotWithSomebodyElses(t *testing.T) {
	w := newWorld(t)
	c := open(t, policiesOf(w), w.key)
	defer c.Close()
	alice, bob := grantOf(t, "alice", connectors.Spec{"role": "deployer"}), grantOf(t, "bob", connectors.Spec{"role": "deployer"})
	now := time.Now()
	until := now.Add(time.Hour).Truncate(time.Millisecond)
	for _, g := range []grants.Grant{alice, bob} {
		awstest.Must(t, c.Grant(t.Context(), g, until))
	}
	r, err := w.IAM.GetRole(t.Context(), &iam.GetRoleInput{RoleName: sdk.String("deployer")})
	awstest.Must(t, err)
	may := func(user string, began, at time.Time) bool {
		return w.sessionMay(t, "deployer", *r.Role.RoleId, "x/"+user, began, at)
	}
	check := func(when string, got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: allowed is %v, want %v", when, got, want)
		}
	}
	check("assume in the window", w.mayAssume(t, alice, now), true)
	check("assume at the end", w.mayAssume(t, alice, until), false)
	check("a session before the end", may("alice", now, until.Add(-time.Second)), true)
	check("a session at the end, with nobody to end it", may("alice", now, until), false)
	check("a session of another name", may("mallory", now, until), true)

	awstest.Must(t, c.Grant(t.Context(), bob, until.Add(time.Hour))) // renewed
	check("a renewed session", may("bob", now, until.Add(time.Minute)), true)
	check("a renewed right to assume", w.mayAssume(t, bob, until.Add(time.Minute)), true)

	awstest.Must(t, c.Revoke(t.Context(), alice)) // before its end
	end(t, c, alice)
	revoked := time.Now()
	check("assume after the revoke", w.mayAssume(t, alice, revoked), false)
	check("a session from before the revoke", may("alice", now, revoked), false)
	check("one that began while the revoke spread", may("alice", revoked.Add(time.Minute), revoked.Add(2*time.Minute)), false)
	check("one that another right gives later", may("alice", revoked.Add(propagation+time.Minute), revoked.Add(time.Hour)), true)
	check("somebody else's", may("bob", now, revoked), true)

	awstest.Must(t, c.Grant(t.Context(), alice, until)) // again, at once
	check("the old session after a new grant", may("alice", now.Add(-2*time.Second), time.Now()), false)
	check("a new session after a new grant", may("alice", time.Now().Truncate(time.Second), time.Now()), true)
	check("the new session at its end", may("alice", time.Now(), until), false)
}

func TestAPolicyGivesUntilItsEndWhatTheSettingsSay(t *testing.T) {
	w := newWorld(t)
	set := policiesOf(w)
	set["subjects"] = []any{"user", "role"}
	w.role(t, "worker")
	c := open(t, set, w.credentials(t, "wide", `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]}`))
	defer c.Close()
	until := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	for _, account := range []string{"alice", "role:worker"} {
		name, isRole := strings.CutPrefix(account, rolePrefix)
		principal, held := userARN(name), w.userPolicies
		if isRole {
			principal, held = "arn:aws:sts::"+awstest.Account+":assumed-role/"+name+"/job", w.rolePolicies
		}
		for _, x := range []struct {
			spec             connectors.Spec
			action, resource string
		}{
			{connectors.Spec{"policy": "read-orders"}, "s3:GetObject", "arn:aws:s3:::orders/1"},
			{connectors.Spec{"managedPolicy": managed}, "dynamodb:DeleteTable", "arn:aws:dynamodb:eu-central-1:" + awstest.Account + ":table/orders"},
		} {
			g := grantOf(t, account, x.spec)
			allowed := func(at time.Time) bool {
				policies := held(t, name)
				delete(policies, "use")
				return w.simulator.Allowed(t, awstest.Request{
					Principal: principal, Action: x.action, Resource: x.resource, Policies: policies,
					Context: map[string]string{"aws:CurrentTime": at.UTC().Format(stamp)},
				})
			}
			if allowed(time.Now()) {
				t.Fatalf("%s: allowed before the grant", g)
			}
			awstest.Must(t, c.Grant(t.Context(), g, until))
			if !allowed(until.Add(-time.Second)) || allowed(until) {
				t.Errorf("%s: before its end %v, at it %v", g, allowed(until.Add(-time.Second)), allowed(until))
			}
			if found := observed(t, c, g); !slices.Contains(found, g) {
				t.Errorf("observe says %v", found)
			}
			awstest.Must(t, c.Revoke(t.Context(), g))
			if allowed(time.Now()) {
				t.Errorf("%s: allowed after the revoke", g)
			}
		}
	}
}

func TestAnEndedPolicyIsNobodysAndAnotherGrantWritesItAnew(t *testing.T) {
	w := newWorld(t)
	c := open(t, policiesOf(w), w.key)
	defer c.Close()
	g := grantOf(t, "alice", connectors.Spec{"policy": "read-orders"})
	awstest.Must(t, c.Grant(t.Context(), g, time.Now().Add(-time.Second)))
	if found := observed(t, c, g); len(found) != 0 {
		t.Errorf("an ended policy is held: %v", found)
	}
	awstest.Must(t, c.Grant(t.Context(), g, time.Now().Add(time.Hour)))
	if found := observed(t, c, g); !slices.Contains(found, g) {
		t.Errorf("observe says %v", found)
	}
	if n := len(w.userPolicies(t, "alice")); n != 1 {
		t.Errorf("%d policies", n)
	}
}

func TestAManagedPolicyThatAnotherHandAttachedIsSeenAndStays(t *testing.T) {
	w := newWorld(t)
	c := open(t, policiesOf(w), w.key)
	defer c.Close()
	g := grantOf(t, "alice", connectors.Spec{"managedPolicy": managed})
	_, err := w.IAM.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: &g.Account, PolicyArn: sdk.String(managed)})
	awstest.Must(t, err)
	awstest.Must(t, c.Revoke(t.Context(), g))
	if found := observed(t, c, g); !slices.Equal(found, []grants.Grant{g}) {
		t.Errorf("observe says %v", found)
	}
}

func TestEndsOfSessionsThatNothingNeedsAreSweptAway(t *testing.T) {
	w := newWorld(t)
	c := open(t, policiesOf(w), w.key)
	defer c.Close()
	put := func(name, document string) {
		_, err := w.IAM.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: sdk.String("deployer"), PolicyName: &name, PolicyDocument: &document})
		awstest.Must(t, err)
	}
	old, err := ends{issuedBefore: time.Now().Add(-14 * time.Hour)}.document("A:alice")
	awstest.Must(t, err)
	fresh, err := ends{from: time.Now().Add(-time.Hour)}.document("A:bob")
	awstest.Must(t, err)
	put(endPrefix+"old", old)
	put(endPrefix+"fresh", fresh)
	put(endPrefix+"not-ours", reading)
	put("theirs", old)
	g := grantOf(t, "alice", connectors.Spec{"role": "deployer"})
	observed(t, c, g)
	if len(w.rolePolicies(t, "deployer")) != 5 {
		t.Error("to observe has changed something")
	}
	awstest.Must(t, c.Revoke(t.Context(), g)) // waits for no such thing
	if len(w.rolePolicies(t, "deployer")) != 5 {
		t.Error("a revoke has swept")
	}
	awstest.Must(t, c.Grant(t.Context(), g, time.Now().Add(time.Hour)))
	left := w.rolePolicies(t, "deployer")
	if _, ok := left[endPrefix+"old"]; ok || len(left) != 5 { // and the end of this grant
		t.Errorf("left are %v", left)
	}
}

func TestTheReconcilersOwnAccountIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	c := open(t, policiesOf(w), connectors.Settings{"groups": []any{"developers"}}, w.key)
	defer c.Close()
	for _, spec := range []connectors.Spec{{"group": "developers"}, {"policy": "read-orders"}, {"role": "deployer"}} {
		g := grantOf(t, "tenure", spec)
		for _, err := range []error{c.Grant(t.Context(), g, time.Now().Add(time.Hour)), c.Revoke(t.Context(), g)} {
			if err == nil || !strings.Contains(err.Error(), "own account") {
				t.Errorf("%s: %v", g, err)
			}
		}
	}
}

func TestCredentialsOfAnotherAccountDoNothing(t *testing.T) {
	w := newWorld(t)
	set := policiesOf(w)
	set["account"] = "999999999999"
	c := open(t, set, w.key)
	defer c.Close()
	g := grantOf(t, "alice", connectors.Spec{"policy": "read-orders"})
	_, observe := c.Observe(t.Context(), []string{g.Entitlement})
	for _, err := range []error{c.Grant(t.Context(), g, time.Now().Add(time.Hour)), c.Revoke(t.Context(), g), observe} {
		if err == nil || !strings.Contains(err.Error(), "999999999999") || !strings.Contains(err.Error(), awstest.Account) {
			t.Errorf("%v", err)
		}
	}
}

func TestTheSettingsAreTheCeiling(t *testing.T) {
	w := newWorld(t)
	ctx, until := t.Context(), time.Now().Add(time.Hour)
	c := open(t, connectors.Settings{"account": awstest.Account, "policies": map[string]any{"read-orders": reading}}, w.key)
	defer c.Close()
	for word, spec := range map[string]connectors.Spec{
		"groups": {"group": "developers"}, "policies": {"policy": "other"}, "roles": {"role": "deployer"},
		"managedPolicies": {"managedPolicy": "arn:aws:iam::aws:policy/AdministratorAccess"}, "instance": {"account": shop, "permissionSet": "AdministratorAccess"},
	} {
		if err := c.Grant(ctx, grantOf(t, "alice", spec), until); err == nil || !strings.Contains(err.Error(), "setting "+word) {
			t.Errorf("%v: %v", spec, err)
		}
	}
	if err := c.Grant(ctx, grantOf(t, "role:deployer", connectors.Spec{"policy": "read-orders"}), until); err == nil || !strings.Contains(err.Error(), "setting subjects") {
		t.Errorf("%v", err)
	}
	if err := c.Grant(ctx, grantOf(t, "alice", connectors.Spec{"policy": "read-orders"}), time.Time{}); err == nil {
		t.Error("a policy without an end was written")
	}
	if n := len(w.userPolicies(t, "alice")); n != 0 {
		t.Errorf("%d policies were written", n)
	}
}

func TestAccessEndsByItselfOnlyWhereAllOfItDoes(t *testing.T) {
	for _, x := range []struct {
		set  connectors.Settings
		want bool
	}{
		{connectors.Settings{"account": awstest.Account, "roles": []any{"r"}}, true},
		{connectors.Settings{"account": awstest.Account, "policies": map[string]any{"p": reading}}, true},
		{connectors.Settings{"account": awstest.Account, "roles": []any{"r"}, "groups": []any{"g"}}, false},
		{connectors.Settings{"account": awstest.Account}, false},
		{connectors.Settings{"instance": "arn:aws:sso:::instance/ssoins-0123456789abcdef", "region": awstest.Region}, false},
	} {
		c := open(t, x.set)
		if _, ok := connectors.AsNativeExpirer(c); ok != x.want {
			t.Errorf("%v: native expiry is %v", x.set, ok)
		}
		awstest.Must(t, c.Close())
	}
}

func TestAStaleListIsReadAgainAndThenBelieved(t *testing.T) {
	w := newWorld(t)
	c := open(t, policiesOf(w), w.key)
	defer c.Close()
	g := grantOf(t, "alice", connectors.Spec{"policy": "read-orders"})
	for stale, want := range map[int]int{1: 1, 3: 1, 100: 0} {
		awstest.Must(t, c.Grant(t.Context(), g, time.Now().Add(time.Hour)))
		left := stale
		w.Front.Intercept(func(call awstest.Call, answer http.ResponseWriter) bool {
			if call.Action != "iam:GetAccountAuthorizationDetails" || left == 0 {
				return false
			}
			left--
			answer.Header().Set("Content-Type", "text/xml")
			fmt.Fprint(answer, page1("", ""))
			return true
		})
		if found := observed(t, c, g); len(found) != want {
			t.Errorf("after %d stale lists observe says %v", stale, found)
		}
		w.Front.Intercept(nil)
		awstest.Must(t, c.Revoke(context.Background(), g))
	}
}

func TestARoleToAssumeFirstIsAssumed(t *testing.T) {
	w := newWorld(t)
	w.role(t, "tenure-role")
	_, err := w.IAM.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: sdk.String("tenure-role"), PolicyName: sdk.String("rights"), PolicyDocument: sdk.String(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]}`)})
	awstest.Must(t, err)
	_, err = w.IAM.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: sdk.String("tenure-role"), PolicyDocument: sdk.String(strings.ReplaceAll(trust, "user/admin", "user/bare"))})
	awstest.Must(t, err)
	key := w.credentials(t, "bare", `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}`)
	key["assumeRole"] = roleARN("tenure-role")
	c := open(t, policiesOf(w), key)
	defer c.Close()
	g := grantOf(t, "alice", connectors.Spec{"policy": "read-orders"})
	if err := c.Grant(t.Context(), g, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	key["roles"] = []any{"tenure-role"}
	greedy := open(t, connectors.Settings{"account": awstest.Account}, key)
	defer greedy.Close()
	if err := greedy.Grant(t.Context(), grantOf(t, "alice", connectors.Spec{"role": "tenure-role"}), time.Now().Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "own role") {
		t.Errorf("its own role to another: %v", err)
	}
	own := grantOf(t, "role:tenure-role", connectors.Spec{"policy": "read-orders"})
	if err := errors.Join(c.Revoke(t.Context(), own)); err == nil || !strings.Contains(err.Error(), "own account") {
		t.Errorf("its own role: %v", err)
	}
}
