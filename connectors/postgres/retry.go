package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// attempts of one call. Everything here may be done twice: grants and revokes are
// idempotent, and looking changes nothing.
const attempts = 6

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
		case <-time.After(time.Duration(i) * 10 * time.Millisecond):
		}
	}
}

func retryable(err error) bool {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch pe.Code {
		case "40001", "40P01", // serialization failure, deadlock
			"57P01",          // this connection was told to end
			"42710", "42704": // a role came or went since we looked
			return true
		case "XX000": // two writers on the catalog
			return strings.Contains(pe.Message, "tuple concurrently")
		case "23505": // the other writer's row came first
			return strings.HasPrefix(pe.ConstraintName, "pg_auth")
		}
		return false
	}
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) {
		return false // a server that is down is the caller's to come back to
	}
	// A pooled connection died with its server.
	var ne *net.OpError
	return pgconn.SafeToRetry(err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, &ne)
}

// explain adds what to do to errors that an operator can mend.
func explain(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == "42501" { // insufficient_privilege
		return fmt.Errorf("%w (the reconciler's own login lacks a right; doctor names it)", err)
	}
	return err
}
