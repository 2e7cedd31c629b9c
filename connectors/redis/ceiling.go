package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// catalogue is what the server says of its commands.
type catalogue struct {
	known   map[string]bool // commands and subcommands
	risky   map[string]bool // of them, those in a category that is withheld
	aclFile string          // where the server keeps access lists; empty: nowhere
}

// catalogue asks for the commands: each of them is in @fast or in @slow.
func (c *connector) catalogue(ctx context.Context) (cat catalogue, err error) {
	cat = catalogue{known: map[string]bool{}, risky: map[string]bool{}}
	names := append(withheld(), "@fast", "@slow")
	lists := make([]*redis.StringSliceCmd, len(names))
	var file *redis.MapStringStringCmd
	_, err = c.db.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			lists[i] = redis.NewStringSliceCmd(ctx, "ACL", "CAT", strings.TrimPrefix(name, "@"))
			_ = p.Process(ctx, lists[i])
		}
		file = p.ConfigGet(ctx, "aclfile")
		return nil
	})
	if err != nil {
		return cat, err
	}
	for i, list := range lists {
		for _, word := range list.Val() {
			cat.known[word] = true
			if i < len(withheld()) {
				cat.risky[word] = true
			}
		}
	}
	cat.aclFile = file.Val()["aclfile"]
	return cat, nil
}

// holds reports whether a set has the command, or one of its subcommands.
func holds(set map[string]bool, command string) bool {
	if set[command] {
		return true
	}
	for word := range set {
		if strings.HasPrefix(word, command+"|") {
			return true
		}
	}
	return false
}

// allowed applies the target's ceiling, and the rules that hold without one.
func (c *connector) allowed(cat catalogue, e entitlement) error {
	for w := range strings.FieldsSeq(e.commands) {
		category := strings.HasPrefix(w, "@")
		if !category && !holds(cat.known, w) {
			return fmt.Errorf("the server has no command %q", w)
		}
		if len(c.commands) > 0 {
			if !slices.Contains(c.commands, w) {
				return fmt.Errorf("the target's setting commands does not list %q", w)
			}
			continue
		}
		if w == "@all" || slices.Contains(withheld(), w) || !category && holds(cat.risky, w) {
			return fmt.Errorf("%q gives power over the server or over others; it must be listed in the target's setting commands", w)
		}
	}
	for _, of := range []struct {
		setting string
		list    []string
		words   string
	}{{"keys", c.keys, e.keys}, {"channels", c.channels, e.channels}} {
		for w := range strings.FieldsSeq(of.words) {
			if slices.Contains(of.list, w) {
				continue
			}
			if len(of.list) > 0 {
				return fmt.Errorf("the target's setting %s does not list %q", of.setting, w)
			}
			if wide(w) {
				return fmt.Errorf("pattern %q begins with a wildcard; it must be listed in the target's setting %s", w, of.setting)
			}
		}
	}
	return nil
}
