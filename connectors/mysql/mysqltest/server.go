//go:build unix

// Package mysqltest starts real MariaDB servers for tests, from the programs that the
// operating system's packages install, each on a free port of 127.0.0.1.
//
// It is for tests only; nothing outside of _test.go files may import it.
package mysqltest

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tenure-dev/tenure/internal/testserver"
)

// Server is one MariaDB server that belongs to one test.
type Server struct {
	*testserver.Server
	dir     string
	address string
}

// Start starts a server and stops it when the test ends; args are further arguments of
// mariadbd. The test is skipped when MariaDB is not installed; with REQUIRE_SERVERS=1
// in the environment it fails instead.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	program := testserver.Find(t, "mariadbd", "mariadb-server")
	install := testserver.Find(t, "mariadb-install-db", "mariadb-server")
	dir, err := os.MkdirTemp("", "mysqltest-") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{dir: dir}
	s.install(t, install)
	s.start(t, program, args)
	return s
}

func (s *Server) common() []string {
	// The directory for temporary tables is its own: two servers that are set up at the
	// same time would take each other's away.
	args := []string{"--no-defaults", "--datadir=" + filepath.Join(s.dir, "data"), "--tmpdir=" + filepath.Join(s.dir, "tmp")}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	return args
}

func (s *Server) install(t testing.TB, program string) {
	if err := os.Mkdir(filepath.Join(s.dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	args := append(s.common(), "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=4M")
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v: %s", err, out)
	}
}

// Address is host:port of the server; it stays the same over a restart.
func (s *Server) Address() string { return s.address }

// As opens a pool of connections of a user, which the test closes at its end.
func (s *Server) As(t testing.TB, user, password, database string) *sql.DB {
	t.Helper()
	db, err := s.open(user, password, database)
	if err != nil {
		t.Fatalf("mysqltest: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (s *Server) open(user, password, database string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd, cfg.DBName = "tcp", s.address, user, password, database
	cfg.Logger = log.New(io.Discard, "", 0)
	dial, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(dial), nil
}

// Exec runs statements as root, and ends the test if one fails.
func (s *Server) Exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if err := s.Try(q); err != nil {
			t.Fatalf("mysqltest: %s: %v", q, err)
		}
	}
}

// Try runs a statement as root.
func (s *Server) Try(statement string) error {
	db, err := s.open("root", "", "")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(statement)
	return err
}

// start tries again when somebody else took the port between our look and the
// server's bind.
func (s *Server) start(t testing.TB, program string, args []string) {
	var errs []error
	for range 5 {
		s.address = testserver.Address(t)
		_, port, err := net.SplitHostPort(s.address)
		if err != nil {
			t.Fatal(err)
		}
		all := append(s.common(), "--bind-address=127.0.0.1", "--port="+port, "--socket="+filepath.Join(s.dir, "s"),
			"--pid-file="+filepath.Join(s.dir, "pid"), "--skip-name-resolve", "--innodb-buffer-pool-size=8M",
			"--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0", "--max-connections=200")
		s.Server, err = testserver.Try(t, testserver.Program{Path: program, Dir: s.dir, Ready: s.ping, Args: append(all, args...)})
		if err == nil {
			return
		}
		errs = append(errs, err)
	}
	t.Fatal(errors.Join(errs...))
}

func (s *Server) ping(ctx context.Context) error {
	db, err := s.open("root", "", "")
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}
