package aws

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/aws/awstest"
)

// The emulator checks which calls the documented rights allow, and knows no resources.
// These tests hold the resource of every call to the same policies, by the evaluator.

func TestEachCallIsAllowedByTheDocumentedRights(t *testing.T) {
	w := newWorld(t)
	c := open(t, policiesOf(w), connectors.Settings{"groups": []any{"developers"}}, w.key)
	defer c.Close()
	for _, spec := range []connectors.Spec{{"group": "developers"}, {"policy": "read-orders"}, {"managedPolicy": managed}, {"role": "deployer"}} {
		g := grantOf(t, "alice", spec)
		awstest.Must(t, c.Grant(t.Context(), g, time.Now().Add(time.Hour)))
		observed(t, c, g)
		awstest.Must(t, c.Revoke(t.Context(), g))
		end(t, c, g)
		k, _ := connectors.AsChecker(c)
		awstest.Must(t, errors.Join(k.Check(t.Context(), []string{g.Entitlement})...))
	}
	allowed := func(action, resource string) bool {
		return w.simulator.Allowed(t, awstest.Request{Principal: userARN("tenure"), Action: action, Resource: resource, Policies: map[string]string{"rights": rights(t, "iam")}})
	}
	seen := map[string]bool{}
	for _, call := range w.Front.Calls() {
		resource := iamResource(call.Form)
		if call.Action == "sts:GetCallerIdentity" || seen[call.Action+resource] { // the one needs no right
			continue
		}
		seen[call.Action+resource] = true
		if !allowed(call.Action, resource) {
			t.Errorf("the documented rights do not allow %s on %s", call.Action, resource)
		}
	}
	if len(seen) < 14 {
		t.Errorf("only %d kinds of calls", len(seen))
	}
	for _, other := range []string{"group/admins", "role/admin"} {
		for _, action := range []string{"iam:AddUserToGroup", "iam:PutRolePolicy"} {
			if strings.HasPrefix(other, "group") == strings.Contains(action, "Group") && allowed(action, "arn:aws:iam::"+awstest.Account+":"+other) {
				t.Errorf("the documented rights reach %s", other)
			}
		}
	}
}

func iamResource(form url.Values) string {
	arn := "arn:aws:iam::" + awstest.Account + ":"
	switch {
	case form.Get("GroupName") != "":
		return arn + "group/" + form.Get("GroupName")
	case form.Get("RoleName") != "":
		return arn + "role/" + form.Get("RoleName")
	case form.Get("UserName") != "":
		return arn + "user/" + form.Get("UserName")
	case form.Get("PolicyArn") != "":
		return form.Get("PolicyArn")
	}
	return "*"
}

func TestEachCallToIdentityCenterIsAllowedByTheDocumentedRights(t *testing.T) {
	w := newCenter(t)
	simulator := awstest.StartSimulator(t)
	c := open(t, w.settings(), w.key)
	defer c.Close()
	for _, spec := range []connectors.Spec{{"account": shop, "permissionSet": "ReadOnly"}, {"identityGroup": "Developers"}} {
		g := grantOf(t, "alice", spec)
		awstest.Must(t, c.Grant(t.Context(), g, time.Now().Add(time.Hour)))
		observed(t, c, g)
		awstest.Must(t, c.Revoke(t.Context(), g))
		k, _ := connectors.AsChecker(c)
		awstest.Must(t, errors.Join(k.Check(t.Context(), []string{g.Entitlement})...))
	}
	policy := strings.ReplaceAll(rights(t, "identity-center"), "ssoins-0123456789abcdef", w.Instance[strings.LastIndex(w.Instance, "/")+1:])
	seen := map[string]bool{}
	for _, call := range w.Front.Calls() {
		for _, resource := range centerResources(call, w.StoreID) {
			if seen[call.Action+resource] {
				continue
			}
			seen[call.Action+resource] = true
			if !simulator.Allowed(t, awstest.Request{Principal: userARN("tenure"), Action: call.Action, Resource: resource, Policies: map[string]string{"rights": policy}}) {
				t.Errorf("the documented rights do not allow %s on %s", call.Action, resource)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d kinds of calls", len(seen))
	}
}

func centerResources(call awstest.Call, storeID string) []string {
	if strings.HasPrefix(call.Action, "identitystore:") {
		return []string{"arn:aws:identitystore::" + awstest.Account + ":identitystore/" + storeID}
	}
	var in struct{ InstanceArn, PermissionSetArn, TargetId, AccountId string }
	_ = json.Unmarshal([]byte(call.Body), &in)
	if in.InstanceArn == "" {
		return []string{"*"}
	}
	out := []string{in.InstanceArn}
	if in.PermissionSetArn != "" {
		// The emulator writes instance where AWS writes permissionSet.
		out = append(out, strings.Replace(in.PermissionSetArn, ":instance/", ":permissionSet/", 1))
	}
	if account := in.TargetId + in.AccountId; account != "" {
		out = append(out, "arn:aws:sso:::account/"+account)
	}
	return out
}
