package rabbitmq

import (
	"context"
	"errors"
	"slices"

	"github.com/tenure-dev/tenure/grants"
)

// account is a user as the API shows it.
type account struct {
	Name string   `json:"name"`
	Hash string   `json:"password_hash"`
	Algo string   `json:"hashing_algorithm"`
	Tags []string `json:"tags"`
}

// Observe lists all permissions, and all users where a tag is asked for: one request
// each, which the API answers as a whole.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	want := map[entitlement]bool{}
	tags, rows := false, false
	for _, text := range scope {
		e, err := readText(text)
		if err != nil {
			return nil, c.wrap("observe", err)
		}
		want[e] = true
		tags, rows = tags || e.tag != "", rows || e.tag == ""
	}
	found := map[grants.Grant]bool{}
	if tags {
		var users []account
		if err := c.list(ctx, "/users", &users); err != nil {
			return nil, c.wrap("observe", err)
		}
		for _, u := range users {
			if u.Name == "" {
				return nil, c.wrap("observe", errors.New("the broker's list of users has one without a name"))
			}
			for _, tag := range u.Tags {
				if e := (entitlement{tag: tag}); want[e] {
					found[grants.Grant{Target: c.target, Account: u.Name, Entitlement: e.text()}] = true
				}
			}
		}
	}
	if rows {
		var list []row
		if err := c.list(ctx, "/permissions", &list); err != nil {
			return nil, c.wrap("observe", err)
		}
		byForm := map[[3]string]entitlement{}
		for e := range want {
			if e.tag == "" {
				byForm[[3]string{e.vhost, e.permission, e.alternative()}] = e
			}
		}
		for _, r := range list {
			if r.User == "" || r.VHost == "" {
				return nil, c.wrap("observe", errors.New("the broker's list of permissions has one without a name"))
			}
			for _, permission := range permissions() {
				for _, form := range readExpression(*r.field(permission)).ours {
					if e, ok := byForm[[3]string{r.VHost, permission, form}]; ok {
						found[grants.Grant{Target: c.target, Account: r.User, Entitlement: e.text()}] = true
					}
				}
			}
		}
	}
	out := make([]grants.Grant, 0, len(found))
	for g := range found {
		out = append(out, g)
	}
	slices.SortFunc(out, grants.Grant.Compare)
	return out, nil
}

// list reads a list that always exists.
func (c *connector) list(ctx context.Context, path string, into any) error {
	ok, err := c.api.get(ctx, path, into)
	if err == nil && !ok {
		err = errors.New("there is no API of RabbitMQ's management plug-in at the setting url")
	}
	return err
}
