// Package postgres is the connector for PostgreSQL 13 and later: who is a direct
// member of which role, and who has which privileges on a thing in the database. It
// can also make a login for the time that its grants last.
//
// Privileges are held by a role of Tenure's own, one for each entitlement, and people
// are its members; so an end is one statement, and what an account was given directly
// is never touched. It changes memberships, and the roles and logins that it made
// itself, and nothing else.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tenure-dev/tenure/connectors"
)

// Driver opens PostgreSQL servers. Its entitlements are {role: NAME} and such as
// {privileges: [select], table: SCHEMA.NAME}.
type Driver struct{}

// Name is "postgres".
func (Driver) Name() string { return "postgres" }

// Canonical returns role=NAME, or such as privileges=select table=app.orders.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	text, err := canonical(spec)
	if err != nil {
		return "", fmt.Errorf("postgres entitlement: %w (%s)", err, wantSpec)
	}
	return text, nil
}

func canonical(spec connectors.Spec) (string, error) {
	if _, direct := spec["privileges"]; direct {
		p, err := readPrivileges(spec)
		return p.canonical(), err
	}
	pairs, err := connectors.DecodeSpec(spec, "role")
	if err == nil {
		err = checkName(pairs["role"])
	}
	return connectors.Format(pairs), err
}

// settings is one PostgreSQL target in the reconciler's configuration.
type settings struct {
	DSN          string   `setting:"dsn,required,file"`
	Roles        []string `setting:"roles"`        // the only roles that may be granted; needed for pg_* and superuser roles
	Schemas      []string `setting:"schemas"`      // privileges may be granted only on these schemas and what is in them
	Databases    []string `setting:"databases"`    // privileges may be granted only on these databases
	CreateLogins bool     `setting:"createLogins"` // make a login for an account that does not exist
	LoginPrefix  string   `setting:"loginPrefix"`  // only logins whose names begin so are made
	MaxConns     int      `setting:"maxConns"`     // default 4
}

// Open prepares a pool of connections; the first call connects, so that a server
// that is down does not keep the reconciler from starting.
func (Driver) Open(ctx context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{MaxConns: 4}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	if set.MaxConns < 1 || set.MaxConns > 100 {
		return nil, errors.New("setting maxConns must be from 1 to 100")
	}
	if set.LoginPrefix != "" && !set.CreateLogins {
		return nil, errors.New("setting loginPrefix is of no use without createLogins: true")
	}
	for _, r := range set.Roles {
		if err := checkName(r); err != nil {
			return nil, fmt.Errorf("setting roles: %w", err)
		}
	}
	for _, name := range set.Schemas {
		if err := checkSchema(name); err != nil {
			return nil, fmt.Errorf("setting schemas: %w", err)
		}
	}
	for _, name := range set.Databases {
		if err := checkIdentifier(name); err != nil {
			return nil, fmt.Errorf("setting databases: %w", err)
		}
	}
	cfg, err := pgxpool.ParseConfig(set.DSN)
	if err != nil {
		// The parser's own words may repeat parts of the string.
		return nil, errors.New("setting dsn is not a valid connection string, such as postgres://user@host/db")
	}
	cfg.MaxConns = int32(set.MaxConns)
	cfg.MaxConnIdleTime = 5 * time.Minute
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	params := cfg.ConnConfig.RuntimeParams
	params["application_name"] = "tenure"
	params["standard_conforming_strings"] = "on"          // literals are quoted for it
	params["idle_in_transaction_session_timeout"] = "60s" // a lost reconciler must not hold the lock
	params["search_path"] = "pg_catalog"                  // nobody's function stands in for a system one
	params["client_encoding"] = "UTF8"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, errors.New("setting dsn cannot be used")
	}
	return &connector{
		target: target, pool: pool, allowed: slices.Clone(set.Roles),
		schemas: slices.Clone(set.Schemas), databases: slices.Clone(set.Databases),
		createLogins: set.CreateLogins, loginPrefix: set.LoginPrefix,
		mark: "tenure: login made for target " + target + ", removed with its last grant",
	}, nil
}

// maxName is NAMEDATALEN-1, in bytes. PostgreSQL cuts longer names without an error,
// and the result is another role.
const maxName = 63

// checkName refuses what PostgreSQL could not take as the exact name of a role.
func checkName(name string) error {
	if err := connectors.CheckName(name); err != nil {
		return err
	}
	if len(name) > maxName {
		return fmt.Errorf("name %+.80q is longer than %d bytes, and PostgreSQL would cut it", name, maxName)
	}
	if strings.HasPrefix(name, ownedPrefix) {
		return fmt.Errorf("name %+q is of a role that Tenure makes for privileges", name)
	}
	if name == "public" || name == "none" {
		return fmt.Errorf("name %q is a keyword even in quotes", name)
	}
	return nil
}

// predefined reports whether a role is PostgreSQL's own.
func predefined(role string) bool { return strings.HasPrefix(role, "pg_") }
