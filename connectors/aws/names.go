package aws

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/tenure-dev/tenure/connectors"
)

// page is how much is asked for at once; IAM gives at most this.
const page = 1000

// names looks users, roles and managed policies up once a batch. Users and roles are
// listed: an account has at most some thousand of them, names compare exactly here
// whatever a lookup by name would fold, and one call serves a whole batch.
type names struct {
	api      *clients
	users    once[struct{}, map[string]bool]
	roles    once[struct{}, map[string]role]
	groups   once[string, struct{}]
	policies once[string, policyDocument]
}

// role is what is needed of an IAM role.
type role struct{ name, arn, id string }

// exists is ErrNoAccount for a user or role that does not exist.
func (n *names) exists(ctx context.Context, account string) error {
	if name, ok := strings.CutPrefix(account, rolePrefix); ok {
		_, err := n.role(ctx, name)
		if errors.Is(err, errNoRole) {
			return fmt.Errorf("%q: %w", account, connectors.ErrNoAccount)
		}
		return err
	}
	users, err := n.users.get(struct{}{}, func() (map[string]bool, error) { return n.api.users(ctx) })
	if err != nil {
		return err
	}
	if !users[account] {
		return fmt.Errorf("%q: %w", account, connectors.ErrNoAccount)
	}
	return nil
}

var errNoRole = errors.New("the role does not exist")

func (n *names) role(ctx context.Context, name string) (role, error) {
	roles, err := n.roles.get(struct{}{}, func() (map[string]role, error) { return n.api.roles(ctx) })
	if err != nil {
		return role{}, err
	}
	r, ok := roles[name]
	if !ok {
		return role{}, fmt.Errorf("role %q: %w", name, errNoRole)
	}
	return r, nil
}

// group is an error for a group that does not exist by exactly this name.
func (n *names) group(ctx context.Context, name string) error {
	_, err := n.groups.get(name, func() (struct{}, error) {
		out, err := n.api.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: &name, MaxItems: sdk.Int32(1)})
		if missing(err) || err == nil && (out.Group == nil || sdk.ToString(out.Group.GroupName) != name) {
			return struct{}{}, fmt.Errorf("group %q does not exist", name)
		}
		if err != nil {
			return struct{}{}, fmt.Errorf("read group %s: %w", name, err)
		}
		return struct{}{}, nil
	})
	return err
}

// document is that of a managed policy's default version.
func (n *names) document(ctx context.Context, arn string) (policyDocument, error) {
	return n.policies.get(arn, func() (policyDocument, error) {
		p, err := n.api.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
		if err != nil {
			return nil, fmt.Errorf("read managed policy %s: %w", arn, err)
		}
		if p.Policy == nil {
			return nil, fmt.Errorf("read managed policy %s: AWS returned none", arn)
		}
		v, err := n.api.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: p.Policy.DefaultVersionId})
		if err != nil {
			return nil, fmt.Errorf("read managed policy %s: %w", arn, err)
		}
		if v.PolicyVersion == nil {
			return nil, fmt.Errorf("read managed policy %s: AWS returned no version", arn)
		}
		text, err := url.PathUnescape(sdk.ToString(v.PolicyVersion.Document))
		if err != nil {
			return nil, fmt.Errorf("read managed policy %s: its document is badly encoded", arn)
		}
		d, err := readDocument([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("managed policy %s: %w", arn, err)
		}
		return d, nil
	})
}

func (c *clients) users(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	pages := iam.NewListUsersPaginator(c.iam, &iam.ListUsersInput{MaxItems: sdk.Int32(page)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list users: %w", err)
		}
		if err := more(p.IsTruncated, p.Marker); err != nil {
			return nil, fmt.Errorf("list users: %w", err)
		}
		for _, u := range p.Users {
			out[sdk.ToString(u.UserName)] = true
		}
	}
	return out, nil
}

func (c *clients) roles(ctx context.Context) (map[string]role, error) {
	out := map[string]role{}
	pages := iam.NewListRolesPaginator(c.iam, &iam.ListRolesInput{MaxItems: sdk.Int32(page)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list roles: %w", err)
		}
		if err := more(p.IsTruncated, p.Marker); err != nil {
			return nil, fmt.Errorf("list roles: %w", err)
		}
		for _, r := range p.Roles {
			out[sdk.ToString(r.RoleName)] = role{sdk.ToString(r.RoleName), sdk.ToString(r.Arn), sdk.ToString(r.RoleId)}
		}
	}
	return out, nil
}

// more is an error for a page that says that others follow, and not how to get them: the
// paginators of the SDK would take it for the last one.
func more(truncated bool, marker *string) error {
	if truncated && sdk.ToString(marker) == "" {
		return errors.New("AWS says that the list goes on, and not where")
	}
	return nil
}
