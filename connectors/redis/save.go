package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// saving is the command that has the server keep access lists over a restart.
func (c *connector) saving() []any {
	if c.save == saveConfig {
		return []any{"CONFIG", "REWRITE"}
	}
	return []any{"ACL", "SAVE"}
}

// write has the server write its access lists to disk.
func (c *connector) write(ctx context.Context) error {
	if err := c.db.Do(ctx, c.saving()...).Err(); err != nil {
		return c.unsaved(err)
	}
	return nil
}

func (c *connector) unsaved(err error) error {
	if !answered(err) {
		return err
	}
	return fmt.Errorf("the change is made, but the server cannot keep it over a restart: %w", err)
}

// readable refuses what the server could write to its configuration and not read again.
func (c *connector) readable(account string, e entitlement) error {
	if c.save == saveConfig && strings.ContainsFunc(account+e.keys+e.channels, func(r rune) bool { return r > '~' || strings.ContainsRune(`"'\`, r) }) {
		return errors.New("with save: config, names and patterns must be ASCII without quotes and backslashes: the server would not read its own file again")
	}
	return nil
}

// keeps says in lost what is wrong with the way in which the server keeps its access
// lists: a restart could undo a revoke.
func (c *connector) keeps(ctx context.Context, cat catalogue) (lost, err error) {
	if c.save == saveACLFile {
		if cat.aclFile == "" {
			lost = errors.New("the server has no aclfile, so that a restart would bring back what was revoked: set aclfile in its configuration, or save: config for the target")
		}
		return lost, nil
	}
	if cat.aclFile != "" {
		return errors.New("the server has an aclfile: set save: aclfile for the target"), nil
	}
	info, err := c.db.Info(ctx, "server").Result()
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(info, "\r\n") {
		if file, ok := strings.CutPrefix(line, "config_file:"); ok && file != "" {
			return nil, nil
		}
	}
	return errors.New("the server runs without a configuration file, so that nothing keeps its access lists over a restart: give it an aclfile"), nil
}
