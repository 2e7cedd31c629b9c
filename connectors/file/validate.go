package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

var (
	// errInvalid is wrapped when the validating command refused the new file.
	errInvalid = errors.New("the new file was refused, the old one stays")
	// errBroken is wrapped when it refuses the file in place as well.
	errBroken = errors.New("setting validate refuses the file as it stands, too: repair the file or the command; " +
		"until then revokes are written unchecked")
)

// examine asks the validating command about the new file, tmp. A change that only
// takes away passes also when the command refuses the content in place: then a line
// by another hand, or the command itself, is broken, and neither may keep anybody's
// access. It is unchecked then.
func (c *connector) examine(ctx context.Context, cur *current, tmp string, takesAway bool) (unchecked bool, err error) {
	if len(c.validate) == 0 {
		return false, nil
	}
	limit := c.timeout
	if end, ok := ctx.Deadline(); ok && takesAway {
		// A command that hangs must leave time for the second question and the swap.
		limit = min(limit, time.Until(end)/3)
	}
	refusal := c.run(ctx, limit, c.validate, tmp)
	if refusal == nil {
		return false, nil
	}
	refusal = fmt.Errorf("%w: %w", errInvalid, refusal)
	if cur.content == nil || ctx.Err() != nil {
		return false, refusal
	}
	standing := c.examineStanding(ctx, limit, cur)
	switch {
	case standing == nil || ctx.Err() != nil:
		return false, refusal
	case takesAway && errors.Is(standing, errBroken):
		return true, nil
	}
	return false, fmt.Errorf("%w; %w", refusal, standing)
}

// examineStanding asks about the content in place, under the name, mode and owner of
// a new file, so that the content is all that can make a difference.
func (c *connector) examineStanding(ctx context.Context, limit time.Duration, cur *current) error {
	mode, uid, gid := c.attributes(cur)
	tmp, err := c.writeTemp(cur.content, mode, uid, gid)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := c.run(ctx, limit, c.validate, tmp); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// checkStanding is for Check: a file that cannot be read is reported there already.
func (c *connector) checkStanding(ctx context.Context) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	cur, err := c.load()
	if err != nil || cur.content == nil {
		return nil
	}
	return c.examineStanding(ctx, c.timeout, cur)
}
