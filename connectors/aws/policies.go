package aws

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// put writes the inline policy of a grant. The name follows from target and entitlement,
// so that a renewal replaces it and two writers meet at it.
func (c *account) put(ctx context.Context, g grants.Grant, d policyDocument, until time.Time) error {
	text, err := d.until(until)
	if err != nil {
		return err
	}
	name := grantName(c.target, g.Entitlement)
	if r, ok := strings.CutPrefix(g.Account, rolePrefix); ok {
		_, err = c.api.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &r, PolicyName: &name, PolicyDocument: &text})
	} else {
		_, err = c.api.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &g.Account, PolicyName: &name, PolicyDocument: &text})
	}
	if missing(err) { // it went between our look and now
		return fmt.Errorf("%q: %w", g.Account, connectors.ErrNoAccount)
	}
	return err
}

// drop deletes the inline policy of a grant, whatever it says by now.
func (c *account) drop(ctx context.Context, g grants.Grant) error {
	name := grantName(c.target, g.Entitlement)
	var err error
	if r, ok := strings.CutPrefix(g.Account, rolePrefix); ok {
		_, err = c.api.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &r, PolicyName: &name})
	} else {
		_, err = c.api.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &g.Account, PolicyName: &name})
	}
	if missing(err) {
		return nil
	}
	return err
}

// join adds a user to a group of IAM.
func (c *account) join(ctx context.Context, user, group string) error {
	_, err := c.api.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: &user, GroupName: &group})
	if missing(err) {
		return fmt.Errorf("group %q does not exist: %w", group, err)
	}
	return err
}

// leave takes a user out of a group of IAM.
func (c *account) leave(ctx context.Context, user, group string) error {
	_, err := c.api.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: &user, GroupName: &group})
	if missing(err) {
		return nil
	}
	return err
}
