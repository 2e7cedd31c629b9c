package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Check names the rights that the connection lacks, entitlements that will not be
// granted, and a server that does not keep its access lists.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	miss := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{c.target}, args...)...))
	}
	version, err := c.version(ctx)
	if err != nil {
		return []error{c.wrap("connect", err)}
	}
	if n, _, _ := strings.Cut(version, "."); atLeast(n, 7) != nil {
		miss("server version %s is too old: want Redis 7.0 or later", version)
	}
	rights, err := c.missing(ctx)
	if err != nil {
		return append(errs, c.wrap("check", err))
	}
	for _, right := range rights {
		miss("missing right: +%s of %s", right, c.user)
	}
	cat, err := c.catalogue(ctx)
	var lost error
	if err == nil {
		lost, err = c.keeps(ctx, cat)
	}
	if err != nil && len(rights) == 0 {
		return append(errs, c.wrap("check", err))
	}
	if lost != nil {
		miss("%w", lost)
	}
	for _, text := range scope {
		e, err := readText(text)
		if err == nil && len(rights) == 0 {
			err = c.allowed(cat, e)
		}
		if err != nil {
			miss("%s: %w", text, err)
		}
	}
	return errs
}

func atLeast(number string, least int) error {
	if n, err := strconv.Atoi(number); err != nil || n < least {
		return errOld
	}
	return nil
}

// version asks with HELLO, which needs no right.
func (c *connector) version(ctx context.Context) (version string, err error) {
	answer, err := c.db.Do(ctx, "HELLO", "2").Result()
	if err != nil {
		return "", err
	}
	err = pairs(answer, func(name string, value any) error {
		if text, ok := value.(string); ok && name == "version" {
			version = text
		}
		return nil
	})
	return version, err
}

// missing returns the commands that this login may not use. Each is tried in a way
// that changes nothing; ACL SAVE and CONFIG REWRITE have none, so that the server is
// asked whether it would allow them.
func (c *connector) missing(ctx context.Context) (rights []string, err error) {
	save := strings.ToLower(fmt.Sprintf("%s|%s", c.saving()...))
	type probe struct {
		right string
		args  []any
	}
	probes := []probe{
		{"acl|users", []any{"ACL", "USERS"}},
		{"acl|getuser", []any{"ACL", "GETUSER", c.user}},
		{"acl|setuser", []any{"ACL", "SETUSER", c.user, "tenure-asks-whether-it-may"}}, // no rule: refused as a whole
		{"acl|cat", []any{"ACL", "CAT"}},
		{"acl|dryrun", append([]any{"ACL", "DRYRUN", c.user}, c.saving()...)},
		{"client|list", []any{"CLIENT", "LIST", "ID", "1"}},
		{"client|kill", []any{"CLIENT", "KILL", "ID", "9223372036854775807"}}, // nobody's
		{"config|get", []any{"CONFIG", "GET", "aclfile"}},
	}
	if c.save == saveConfig {
		probes = append(probes, probe{"info", []any{"INFO", "server"}})
	}
	cmds := make([]*redis.Cmd, len(probes))
	_, err = c.db.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, probe := range probes {
			cmds[i] = p.Do(ctx, probe.args...)
		}
		return nil
	})
	if err != nil && !answered(err) && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	for i, probe := range probes {
		switch answer, err := cmds[i].Result(); {
		case err != nil && strings.HasPrefix(err.Error(), "NOPERM "):
			rights = append(rights, probe.right)
			if probe.right == "acl|dryrun" {
				rights = append(rights, save) // as far as can be seen
			}
		case probe.right == "acl|dryrun" && answer != "OK":
			rights = append(rights, save)
		}
	}
	for _, right := range []string{"multi", "exec"} {
		answer, err := c.db.Do(ctx, "ACL", "DRYRUN", c.user, right).Result()
		if err != nil && !answered(err) {
			return nil, err
		}
		if answer != "OK" {
			rights = append(rights, right)
		}
	}
	return rights, nil
}
