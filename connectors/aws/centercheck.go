package aws

import (
	"context"
	"errors"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	store "github.com/aws/aws-sdk-go-v2/service/identitystore/types"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin/types"
)

// noID is an id that nothing has.
const noID = "00000000-0000-0000-0000-000000000000"

// Check names each right that the scope needs and the credentials lack, and what the
// settings do not allow.
func (c *center) Check(ctx context.Context, scope []string) []error {
	id, err := c.identityStore(ctx)
	if denied(err) {
		return tryAll(ctx, c.target, []try{{"sso:ListInstances", "", func(context.Context) error { return err }}})
	}
	if err != nil {
		return []error{c.wrap("check", err)}
	}
	var errs []error
	w := &wants{}
	for _, text := range scope {
		e, err := c.readHere(text)
		if err == nil {
			err = c.allowed(e)
		}
		if err != nil {
			errs = append(errs, c.wrap("check", err))
			continue
		}
		c.checkUsers(w, id)
		if e.kind == inStore {
			c.checkStoreGroup(w, id, e.name)
		} else {
			c.checkSet(w, e)
		}
	}
	return append(errs, tryAll(ctx, c.target, w.list)...)
}

func (c *center) checkUsers(w *wants, id string) {
	api := c.api.store
	w.add("identitystore:GetUserId", "", func(ctx context.Context) error {
		_, err := api.GetUserId(ctx, &identitystore.GetUserIdInput{IdentityStoreId: &id, AlternateIdentifier: unique("userName", nobody)})
		return err
	})
	w.add("identitystore:DescribeUser", "", func(ctx context.Context) error {
		_, err := api.DescribeUser(ctx, &identitystore.DescribeUserInput{IdentityStoreId: &id, UserId: sdk.String(noID)})
		return err
	})
	w.add("identitystore:ListUsers", "", func(ctx context.Context) error {
		_, err := api.ListUsers(ctx, &identitystore.ListUsersInput{IdentityStoreId: &id, MaxResults: sdk.Int32(1)})
		return err
	})
}

func (c *center) checkStoreGroup(w *wants, id, name string) {
	api := c.api.store
	w.add("identitystore:GetGroupId, identitystore:DescribeGroup", "group "+name, func(ctx context.Context) error {
		_, err := c.groupID(ctx, id, name)
		return err
	})
	nobody := &store.MemberIdMemberUserId{Value: noID}
	w.add("identitystore:ListGroupMemberships", "", func(ctx context.Context) error {
		_, err := api.ListGroupMemberships(ctx, &identitystore.ListGroupMembershipsInput{IdentityStoreId: &id, GroupId: sdk.String(noID), MaxResults: sdk.Int32(1)})
		return err
	})
	w.add("identitystore:GetGroupMembershipId", "", func(ctx context.Context) error {
		_, err := api.GetGroupMembershipId(ctx, &identitystore.GetGroupMembershipIdInput{IdentityStoreId: &id, GroupId: sdk.String(noID), MemberId: nobody})
		return err
	})
	w.add("identitystore:CreateGroupMembership", "", func(ctx context.Context) error {
		_, err := api.CreateGroupMembership(ctx, &identitystore.CreateGroupMembershipInput{IdentityStoreId: &id, GroupId: sdk.String(noID), MemberId: nobody})
		return err
	})
	w.add("identitystore:DeleteGroupMembership", "", func(ctx context.Context) error {
		_, err := api.DeleteGroupMembership(ctx, &identitystore.DeleteGroupMembershipInput{IdentityStoreId: &id, MembershipId: sdk.String(noID)})
		return err
	})
}

func (c *center) checkSet(w *wants, e entitlement) {
	api := c.api.sso
	w.add("sso:ListPermissionSets, sso:DescribePermissionSet", "permission set "+e.name, func(ctx context.Context) error {
		found, err := c.permissionSets(ctx, []entitlement{e})
		switch {
		case err != nil:
			return err
		case found[e.name] == "":
			return errNoSet
		}
		if err := c.allowedSet(e.name, found[e.name]); err != nil {
			return err
		}
		if c.set.MaxSession > 0 {
			return c.short(ctx, found[e.name])
		}
		return nil
	})
	w.add("sso:ListAccountAssignments", "account "+e.account, func(ctx context.Context) error {
		_, err := api.ListAccountAssignments(ctx, &ssoadmin.ListAccountAssignmentsInput{
			InstanceArn: &c.set.Instance, AccountId: &e.account, PermissionSetArn: sdk.String(c.noSet()), MaxResults: sdk.Int32(1),
		})
		return err
	})
	w.add("sso:DescribeAccountAssignmentCreationStatus", "", func(ctx context.Context) error {
		_, err := api.DescribeAccountAssignmentCreationStatus(ctx, &ssoadmin.DescribeAccountAssignmentCreationStatusInput{InstanceArn: &c.set.Instance, AccountAssignmentCreationRequestId: sdk.String(noID)})
		return err
	})
	w.add("sso:DescribeAccountAssignmentDeletionStatus", "", func(ctx context.Context) error {
		_, err := api.DescribeAccountAssignmentDeletionStatus(ctx, &ssoadmin.DescribeAccountAssignmentDeletionStatusInput{InstanceArn: &c.set.Instance, AccountAssignmentDeletionRequestId: sdk.String(noID)})
		return err
	})
	// A permission set and a user that do not exist: nothing can come of it. The
	// deletion comes after the creation, for a server that would take even that.
	p := place{e.account, c.noSet()}
	w.add("sso:CreateAccountAssignment", "account "+e.account, func(ctx context.Context) error {
		_, err := api.CreateAccountAssignment(ctx, &ssoadmin.CreateAccountAssignmentInput{
			InstanceArn: &c.set.Instance, PermissionSetArn: &p.set, PrincipalId: sdk.String(noID), PrincipalType: types.PrincipalTypeUser,
			TargetId: &p.account, TargetType: types.TargetTypeAwsAccount,
		})
		if err == nil {
			_ = c.deleteAssignment(ctx, p, noID)
		}
		return err
	})
	w.add("sso:DeleteAccountAssignment", "account "+e.account, func(ctx context.Context) error {
		err := c.deleteAssignment(ctx, p, noID)
		var f *failed
		if errors.As(err, &f) {
			return nil // it was taken on, so it was allowed
		}
		return err
	})
}

// noSet is the ARN of a permission set of the instance that does not exist.
func (c *center) noSet() string {
	return strings.Replace(c.set.Instance, ":instance/", ":permissionSet/", 1) + "/ps-0000000000000000"
}
