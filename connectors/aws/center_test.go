package aws

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/identitystore"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/aws/awstest"
	"github.com/tenure-dev/tenure/grants"
)

// status answers like the calls about changes of assignments do.
func status(w http.ResponseWriter, call awstest.Call, state, reason string) {
	w.Header().Set("X-Amzn-Requestid", "1")
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	kind := "AccountAssignmentCreationStatus"
	if strings.Contains(call.Action, "Delet") {
		kind = "AccountAssignmentDeletionStatus"
	}
	fmt.Fprintf(w, `{%q: {"Status": %q, "RequestId": "11111111-1111-1111-1111-111111111111", "FailureReason": %q}}`, kind, state, reason)
}

func jsonFault(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type": %q, "Message": "no"}`, code)
}

func is(c awstest.Call, word string) bool { return strings.Contains(c.Action, word) }

func TestAChangeIsAwaitedAndItsFailureIsTold(t *testing.T) {
	w := newCenter(t)
	c := open(t, w.settings(), w.key)
	defer c.Close()
	g := grantOf(t, "alice", connectors.Spec{"account": shop, "permissionSet": "ReadOnly"})
	until := time.Now().Add(time.Hour)

	var polls atomic.Int32
	w.Front.Intercept(func(call awstest.Call, answer http.ResponseWriter) bool {
		switch {
		case is(call, "sso:CreateAccountAssignment"), is(call, "CreationStatus") && polls.Add(1) < 3:
			status(answer, call, "IN_PROGRESS", "")
		case is(call, "CreationStatus"):
			status(answer, call, "SUCCEEDED", "")
		default:
			return false
		}
		return true
	})
	if err := c.Grant(t.Context(), g, until); err != nil || polls.Load() != 3 {
		t.Errorf("after %d polls: %v", polls.Load(), err)
	}
	w.Front.Intercept(func(call awstest.Call, answer http.ResponseWriter) bool {
		if is(call, "sso:CreateAccountAssignment") {
			status(answer, call, "IN_PROGRESS", "")
		} else if is(call, "CreationStatus") {
			status(answer, call, "FAILED", "no such account in the organization")
		} else {
			return false
		}
		return true
	})
	if err := c.Grant(t.Context(), g, until); err == nil || !strings.Contains(err.Error(), "no such account in the organization") {
		t.Errorf("a change that failed: %v", err)
	}
	w.Front.Intercept(func(call awstest.Call, answer http.ResponseWriter) bool {
		if is(call, "sso:CreateAccountAssignment") || is(call, "CreationStatus") {
			status(answer, call, "IN_PROGRESS", "")
			return true
		}
		return false
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := c.Grant(ctx, g, until); err == nil || !strings.Contains(err.Error(), "still under way") {
		t.Errorf("a change that does not end: %v", err)
	}
	for what, state := range map[string]string{"a state that nobody knows": "MAYBE", "no state": ""} {
		w.Front.Intercept(func(call awstest.Call, answer http.ResponseWriter) bool {
			if is(call, "sso:CreateAccountAssignment") {
				status(answer, call, state, "")
				return true
			}
			return false
		})
		if err := c.Grant(t.Context(), g, until); err == nil {
			t.Errorf("%s is a success", what)
		}
	}
}

func TestARevokeThatFailedIsFineOnlyIfTheAssignmentIsGone(t *testing.T) {
	w := newCenter(t)
	c := open(t, w.settings(), w.key)
	defer c.Close()
	g := grantOf(t, "alice", connectors.Spec{"account": shop, "permissionSet": "ReadOnly"})
	w.Front.Intercept(func(call awstest.Call, answer http.ResponseWriter) bool {
		if is(call, "sso:DeleteAccountAssignment") {
			status(answer, call, "FAILED", "404: there is none")
			return true
		}
		return false
	})
	if err := c.Revoke(t.Context(), g); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	w.assign(t, g)
	if err := c.Revoke(t.Context(), g); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("it is there: %v", err)
	}
	// AWS is busy with another change in the same account, and then takes this one.
	left := 2
	w.Front.Intercept(func(call awstest.Call, answer http.ResponseWriter) bool {
		if !is(call, "sso:DeleteAccountAssignment") || left == 0 {
			return false
		}
		left--
		jsonFault(answer, 409, "ConflictException")
		return true
	})
	if err := c.Revoke(t.Context(), g); err != nil {
		t.Errorf("after a conflict: %v", err)
	}
	if found := observed(t, c, g); len(found) != 0 {
		t.Errorf("left is %v", found)
	}
}

func TestFailuresOfIdentityCenterAreErrors(t *testing.T) {
	w := newCenter(t)
	c := open(t, w.settings(), w.key)
	defer c.Close()
	g := grantOf(t, "alice", connectors.Spec{"account": shop, "permissionSet": "ReadOnly"})
	h := grantOf(t, "alice", connectors.Spec{"identityGroup": "Developers"})
	w.assign(t, g)
	awstest.Must(t, c.Grant(t.Context(), h, time.Now().Add(time.Hour)))
	for _, call := range []string{"ListPermissionSets", "ListAccountAssignments", "GetGroupId", "DescribeGroup", "ListGroupMemberships", "DescribeUser"} {
		for _, how := range []string{"denied", "garbage", "cut"} {
			w.Front.Intercept(func(c awstest.Call, answer http.ResponseWriter) bool {
				if !strings.HasSuffix(c.Action, ":"+call) {
					return false
				}
				switch how {
				case "denied":
					jsonFault(answer, 400, "AccessDeniedException")
				case "garbage":
					fmt.Fprint(answer, "<html>log in</html>")
				case "cut":
					panic(http.ErrAbortHandler)
				}
				return true
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if found, err := c.Observe(ctx, []string{g.Entitlement, h.Entitlement}); err == nil || found != nil {
				t.Errorf("%s %s: %v, %v", call, how, found, err)
			}
			cancel()
		}
	}
}

func TestManyHoldersAreListedInPages(t *testing.T) {
	w := newCenter(t)
	var all []grants.Grant
	for i := range fewUsers + 70 {
		name := fmt.Sprintf("user%04d", i)
		if !w.createUser(name) {
			t.Fatal(name)
		}
		all = append(all, grantOf(t, name, connectors.Spec{"account": shop, "permissionSet": "ReadOnly"}))
	}
	for _, g := range all {
		w.assign(t, g)
	}
	c := open(t, w.settings(), w.key)
	defer c.Close()
	if found := observed(t, c, all[0]); len(found) != len(all) {
		t.Errorf("%d of %d", len(found), len(all))
	}
	lists := 0
	for _, call := range w.Front.Calls() {
		if is(call, "DescribeUser") {
			t.Fatal("users were asked for one by one")
		}
		if is(call, "ListAccountAssignments") {
			lists++
		}
	}
	if lists != 2 {
		t.Errorf("assignments came in %d pages", lists)
	}
}

func TestCeilingsOfIdentityCenter(t *testing.T) {
	w := newCenter(t)
	w.permissionSet(t, "Long", "PT12H")
	until := time.Now().Add(time.Hour)
	for _, x := range []struct {
		set  connectors.Settings
		spec connectors.Spec
		want string // of the error; "": none
	}{
		{connectors.Settings{}, connectors.Spec{"account": shop, "permissionSet": "ReadOnly"}, "setting accounts"},
		{connectors.Settings{}, connectors.Spec{"identityGroup": "Developers"}, "setting identityGroups"},
		{connectors.Settings{}, connectors.Spec{"group": "g"}, "setting account makes the other"},
		{connectors.Settings{"accounts": []any{shop}, "permissionSets": []any{"ReadOnly"}}, connectors.Spec{"account": billing, "permissionSet": "ReadOnly"}, "setting accounts"},
		{connectors.Settings{"accounts": []any{shop}, "permissionSets": []any{"ReadOnly"}}, connectors.Spec{"account": shop, "permissionSet": "Operator"}, "setting permissionSets"},
		{connectors.Settings{"accounts": []any{shop}, "permissionSets": []any{"pinned"}}, connectors.Spec{"account": shop, "permissionSet": "ReadOnly"}, ""},
		{connectors.Settings{"accounts": []any{shop}, "permissionSets": []any{"pinned"}}, connectors.Spec{"account": shop, "permissionSet": "Operator"}, "neither"},
		{connectors.Settings{"accounts": []any{shop}, "permissionSets": []any{"Long"}, "maxSession": "1h"}, connectors.Spec{"account": shop, "permissionSet": "Long"}, "maxSession"},
		{connectors.Settings{"accounts": []any{shop}, "permissionSets": []any{"Long"}, "maxSession": "12h"}, connectors.Spec{"account": shop, "permissionSet": "Long"}, ""},
	} {
		c := open(t, x.set, w.key)
		for i, p := range c.(*center).set.PermissionSets {
			if p == "pinned" { // the emulator's ARNs are not quite like those of AWS, and Open refuses them
				c.(*center).set.PermissionSets[i] = w.sets["ReadOnly"]
			}
		}
		g := grantOf(t, "alice", x.spec)
		err := c.Grant(t.Context(), g, until)
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%v with %v: %v", x.spec, x.set, err)
		}
		if err == nil { // what was granted once can be taken without being listed any more
			bare := open(t, w.key)
			awstest.Must(t, bare.Revoke(t.Context(), g))
			if found := observed(t, bare, g); len(found) != 0 {
				t.Errorf("left is %v", found)
			}
			awstest.Must(t, bare.Close())
		}
		awstest.Must(t, c.Close())
	}
}

func TestAnInstanceThatIsNotThereIsNoEmptyOne(t *testing.T) {
	w := newCenter(t)
	key := w.key
	key["instance"] = "arn:aws:sso:::instance/ssoins-0000000000000000"
	c := open(t, w.settings(), key)
	defer c.Close()
	g := grantOf(t, "alice", connectors.Spec{"account": shop, "permissionSet": "ReadOnly"})
	_, observe := c.Observe(t.Context(), []string{g.Entitlement})
	for _, err := range []error{observe, c.Revoke(t.Context(), g)} {
		if err == nil || !strings.Contains(err.Error(), "ssoins-0000000000000000") {
			t.Errorf("%v", err)
		}
	}
}

func TestAUserWhoWasDeletedHoldsNothingAndIsRevokedInPeace(t *testing.T) {
	w := newCenter(t)
	c := open(t, w.settings(), w.key)
	defer c.Close()
	g, h := grantOf(t, "alice", connectors.Spec{"account": shop, "permissionSet": "ReadOnly"}), grantOf(t, "bob", connectors.Spec{"account": shop, "permissionSet": "ReadOnly"})
	w.assign(t, g)
	w.assign(t, h)
	id := w.userID(t, "alice")
	_, err := w.Store.DeleteUser(t.Context(), &identitystore.DeleteUserInput{IdentityStoreId: &w.StoreID, UserId: &id})
	awstest.Must(t, err)
	if found := observed(t, c, g); !slices.Equal(found, []grants.Grant{h}) {
		t.Errorf("observe says %v", found)
	}
	awstest.Must(t, c.Revoke(t.Context(), g))
}

func TestDurationsOfSessions(t *testing.T) {
	for text, want := range map[string]time.Duration{"": time.Hour, "PT1H": time.Hour, "PT12H": 12 * time.Hour, "PT1H30M": 90 * time.Minute, "P1DT5S": 24*time.Hour + 5*time.Second, "1h": -1, "PT-1H": -1, "PT1.5H": -1} {
		got, err := duration(text)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func TestOneUserWhoCannotBeLookedUpDoesNotStopTheOthers(t *testing.T) {
	w := newCenter(t)
	c := open(t, w.settings(), w.key)
	defer c.Close()
	alice, bob := grantOf(t, "alice", connectors.Spec{"account": shop, "permissionSet": "ReadOnly"}), grantOf(t, "bob", connectors.Spec{"account": shop, "permissionSet": "ReadOnly"})
	for _, g := range []grants.Grant{alice, bob} {
		awstest.Must(t, c.Grant(t.Context(), g, time.Now().Add(time.Hour)))
	}
	w.Front.Intercept(func(call awstest.Call, answer http.ResponseWriter) bool {
		hit := is(call, "GetUserId") && strings.Contains(call.Body, "bob")
		if hit {
			jsonFault(answer, 400, "AccessDeniedException")
		}
		return hit
	})
	b, _ := connectors.AsBatcher(c)
	errs := b.Apply(t.Context(), []connectors.Act{{Grant: alice, Revoke: true}, {Grant: bob, Revoke: true}})
	if errs[0] != nil || errs[1] == nil || !strings.Contains(errs[1].Error(), "bob") {
		t.Error(errs)
	}
	w.Front.Intercept(nil)
	if found := observed(t, c, alice, bob); !slices.Equal(found, []grants.Grant{bob}) {
		t.Error(found)
	}
}
