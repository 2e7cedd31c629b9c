package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// Each right is tried: reads are made, and writes are made so that they cannot do
// anything, on users and policies that do not exist or with a document that is none. AWS
// says that they are missing or malformed only to those who have the right. (Asking AWS
// to simulate its policies would need one more right, and would not see the limits of an
// organization.)
const (
	nobody  = "tenure-check-no-such-user"
	nothing = "TenureCheck-no-such-policy"
)

// try is one right that is needed, and a call that needs it.
type try struct {
	right string // as policies spell it
	on    string
	call  func(ctx context.Context) error
}

// tryAll makes the calls, a few at once. What AWS denies is a missing right.
func tryAll(ctx context.Context, target string, tries []try) []error {
	errs := make([]error, len(tries))
	spread(len(tries), func(i int) {
		err := tries[i].call(ctx)
		on := ""
		if tries[i].on != "" {
			on = " on " + tries[i].on
		}
		switch {
		case err == nil || missing(err) || code(err) == "MalformedPolicyDocument" || code(err) == "MalformedPolicyDocumentException":
		case denied(err):
			errs[i] = fmt.Errorf("%s: missing right: %s%s", target, tries[i].right, on)
		default:
			errs[i] = fmt.Errorf("%s: check %s%s: %w", target, tries[i].right, on, explain(err))
		}
	})
	var out []error
	for _, err := range errs {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}

// wants collects tries, each once.
type wants struct {
	list []try
	seen map[string]bool
}

func (w *wants) add(right, on string, call func(ctx context.Context) error) {
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	if !w.seen[right+" "+on] {
		w.seen[right+" "+on] = true
		w.list = append(w.list, try{right, on, call})
	}
}

// Check names each right that the scope needs and the credentials lack, and what the
// settings do not allow.
func (c *account) Check(ctx context.Context, scope []string) []error {
	who, err := c.self(ctx)
	if err != nil {
		return []error{c.wrap("check", err)}
	}
	var errs []error
	w := &wants{}
	look := &names{api: c.api}
	api := c.api.iam
	for _, text := range scope {
		e, err := c.readHere(text)
		if err == nil {
			err = c.allowed(e)
		}
		if err != nil {
			errs = append(errs, c.wrap("check", err))
			continue
		}
		w.add("iam:ListUsers", "", func(ctx context.Context) error {
			_, err := api.ListUsers(ctx, &iam.ListUsersInput{MaxItems: sdk.Int32(1)})
			return err
		})
		if e.kind == inGroup {
			c.checkGroup(w, e.name)
			continue
		}
		w.add("iam:GetAccountAuthorizationDetails", "", func(ctx context.Context) error {
			_, err := api.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeUser}, MaxItems: sdk.Int32(1)})
			return err
		})
		c.checkUserPolicies(w)
		switch e.kind {
		case byRole:
			c.checkRole(w, e, look, who)
		case byManaged:
			w.add("iam:GetPolicy, iam:GetPolicyVersion", e.name, func(ctx context.Context) error {
				_, err := look.document(ctx, e.name)
				if missing(err) {
					return fmt.Errorf("the policy does not exist: %s", code(err))
				}
				return err
			})
		}
	}
	return append(errs, tryAll(ctx, c.target, w.list)...)
}

func (c *account) checkGroup(w *wants, group string) {
	api := c.api.iam
	w.add("iam:GetGroup", "group "+group, func(ctx context.Context) error {
		_, err := api.GetGroup(ctx, &iam.GetGroupInput{GroupName: &group, MaxItems: sdk.Int32(1)})
		if missing(err) {
			return errors.New("the group does not exist")
		}
		return err
	})
	w.add("iam:AddUserToGroup", "group "+group, func(ctx context.Context) error {
		_, err := api.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: &group, UserName: sdk.String(nobody)})
		return err
	})
	w.add("iam:RemoveUserFromGroup", "group "+group, func(ctx context.Context) error {
		_, err := api.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: &group, UserName: sdk.String(nobody)})
		return err
	})
}

func (c *account) checkUserPolicies(w *wants) {
	api := c.api.iam
	w.add("iam:PutUserPolicy", "users", func(ctx context.Context) error {
		_, err := api.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: sdk.String(nobody), PolicyName: sdk.String(nothing), PolicyDocument: sdk.String("{}")})
		return err
	})
	w.add("iam:DeleteUserPolicy", "users", func(ctx context.Context) error {
		_, err := api.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: sdk.String(nobody), PolicyName: sdk.String(nothing)})
		return err
	})
	for _, kind := range c.set.Subjects {
		if kind == kindRole {
			c.checkRolePolicies(w, "roles", nobody)
		}
	}
}

func (c *account) checkRolePolicies(w *wants, on, role string) {
	api := c.api.iam
	w.add("iam:ListRoles", "", func(ctx context.Context) error {
		_, err := api.ListRoles(ctx, &iam.ListRolesInput{MaxItems: sdk.Int32(1)})
		return err
	})
	w.add("iam:PutRolePolicy", on, func(ctx context.Context) error {
		_, err := api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: sdk.String(nothing), PolicyDocument: sdk.String("{}")})
		return err
	})
	w.add("iam:DeleteRolePolicy", on, func(ctx context.Context) error {
		_, err := api.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: sdk.String(nothing)})
		return err
	})
}

func (c *account) checkRole(w *wants, e entitlement, look *names, who *caller) {
	api := c.api.iam
	c.checkRolePolicies(w, "role "+e.name, e.name)
	w.add("iam:GetRolePolicy", "role "+e.name, func(ctx context.Context) error {
		_, err := api.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &e.name, PolicyName: sdk.String(nothing)})
		return err
	})
	w.add("iam:GetUserPolicy", "users", func(ctx context.Context) error {
		_, err := api.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: sdk.String(nobody), PolicyName: sdk.String(nothing)})
		return err
	})
	w.add("the role", e.name, func(ctx context.Context) error {
		r, err := look.role(ctx, e.name)
		switch {
		case denied(err): // told already
			return nil
		case err != nil:
			return err
		case rolePrefix+e.name == who.principal:
			return errors.New("it is the reconciler's own")
		case strings.Contains(r.arn, ":role/aws-reserved/") || strings.Contains(r.arn, ":role/aws-service-role/"):
			return errors.New("AWS itself owns it, and takes no policies for it")
		}
		return nil
	})
}
