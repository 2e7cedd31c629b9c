package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// connector is one server.
type connector struct {
	target    string
	user      string // our own
	db        *sql.DB
	roles     []string // setting roles
	databases []string // setting databases
	// accountLock is the setting: accounts may be locked and unlocked.
	accountLock bool
}

// Grant makes the entry; the server itself ends nothing, so until is not used.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes the entry away.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes all connections.
func (c *connector) Close() error { return c.db.Close() }

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, explain(err))
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
	var me *mysql.MySQLError
	return errors.As(err, &me)
}

func retryable(err error) bool {
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		return slices.Contains([]uint16{
			1020,       // record has changed since last read
			1205, 1213, // lock wait, deadlock
			1053, 1927, // the server goes down, this connection was killed
		}, me.Number)
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.ErrUnexpectedEOF)
}

// explain adds what to do to errors that an operator can mend.
func explain(err error) error {
	var me *mysql.MySQLError
	if errors.As(err, &me) && slices.Contains([]uint16{1044, 1142, 1143, 1227, 1370, 1698}, me.Number) {
		return fmt.Errorf("%w (the reconciler's own login lacks a right; doctor names it)", err)
	}
	return err
}
