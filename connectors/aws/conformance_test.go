package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	store "github.com/aws/aws-sdk-go-v2/service/identitystore/types"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/aws/awstest"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultClient.CloseIdleConnections()
		os.Exit(code)
	}))
}

// rights returns a policy of the documentation.
func rights(t testing.TB, which string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/connectors/aws.md")
	awstest.Must(t, err)
	_, after, ok := strings.Cut(string(text), "```json "+which+"\n")
	policy, _, end := strings.Cut(after, "```")
	if !ok || !end {
		t.Fatalf("the documentation has no policy %s", which)
	}
	return policy
}

// world is an emulated account with people, groups, roles and policies.
type world struct {
	*awstest.Cloud
	simulator *awstest.Simulator
	key       connectors.Settings // the reconciler's own, with the documented rights
}

const (
	target  = "prod-aws"
	reading = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::orders/*"}]}`
	admin   = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}`
	managed = "arn:aws:iam::" + awstest.Account + ":policy/orders-admin"
	trust   = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::` + awstest.Account + `:root", "arn:aws:iam::` + awstest.Account + `:user/admin"]}, "Action": "sts:AssumeRole"}]}`
)

var people = []string{"alice", "bob", "carol", "dave"}

func newWorld(t testing.TB) *world {
	w := &world{Cloud: awstest.Start(t), simulator: awstest.StartSimulator(t)}
	ctx := t.Context()
	for _, name := range people {
		w.user(t, name)
	}
	for _, g := range []string{"developers", "on-call"} {
		_, err := w.IAM.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &g})
		awstest.Made(t, err)
		_, err = w.IAM.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: &g, PolicyName: sdk.String("use"), PolicyDocument: sdk.String(reading)})
		awstest.Must(t, err)
	}
	w.role(t, "deployer")
	_, err := w.IAM.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: sdk.String("orders-admin"), PolicyDocument: sdk.String(admin)})
	awstest.Made(t, err)
	w.key = w.credentials(t, "tenure", rights(t, "iam"))
	return w
}

func (w *world) user(t testing.TB, name string) {
	_, err := w.IAM.CreateUser(context.Background(), &iam.CreateUserInput{UserName: &name})
	awstest.Made(t, err)
}

func (w *world) role(t testing.TB, name string) {
	ctx := context.Background()
	_, err := w.IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: sdk.String(trust)})
	awstest.Made(t, err)
	_, err = w.IAM.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: sdk.String("use"), PolicyDocument: sdk.String(reading)})
	awstest.Must(t, err)
}

func (w *world) credentials(t testing.TB, user, policy string) connectors.Settings {
	id, secret := w.Key(t, user, policy)
	return connectors.Settings{"accessKeyID": id, "secretAccessKey": secret, "endpoint": w.Front.Endpoint()}
}

func open(t testing.TB, parts ...connectors.Settings) connectors.Connector {
	t.Helper()
	all := connectors.Settings{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	c, err := Driver{}.Open(context.Background(), target, all)
	awstest.Must(t, err)
	return c
}

// names that IAM takes, of those with which the suite tries.
var takenNames = []string{"-rf", "--help", "ALL", "Defaults", "MiXed", "mixed", "public", "none", "null", "true", "0", strings.Repeat("x", 63), strings.Repeat("x", 64)}

func policiesOf(w *world) connectors.Settings {
	docs := map[string]any{"read-orders": reading}
	for _, n := range takenNames {
		docs[n] = reading
	}
	return connectors.Settings{"account": awstest.Account, "policies": docs, "managedPolicies": []any{managed}, "roles": []any{"deployer"}}
}

func TestPoliciesAndRolesPassConformance(t *testing.T) {
	w := newWorld(t)
	set := policiesOf(w)
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: target,
		Open:     func(t testing.TB) connectors.Connector { return open(t, set, w.key) },
		Accounts: people,
		Specs:    []connectors.Spec{{"role": "deployer"}, {"policy": "read-orders"}, {"managedPolicy": managed}},
		Absent:   connectors.Spec{"policy": "no-such-policy"},
		BadSpecs: []connectors.Spec{
			{"role": "a b"}, {"role": "path/role"}, {"role": strings.Repeat("x", 65)}, {"policy": ""}, {"policy": "*"}, {"managedPolicy": "AdministratorAccess"},
			{"managedPolicy": "arn:aws:iam::aws:role/x"}, {"role": "r", "policy": "p"}, {"role": "r", "account": awstest.Account}, {"group": "größe"},
			{"permissionSet": "Admin"}, {"account": "1234", "permissionSet": "Admin"}, {"account": 123456789012, "permissionSet": "Admin"}, {"identityGroup": " x"},
		},
		UnknownAccount: "mallory",
		Many:           120, // the emulator has one page of IAM; TestAllPagesAreReadOrNone has more
		ForeignGrant:   w.foreignPolicy, ForeignRevoke: w.foreignUnpolicy,
		Named: func(name string) connectors.Spec { return connectors.Spec{"policy": name} },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			return kind == conformance.EntitlementName || w.createUser(t, name)
		},
		Kill: func(testing.TB) { w.Front.Kill() }, Restart: func(testing.TB) { w.Front.Restart() },
		Session: w.roleSession,
		Expired: func(t testing.TB, g grants.Grant) bool { return !w.mayAssume(t, g, time.Now()) },
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			weak := w.credentials(t, "weak", `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["iam:ListUsers"], "Resource": "*"}]}`)
			return open(t, set, weak), []string{
				"iam:ListRoles", "iam:GetAccountAuthorizationDetails", "iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:GetUserPolicy",
				"iam:PutRolePolicy on role deployer", "iam:DeleteRolePolicy on role deployer", "iam:GetRolePolicy on role deployer", "iam:GetPolicy",
			}
		},
	})
}

// createUser makes a user the way IAM would: its names are unique whatever their case.
func (w *world) createUser(t testing.TB, name string) bool {
	if !principalPattern.MatchString(name) {
		return false
	}
	users, err := w.IAM.ListUsers(context.Background(), &iam.ListUsersInput{MaxItems: sdk.Int32(1000)})
	awstest.Must(t, err)
	if slices.ContainsFunc(users.Users, func(u iamtypes.User) bool { return strings.EqualFold(*u.UserName, name) }) {
		return false
	}
	_, err = w.IAM.CreateUser(context.Background(), &iam.CreateUserInput{UserName: &name})
	var exists *iamtypes.EntityAlreadyExistsException // made by a try whose answer was lost
	return err == nil || errors.As(err, &exists)
}

// foreignPolicy is another hand that writes a policy of the same name, without an end.
func (w *world) foreignPolicy(t testing.TB, g grants.Grant) {
	_, err := w.IAM.PutUserPolicy(context.Background(), &iam.PutUserPolicyInput{
		UserName: &g.Account, PolicyName: sdk.String(grantName(g.Target, g.Entitlement)), PolicyDocument: sdk.String(reading),
	})
	awstest.Must(t, err)
}

func (w *world) foreignUnpolicy(t testing.TB, g grants.Grant) {
	_, err := w.IAM.DeleteUserPolicy(context.Background(), &iam.DeleteUserPolicyInput{UserName: &g.Account, PolicyName: sdk.String(grantName(g.Target, g.Entitlement))})
	if err != nil && !missing(err) {
		t.Fatal(err)
	}
}

// userPolicies returns the inline policies of a user as moto holds them.
func (w *world) userPolicies(t testing.TB, user string) map[string]string {
	ctx := context.Background()
	list, err := w.IAM.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: &user})
	awstest.Must(t, err)
	out := map[string]string{}
	for _, name := range list.PolicyNames {
		p, err := w.IAM.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &user, PolicyName: &name})
		awstest.Must(t, err)
		out[name] = decode(t, p.PolicyDocument)
	}
	return out
}

func (w *world) rolePolicies(t testing.TB, role string) map[string]string {
	ctx := context.Background()
	list, err := w.IAM.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &role})
	awstest.Must(t, err)
	out := map[string]string{}
	for _, name := range list.PolicyNames {
		p, err := w.IAM.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
		awstest.Must(t, err)
		out[name] = decode(t, p.PolicyDocument)
	}
	return out
}

func decode(t testing.TB, text *string) string {
	s, err := url.PathUnescape(*text)
	awstest.Must(t, err)
	return s
}

func userARN(name string) string { return "arn:aws:iam::" + awstest.Account + ":user/" + name }
func roleARN(name string) string { return "arn:aws:iam::" + awstest.Account + ":role/" + name }

// mayAssume asks the evaluator whether the user's policies, as moto holds them, let it
// assume the grant's role under its own name.
func (w *world) mayAssume(t testing.TB, g grants.Grant, at time.Time) bool {
	e, err := read(g.Entitlement)
	awstest.Must(t, err)
	return w.simulator.Allowed(t, awstest.Request{
		Principal: userARN(g.Account), Action: "sts:AssumeRole", Resource: roleARN(e.name), Policies: w.userPolicies(t, g.Account), Trust: trust,
		Context: map[string]string{"aws:CurrentTime": at.UTC().Format(stamp), "sts:RoleSessionName": g.Account, "aws:PrincipalArn": userARN(g.Account)},
	})
}

// roleSession assumes the role as the user would, and then asks what the session may do.
// Moto gives the session and holds the policies, but does not evaluate dates: the
// evaluator does, with the moment at which the session began.
func (w *world) roleSession(t testing.TB, g grants.Grant) func() bool {
	if !w.mayAssume(t, g, time.Now()) {
		t.Fatalf("%s may not assume the role", g.Account)
	}
	e, _ := read(g.Entitlement)
	s, err := w.STS.AssumeRole(context.Background(), &sts.AssumeRoleInput{RoleArn: sdk.String(roleARN(e.name)), RoleSessionName: &g.Account})
	awstest.Must(t, err)
	r, err := w.IAM.GetRole(context.Background(), &iam.GetRoleInput{RoleName: &e.name})
	awstest.Must(t, err)
	began := time.Now().Truncate(time.Second)
	return func() bool { return w.sessionMay(t, e.name, *r.Role.RoleId, *s.AssumedRoleUser.Arn, began, time.Now()) }
}

func (w *world) sessionMay(t testing.TB, role, id, session string, began, at time.Time) bool {
	name := session[strings.LastIndex(session, "/")+1:]
	return w.simulator.Allowed(t, awstest.Request{
		Principal: "arn:aws:sts::" + awstest.Account + ":assumed-role/" + role + "/" + name, Action: "s3:GetObject", Resource: "arn:aws:s3:::orders/1",
		Policies: w.rolePolicies(t, role),
		Context: map[string]string{
			"aws:CurrentTime": at.UTC().Format(stamp), "aws:TokenIssueTime": began.UTC().Format(stamp), "aws:userid": id + ":" + name,
		},
	})
}

func TestGroupsPassConformance(t *testing.T) {
	w := newWorld(t)
	for _, n := range takenNames {
		if n != "MiXed" { // mixed has the name
			_, err := w.IAM.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: &n})
			awstest.Made(t, err)
		}
	}
	groups := []any{"developers", "on-call", "no-such-group"}
	for _, n := range takenNames {
		groups = append(groups, n)
	}
	set := connectors.Settings{"account": awstest.Account, "groups": groups}
	membership := func(g grants.Grant) (*string, *string) {
		e, _ := read(g.Entitlement)
		return &g.Account, &e.name
	}
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: target,
		Open:           func(t testing.TB) connectors.Connector { return open(t, set, w.key) },
		Accounts:       people,
		Specs:          []connectors.Spec{{"group": "developers"}, {"group": "on-call"}},
		Absent:         connectors.Spec{"group": "no-such-group"},
		UnknownAccount: "mallory",
		Many:           120, // as above
		ForeignGrant: func(t testing.TB, g grants.Grant) {
			user, group := membership(g)
			_, err := w.IAM.AddUserToGroup(context.Background(), &iam.AddUserToGroupInput{UserName: user, GroupName: group})
			awstest.Must(t, err)
		},
		ForeignRevoke: func(t testing.TB, g grants.Grant) {
			user, group := membership(g)
			if _, err := w.IAM.RemoveUserFromGroup(context.Background(), &iam.RemoveUserFromGroupInput{UserName: user, GroupName: group}); err != nil && !missing(err) {
				t.Fatal(err)
			}
		},
		Named: func(name string) connectors.Spec { return connectors.Spec{"group": name} },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			return kind == conformance.EntitlementName || w.createUser(t, name)
		},
		Kill: func(testing.TB) { w.Front.Kill() }, Restart: func(testing.TB) { w.Front.Restart() },
		Session: func(t testing.TB, g grants.Grant) func() bool {
			return func() bool { return w.groupsAllow(t, g.Account) }
		},
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			weak := w.credentials(t, "weak", `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["iam:GetGroup"], "Resource": "*"}]}`)
			return open(t, connectors.Settings{"account": awstest.Account, "groups": []any{"developers", "on-call"}}, weak), []string{
				"iam:ListUsers", "iam:AddUserToGroup on group developers", "iam:RemoveUserFromGroup on group developers", "iam:AddUserToGroup on group on-call",
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseNativeExpiry: "membership of a group has no end in IAM",
		},
	})
}

// groupsAllow asks the evaluator what a user may do by the policies of its groups.
func (w *world) groupsAllow(t testing.TB, user string) bool {
	ctx := context.Background()
	list, err := w.IAM.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: &user})
	awstest.Must(t, err)
	policies := map[string]string{}
	for _, g := range list.Groups {
		p, err := w.IAM.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: g.GroupName, PolicyName: sdk.String("use")})
		awstest.Must(t, err)
		policies[*g.GroupName] = decode(t, p.PolicyDocument)
	}
	return w.simulator.Allowed(t, awstest.Request{Principal: userARN(user), Action: "s3:GetObject", Resource: "arn:aws:s3:::orders/1", Policies: policies})
}

// identityCenter is an emulated instance with people, groups and permission sets.
type identityCenter struct {
	*awstest.Cloud
	key  connectors.Settings
	sets map[string]string // name -> ARN
}

const (
	shop    = "111122223333"
	billing = "444455556666"
)

func newCenter(t testing.TB) *identityCenter {
	w := &identityCenter{Cloud: awstest.Start(t), sets: map[string]string{}}
	for _, name := range people {
		if !w.createUser(name) {
			t.Fatalf("no user %s", name)
		}
	}
	for _, name := range append([]string{"ReadOnly", "Operator"}, takenNames...) {
		if len(name) <= 32 && name != "MiXed" {
			w.permissionSet(t, name, "PT1H")
		}
	}
	for _, name := range []string{"Developers", "Größe 名前"} {
		_, err := w.Store.CreateGroup(t.Context(), &identitystore.CreateGroupInput{IdentityStoreId: &w.StoreID, DisplayName: &name})
		awstest.Must(t, err)
	}
	w.key = w.credentials(t, "tenure", rights(t, "identity-center"))
	return w
}

func (w *identityCenter) permissionSet(t testing.TB, name, session string) {
	p, err := w.SSO.CreatePermissionSet(context.Background(), &ssoadmin.CreatePermissionSetInput{InstanceArn: &w.Instance, Name: &name, SessionDuration: &session})
	awstest.Must(t, err)
	w.sets[name] = *p.PermissionSet.PermissionSetArn
}

func (w *identityCenter) credentials(t testing.TB, user, policy string) connectors.Settings {
	id, secret := w.Key(t, user, policy)
	return connectors.Settings{"accessKeyID": id, "secretAccessKey": secret, "endpoint": w.Front.Endpoint(), "instance": w.Instance, "region": awstest.Region}
}

// createUser makes a user of the identity store; false: the store would refuse the name.
func (w *identityCenter) createUser(name string) bool {
	if connectors.CheckName(name) != nil || strings.Contains(name, " ") || len([]rune(name)) > 128 {
		return false
	}
	_, err := w.Store.CreateUser(context.Background(), &identitystore.CreateUserInput{
		IdentityStoreId: &w.StoreID, UserName: &name, DisplayName: &name, Name: &store.Name{GivenName: &name, FamilyName: &name},
	})
	var exists *store.ConflictException // made by a try whose answer was lost
	return err == nil || errors.As(err, &exists)
}

func (w *identityCenter) userID(t testing.TB, name string) string {
	u, err := w.Store.GetUserId(context.Background(), &identitystore.GetUserIdInput{IdentityStoreId: &w.StoreID, AlternateIdentifier: unique("userName", name)})
	awstest.Must(t, err)
	return *u.UserId
}

func (w *identityCenter) settings() connectors.Settings {
	sets := []any{"ReadOnly", "Operator", "no-such-set"}
	for _, n := range takenNames {
		if len(n) <= 32 {
			sets = append(sets, n)
		}
	}
	return connectors.Settings{"accounts": []any{shop, billing}, "permissionSets": sets, "identityGroups": []any{"Developers", "Größe 名前"}}
}

func (w *identityCenter) assign(t testing.TB, g grants.Grant) {
	e, _ := read(g.Entitlement)
	_, err := w.SSO.CreateAccountAssignment(context.Background(), &ssoadmin.CreateAccountAssignmentInput{
		InstanceArn: &w.Instance, PermissionSetArn: sdk.String(w.sets[e.name]), PrincipalId: sdk.String(w.userID(t, g.Account)), PrincipalType: types.PrincipalTypeUser,
		TargetId: &e.account, TargetType: types.TargetTypeAwsAccount,
	})
	awstest.Must(t, err)
}

func (w *identityCenter) unassign(t testing.TB, g grants.Grant) {
	e, _ := read(g.Entitlement)
	if e.kind != inSet {
		return
	}
	_, err := w.SSO.DeleteAccountAssignment(context.Background(), &ssoadmin.DeleteAccountAssignmentInput{
		InstanceArn: &w.Instance, PermissionSetArn: sdk.String(w.sets[e.name]), PrincipalId: sdk.String(w.userID(t, g.Account)), PrincipalType: types.PrincipalTypeUser,
		TargetId: &e.account, TargetType: types.TargetTypeAwsAccount,
	})
	if err != nil && !missing(err) {
		t.Fatal(err)
	}
}

func TestIdentityCenterPassesConformance(t *testing.T) {
	w := newCenter(t)
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: target,
		Open:     func(t testing.TB) connectors.Connector { return open(t, w.settings(), w.key) },
		Accounts: people,
		Specs: []connectors.Spec{
			{"account": shop, "permissionSet": "ReadOnly"}, {"account": billing, "permissionSet": "ReadOnly"},
			{"account": shop, "permissionSet": "Operator"}, {"identityGroup": "Developers"}, {"identityGroup": "Größe 名前"},
		},
		Absent:         connectors.Spec{"account": shop, "permissionSet": "no-such-set"},
		UnknownAccount: "mallory",
		Many:           130, // a page has 100
		ForeignGrant:   w.assign, ForeignRevoke: w.unassign,
		Named: func(name string) connectors.Spec { return connectors.Spec{"account": shop, "permissionSet": name} },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.EntitlementName {
				return w.sets[name] != "" // others have no set of that exact name
			}
			return w.createUser(name)
		},
		Kill: func(testing.TB) { w.Front.Kill() }, Restart: func(testing.TB) { w.Front.Restart() },
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			weak := w.credentials(t, "weak", `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sso:ListInstances", "sso:List*", "sso:DescribePermissionSet"], "Resource": "*"}]}`)
			want := []string{"sso:DescribeAccountAssignmentCreationStatus", "sso:DescribeAccountAssignmentDeletionStatus", "identitystore:DescribeGroup"}
			for _, account := range []string{shop, billing} {
				want = append(want, fmt.Sprintf("sso:CreateAccountAssignment on account %s", account), fmt.Sprintf("sso:DeleteAccountAssignment on account %s", account))
			}
			for _, call := range []string{"GetUserId", "DescribeUser", "ListUsers", "GetGroupId", "ListGroupMemberships", "GetGroupMembershipId", "CreateGroupMembership", "DeleteGroupMembership"} {
				want = append(want, "identitystore:"+call)
			}
			return open(t, w.settings(), weak), want
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseSessions:     "a session of a permission set is one of a role in another account that only AWS may change; it lasts until the session duration of the permission set is over",
			conformance.CaseNativeExpiry: "an assignment has no end of its own in Identity Center",
		},
	})
}
