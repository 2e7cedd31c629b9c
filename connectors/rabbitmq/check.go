package rabbitmq

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Check names what the reconciler's account lacks, entitlements that will not be
// granted, and virtual hosts that do not exist.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	miss := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{c.target}, args...)...))
	}
	var me account
	if err := c.list(ctx, "/whoami", &me); err != nil {
		return []error{c.wrap("connect", err)}
	}
	if me.Name != c.user {
		miss("the broker takes the reconciler for %q", me.Name)
	}
	if !slices.Contains(me.Tags, "administrator") {
		miss("missing right: the tag administrator of %s", c.user)
		return errs
	}
	var overview struct {
		Version string `json:"rabbitmq_version"`
	}
	if err := c.list(ctx, "/overview", &overview); err != nil {
		return append(errs, c.wrap("check", err))
	}
	if !atLeast(overview.Version, 3, 10) {
		miss("broker version %q is too old: want RabbitMQ 3.10 or later", overview.Version)
	}
	var vhosts []struct {
		Name string `json:"name"`
	}
	if err := c.list(ctx, "/vhosts", &vhosts); err != nil {
		return append(errs, c.wrap("check", err))
	}
	for _, text := range scope {
		e, err := readText(text)
		if err == nil {
			err = c.allowed(e)
		}
		if err != nil {
			miss("%s: %w", text, err)
			continue
		}
		if e.vhost != "" && !slices.ContainsFunc(vhosts, func(v struct {
			Name string `json:"name"`
		}) bool {
			return v.Name == e.vhost
		}) {
			miss("%s: the broker has no virtual host %q", text, e.vhost)
		}
	}
	return errs
}

func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, err := strconv.Atoi(parts[0])
	b, err2 := strconv.Atoi(parts[1])
	return err == nil && err2 == nil && (a > major || a == major && b >= minor)
}
