package aws

import (
	"context"
	"fmt"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/document"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/types"

	"github.com/tenure-dev/tenure/connectors"
)

// fewUsers are asked for one by one; for more the whole store is listed, a hundred at a
// time, until all of them are found.
const fewUsers = 60

// users knows names and ids of users of an identity store. Names can change, so it lives
// no longer than one call of the connector.
type users struct {
	api   *clients
	store string

	mu     sync.Mutex
	names  map[string]string // id -> name
	ids    map[string]string // name -> id
	failed map[string]error  // by name: what AWS answered instead
}

// look finds users by name and by id. Those that do not exist stay unknown. A name that
// cannot be looked up does not stop the others.
func (u *users) look(ctx context.Context, names, ids []string) error {
	u.names, u.ids, u.failed = map[string]string{}, map[string]string{}, map[string]error{}
	want := map[string]bool{}
	var distinct []string // ids
	for _, id := range ids {
		if !want[id] {
			want[id] = true
			distinct = append(distinct, id)
		}
	}
	var valid []string
	for _, n := range names {
		if checkUser(n) == nil {
			valid = append(valid, n)
		}
	}
	if len(valid)+len(distinct) > fewUsers {
		return u.list(ctx, valid, distinct)
	}
	err := gather(ctx, len(valid), func(ctx context.Context, i int) error {
		err := u.byName(ctx, valid[i])
		if err == nil || ctx.Err() != nil {
			return err
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.failed[valid[i]] = err
		return nil
	})
	if err != nil {
		return err
	}
	return gather(ctx, len(distinct), func(ctx context.Context, i int) error { return u.byID(ctx, distinct[i]) })
}

func (u *users) byName(ctx context.Context, name string) error {
	out, err := u.api.store.GetUserId(ctx, &identitystore.GetUserIdInput{IdentityStoreId: &u.store, AlternateIdentifier: unique("userName", name)})
	if missing(err) || code(err) == "ValidationException" { // nobody can have such a name
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for user %+.80q: %w", name, err)
	}
	return u.byID(ctx, sdk.ToString(out.UserId))
}

// byID asks for the name as the store spells it: it may have been found by another case.
func (u *users) byID(ctx context.Context, id string) error {
	out, err := u.api.store.DescribeUser(ctx, &identitystore.DescribeUserInput{IdentityStoreId: &u.store, UserId: &id})
	if missing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read user %s: %w", id, err)
	}
	u.add(id, sdk.ToString(out.UserName))
	return nil
}

func (u *users) list(ctx context.Context, names, ids []string) error {
	pages := identitystore.NewListUsersPaginator(u.api.store, &identitystore.ListUsersInput{IdentityStoreId: &u.store, MaxResults: sdk.Int32(100)})
	for pages.HasMorePages() && !u.complete(names, ids) {
		p, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list users: %w", err)
		}
		for _, x := range p.Users {
			u.add(sdk.ToString(x.UserId), sdk.ToString(x.UserName))
		}
	}
	return nil
}

func (u *users) complete(names, ids []string) bool {
	for _, n := range names {
		if _, ok := u.ids[n]; !ok {
			return false
		}
	}
	for _, id := range ids {
		if _, ok := u.names[id]; !ok {
			return false
		}
	}
	return true
}

func (u *users) add(id, name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.names[id], u.ids[name] = name, id
}

func (u *users) name(id string) (string, bool) {
	n, ok := u.names[id]
	return n, ok && n != ""
}

func (u *users) id(name string) (string, error) {
	if err := checkUser(name); err != nil {
		return "", fmt.Errorf("%w: %w", err, connectors.ErrNoAccount)
	}
	if err := u.failed[name]; err != nil {
		return "", err
	}
	id, ok := u.ids[name]
	if !ok || id == "" {
		return "", fmt.Errorf("%q: %w", name, connectors.ErrNoAccount)
	}
	return id, nil
}

// maxUser is the longest name of a user in an identity store, in characters.
const maxUser = 128

func checkUser(name string) error {
	if err := connectors.CheckName(name); err != nil {
		return err
	}
	if len([]rune(name)) > maxUser {
		return fmt.Errorf("%+.80q is longer than %d characters", name, maxUser)
	}
	return nil
}

// unique names something in the store by an attribute that no two share.
func unique(attribute, value string) types.AlternateIdentifier {
	return &types.AlternateIdentifierMemberUniqueAttribute{Value: types.UniqueAttribute{
		AttributePath: &attribute, AttributeValue: document.NewLazyDocument(value),
	}}
}
