// Package mysql is the connector for MariaDB 10.5 and MySQL 8, and later: who has been
// granted which role, and which single privilege on a database, a table or a routine,
// and which account is not locked.
//
// One entitlement is one entry of the server's own grant tables, so that entitlements
// never overlap. It changes those entries and nothing else; it makes no accounts.
package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tenure-dev/tenure/connectors"
)

// Driver opens MariaDB and MySQL servers. Its entitlements are {role: NAME},
// {account: unlocked} and such as {privilege: select, database: NAME, table: NAME}.
type Driver struct{}

// Name is "mysql".
func (Driver) Name() string { return "mysql" }

// Canonical returns role=NAME, or such as database=NAME privilege=select table=NAME.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := readSpec(spec)
	if err != nil {
		return "", fmt.Errorf("mysql entitlement: %w (%s)", err, wantSpec)
	}
	return e.text(), nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	Address   string   `setting:"address,required"` // host:port
	User      string   `setting:"user,required"`
	Password  string   `setting:"password,file"`
	CA        string   `setting:"ca,file"`   // PEM; default: the system's
	PlainText bool     `setting:"plainText"` // allow a connection without TLS to another machine
	Roles     []string `setting:"roles"`     // the only roles that may be granted
	Databases []string `setting:"databases"` // the only databases on which privileges may be granted
	// AccountLock allows to lock and unlock accounts.
	AccountLock bool `setting:"accountLock"`
	MaxConns    int  `setting:"maxConns"` // default 4
}

// Open prepares a pool of connections; the first call connects, so that a server that
// is down does not keep the reconciler from starting.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{MaxConns: 4}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	if set.MaxConns < 1 || set.MaxConns > 100 {
		return nil, errors.New("setting maxConns must be from 1 to 100")
	}
	for _, name := range set.Roles {
		if err := checkRole(name); err != nil {
			return nil, fmt.Errorf("setting roles: %w", err)
		}
	}
	for _, name := range set.Databases {
		if err := checkThing(name); err != nil {
			return nil, fmt.Errorf("setting databases: %w", err)
		}
	}
	cfg, err := config(set)
	if err != nil {
		return nil, err
	}
	dial, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, errors.New("settings address, user and password cannot be used")
	}
	db := sql.OpenDB(dial)
	db.SetMaxOpenConns(set.MaxConns)
	db.SetMaxIdleConns(set.MaxConns)
	db.SetConnMaxIdleTime(time.Minute)
	return &connector{target: target, user: set.User, db: db, roles: slices.Clone(set.Roles), databases: slices.Clone(set.Databases), accountLock: set.AccountLock}, nil
}

// sqlMode is what quoting and exact names rely on. Without NO_AUTO_CREATE_USER, a
// grant to an account that has just been dropped would make it again, without a
// password; MySQL 8 has no such behaviour and no such mode.
const sqlMode = "IF(VERSION() LIKE '%MariaDB%', 'STRICT_ALL_TABLES,NO_AUTO_CREATE_USER', 'STRICT_ALL_TABLES')"

func config(set settings) (*mysql.Config, error) {
	host, _, err := net.SplitHostPort(set.Address)
	if err != nil || host == "" {
		return nil, errors.New("setting address must be host:port, such as db.example.com:3306")
	}
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd = "tcp", set.Address, set.User, set.Password
	cfg.Timeout = 10 * time.Second
	cfg.InterpolateParams = true
	cfg.Logger = log.New(io.Discard, "", 0) // what it would log comes back as an error
	cfg.Params = map[string]string{"sql_mode": sqlMode}
	cfg.TLS, err = connectors.TrustHost(host, set.CA, set.PlainText)
	return cfg, err
}
