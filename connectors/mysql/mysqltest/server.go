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
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// startTimeout is how long a server may take until it answers, also after a kill and
// on a loaded machine.
const startTimeout = 60 * time.Second

// Server is one MariaDB server that belongs to one test.
type Server struct {
	dir  string
	port int
	args []string

	mu   sync.Mutex
	cmd  *exec.Cmd // nil while it is down
	done chan struct{}
}

// Start starts a server and stops it when the test ends; args are further arguments of
// mariadbd. The test is skipped when MariaDB is not installed; with REQUIRE_SERVERS=1
// in the environment it fails instead.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	for _, program := range []string{"mariadbd", "mariadb-install-db"} {
		if _, err := find(program); err != nil {
			if os.Getenv("REQUIRE_SERVERS") == "1" {
				t.Fatalf("mysqltest: %v", err)
			}
			t.Skipf("mysqltest: %v", err)
		}
	}
	dir, err := os.MkdirTemp("", "mysqltest-")
	if err != nil {
		t.Fatalf("mysqltest: %v", err)
	}
	s := &Server{dir: dir, args: args}
	t.Cleanup(func() {
		s.Kill() // nothing of it is kept, so nothing needs to be written
		if t.Failed() {
			t.Logf("mysqltest: end of the server's log:\n%s", s.logTail())
		}
		_ = os.RemoveAll(dir)
	})
	if err := s.install(); err != nil {
		t.Fatalf("mysqltest: %v", err)
	}
	if err := s.startOnFreePort(); err != nil {
		t.Fatalf("mysqltest: %v", err)
	}
	return s
}

// find looks in PATH and where packages put programs of the system.
func find(program string) (string, error) {
	if p, err := exec.LookPath(program); err == nil {
		return p, nil
	}
	if p := filepath.Join("/usr/sbin", program); exists(p) {
		return p, nil
	}
	return "", fmt.Errorf("MariaDB is not installed: no %s", program)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
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

func (s *Server) install() error {
	program, err := find("mariadb-install-db")
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(s.dir, "tmp"), 0o700); err != nil {
		return err
	}
	args := append(s.common(), "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=4M")
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	return nil
}

// Address is host:port of the server; it stays the same over a restart.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

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
	cfg.Net, cfg.Addr, cfg.User, cfg.Passwd, cfg.DBName = "tcp", s.Address(), user, password, database
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

// Kill ends the server with SIGKILL, as a crash would, and returns when it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	s.cmd = nil
}

// Restart starts the server again on the same data and port, after Kill.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		t.Fatalf("mysqltest: restart: %v", err)
	}
}

// startOnFreePort tries again when somebody else took the port between our look and
// the server's bind.
func (s *Server) startOnFreePort() error {
	var errs []error
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.port = l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if err = s.start(); err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	program, err := find("mariadbd")
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logFile.Close()
	args := append(s.common(), "--bind-address=127.0.0.1", "--port="+strconv.Itoa(s.port), "--socket="+filepath.Join(s.dir, "s"),
		"--pid-file="+filepath.Join(s.dir, "pid"), "--skip-name-resolve", "--innodb-buffer-pool-size=8M",
		"--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0", "--max-connections=200")
	cmd := exec.Command(program, append(args, s.args...)...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = sysProcAttr()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	for deadline := time.Now().Add(startTimeout); ; {
		if err = s.ping(); err == nil {
			s.cmd, s.done = cmd, done
			return nil
		}
		select {
		case <-done:
			return fmt.Errorf("mariadbd ended while it started: %s", s.logTail())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			<-done
			return fmt.Errorf("mariadbd did not answer within %s: %w", startTimeout, err)
		}
	}
}

func (s *Server) ping() error {
	db, err := s.open("root", "", "")
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

func (s *Server) logTail() []byte {
	b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return b[max(0, len(b)-4000):]
}
