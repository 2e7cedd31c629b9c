package aws

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/types"
)

var errNoGroup = errors.New("the group does not exist in the identity store")

// groupID finds a group by its exact display name.
func (c *center) groupID(ctx context.Context, store, name string) (string, error) {
	out, err := c.api.store.GetGroupId(ctx, &identitystore.GetGroupIdInput{IdentityStoreId: &store, AlternateIdentifier: unique("displayName", name)})
	if missing(err) {
		return "", fmt.Errorf("%q: %w", name, errNoGroup)
	}
	if err != nil {
		return "", fmt.Errorf("look for group %+.80q: %w", name, err)
	}
	g, err := c.api.store.DescribeGroup(ctx, &identitystore.DescribeGroupInput{IdentityStoreId: &store, GroupId: out.GroupId})
	if missing(err) || err == nil && sdk.ToString(g.DisplayName) != name {
		return "", fmt.Errorf("%q: %w", name, errNoGroup)
	}
	if err != nil {
		return "", fmt.Errorf("read group %+.80q: %w", name, err)
	}
	return sdk.ToString(out.GroupId), nil
}

// members returns the ids of the users in a group; none if there is no such group.
func (c *center) members(ctx context.Context, store, name string) ([]string, error) {
	group, err := c.groupID(ctx, store, name)
	if errors.Is(err, errNoGroup) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	pages := identitystore.NewListGroupMembershipsPaginator(c.api.store, &identitystore.ListGroupMembershipsInput{
		IdentityStoreId: &store, GroupId: &group, MaxResults: sdk.Int32(100),
	})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if missing(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list members of group %+.80q: %w", name, err)
		}
		for _, m := range p.GroupMemberships {
			if user, ok := m.MemberId.(*types.MemberIdMemberUserId); ok {
				out = append(out, user.Value)
			}
		}
	}
	return out, nil
}

func (c *center) join(ctx context.Context, user, name string) error {
	store, err := c.identityStore(ctx)
	if err != nil {
		return err
	}
	group, err := c.groupID(ctx, store, name)
	if err != nil {
		return err
	}
	if id, err := c.membership(ctx, store, group, user); err != nil || id != "" {
		return err
	}
	_, err = c.api.store.CreateGroupMembership(ctx, &identitystore.CreateGroupMembershipInput{
		IdentityStoreId: &store, GroupId: &group, MemberId: &types.MemberIdMemberUserId{Value: user},
	})
	if conflict(err) { // another writer was first
		if id, look := c.membership(ctx, store, group, user); look == nil && id != "" {
			return nil
		}
	}
	return err
}

// leave deletes memberships until there is none.
func (c *center) leave(ctx context.Context, user, name string) error {
	store, err := c.identityStore(ctx)
	if err != nil {
		return err
	}
	group, err := c.groupID(ctx, store, name)
	if errors.Is(err, errNoGroup) {
		return nil
	}
	if err != nil {
		return err
	}
	for again := 0; ; again++ {
		id, err := c.membership(ctx, store, group, user)
		if err != nil || id == "" {
			return err
		}
		if again > len(pauses()) {
			return errors.New("AWS says that it has deleted the membership, and shows it still")
		}
		if again > 0 {
			if err := wait(ctx, pauses()[again-1]); err != nil {
				return err
			}
		}
		_, err = c.api.store.DeleteGroupMembership(ctx, &identitystore.DeleteGroupMembershipInput{IdentityStoreId: &store, MembershipId: &id})
		if err != nil && !missing(err) {
			return err
		}
	}
}

// membership returns the id of a user's membership; "": there is none.
func (c *center) membership(ctx context.Context, store, group, user string) (string, error) {
	out, err := c.api.store.GetGroupMembershipId(ctx, &identitystore.GetGroupMembershipIdInput{
		IdentityStoreId: &store, GroupId: &group, MemberId: &types.MemberIdMemberUserId{Value: user},
	})
	if missing(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for the membership: %w", err)
	}
	return sdk.ToString(out.MembershipId), nil
}
