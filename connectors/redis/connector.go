package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// connector is one server.
type connector struct {
	target string
	user   string // our own
	save   string // setting save
	db     *redis.Client

	commands, keys, channels []string // settings
}

// Grant makes the selector; the server itself ends nothing, so until is not used.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes the selector away.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes all connections.
func (c *connector) Close() error { return c.db.Close() }

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, explain(err))
}

// leftAlone refuses the accounts that the connector never touches.
func (c *connector) leftAlone(account string) error {
	switch account {
	case c.user:
		return errors.New("the account is the reconciler's own: without its rights it could end nobody's access")
	case "default":
		return errors.New("the account default is everybody who does not log in, and is left alone")
	}
	return nil
}

// attempts of one step. Everything here may be done twice.
const attempts = 4

// retry repeats f while it fails in a way that another try can mend.
func retry(ctx context.Context, f func() error) error {
	for i := 1; ; i++ {
		err := f()
		if err == nil || i == attempts || ctx.Err() != nil || !retryable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(i) * 20 * time.Millisecond):
		}
	}
}

// answered reports whether the server itself refused, over a connection that is good.
func answered(err error) bool {
	var re redis.Error
	return errors.As(err, &re) && !errors.Is(err, redis.Nil)
}

// retryable takes connections that broke, a server that starts and one that is held up.
func retryable(err error) bool {
	if answered(err) {
		return strings.HasPrefix(err.Error(), "LOADING ") || strings.HasPrefix(err.Error(), "BUSY ")
	}
	var ne net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &ne) && !ne.Timeout()
}

// explain adds what to do to errors that an operator can mend.
func explain(err error) error {
	if text := err.Error(); strings.Contains(text, "NOPERM ") || strings.Contains(text, "EXECABORT ") {
		return fmt.Errorf("%w (the reconciler's own account lacks a right; doctor names it)", err)
	}
	return err
}

// perPipe is how many commands go to the server before their answers are read. Other
// clients wait for the server no longer than these take.
const perPipe = 200

// users returns what these accounts have; the entry of one that does not exist is nil.
func (c *connector) users(ctx context.Context, names []string) ([]*user, error) {
	out := make([]*user, 0, len(names))
	for len(out) < len(names) {
		part := names[len(out):min(len(out)+perPipe, len(names))]
		cmds := make([]*redis.Cmd, len(part))
		_, err := c.db.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, name := range part {
				cmds[i] = p.Do(ctx, "ACL", "GETUSER", name)
			}
			return nil
		})
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		for i, cmd := range cmds {
			u, err := shown(cmd)
			if err != nil {
				return nil, fmt.Errorf("account %+.80q: %w", part[i], err)
			}
			out = append(out, u)
		}
	}
	return out, nil
}

// shown reads one answer of ACL GETUSER.
func shown(cmd *redis.Cmd) (*user, error) {
	answer, err := cmd.Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readUser(answer)
}
