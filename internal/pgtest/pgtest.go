//go:build unix

// Package pgtest starts real PostgreSQL servers for tests, from the programs that
// the operating system's packages install. Every server has its own data directory
// and its own free port on 127.0.0.1, so that several run at once.
//
// It is for tests only; nothing outside of _test.go files may import it.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout is how long a server may take until it answers. A start takes
// 0.2 s on an idle machine; recovery after a kill and a loaded machine more.
const startTimeout = 60 * time.Second

// Server is one PostgreSQL server that belongs to one test.
type Server struct {
	bin      string // directory of initdb and postgres
	dir      string // holds the data directory, the socket and the log
	settings []string
	port     int
	cred     *syscall.Credential // nil: as ourselves

	mu   sync.Mutex
	cmd  *exec.Cmd     // nil while it is down
	done chan struct{} // closed when the postmaster has been waited for
}

// Start starts a server and stops it when the test ends. Settings are NAME=VALUE
// pairs for postgres -c. The test is skipped when PostgreSQL is not installed; with
// REQUIRE_SERVERS=1 in the environment it fails instead.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	bin, err := BinDir()
	if err != nil {
		if os.Getenv("REQUIRE_SERVERS") == "1" {
			t.Fatalf("pgtest: %v", err)
		}
		t.Skipf("pgtest: %v", err)
	}
	s := &Server{bin: bin, settings: settings, cred: credential()}
	if s.dir, err = os.MkdirTemp("", "pgtest-"); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("pgtest: end of the server's log:\n%s", s.logTail())
		}
		_ = os.RemoveAll(s.dir)
	})
	if err := s.prepare(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if err := s.startOnFreePort(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return s
}

// DSN returns a connection string for the superuser; an empty db means postgres.
func (s *Server) DSN(db string) string { return s.DSNAs("postgres", "", db) }

// DSNAs returns a connection string for a role. Every role may log in without a
// password; one is put into the string if it is not empty.
func (s *Server) DSNAs(role, password, db string) string {
	if db == "" {
		db = "postgres"
	}
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(role),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + db,
		RawQuery: "sslmode=disable",
	}
	if password != "" {
		u.User = url.UserPassword(role, password)
	}
	return u.String()
}

// Port is the TCP port on 127.0.0.1; it stays the same over a restart.
func (s *Server) Port() int { return s.port }

// CreateDatabase creates an empty database and returns its DSN for the superuser.
func (s *Server) CreateDatabase(t testing.TB, name string) string {
	t.Helper()
	s.Exec(t, "", "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	return s.DSN(name)
}

// Exec runs SQL statements as the superuser, each in its own transaction.
func (s *Server) Exec(t testing.TB, db string, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN(db))
	if err != nil {
		t.Fatalf("pgtest: connect: %v", err)
	}
	defer conn.Close(ctx)
	for _, q := range statements {
		if _, err := conn.Exec(ctx, q); err != nil {
			t.Fatalf("pgtest: %s: %v", q, err)
		}
	}
}

// Kill ends the postmaster and all its children with SIGKILL, as a crash of the
// machine would, and returns when the postmaster is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	pid := s.cmd.Process.Pid
	// Stopped first, it cannot start another child behind our back.
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	kids := children(pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for _, k := range kids {
		_ = syscall.Kill(k, syscall.SIGKILL)
	}
	<-s.done
	s.cmd = nil
}

// Restart starts the server again on the same data and the same port, after Kill
// or Stop; a running server is stopped first.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	if err := s.start(); err != nil {
		t.Fatalf("pgtest: restart: %v", err)
	}
}

// Stop shuts the server down (connections are ended) and waits for it. It may be
// called again, and after Kill.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGINT) // "fast" shutdown
	select {
	case <-s.done:
	case <-time.After(startTimeout):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	s.cmd = nil
}

// startOnFreePort tries again with another port when somebody else took the port
// between our look and the server's bind.
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

// start runs the postmaster and waits until it answers. After a kill, what is left
// of the old server may hold its shared memory for a moment, so that an early exit
// is tried again until the timeout.
func (s *Server) start() error {
	deadline := time.Now().Add(startTimeout)
	for {
		err := s.startOnce(deadline)
		if err == nil {
			return nil
		}
		if !bytes.Contains(s.logTail(), []byte("pre-existing shared memory")) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *Server) startOnce(deadline time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	logFile, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logFile.Close()
	args := []string{"-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "max_connections=200", "-c", "shared_buffers=16MB", "-c", "log_min_messages=warning"}
	for _, kv := range s.settings {
		args = append(args, "-c", kv)
	}
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, logFile, logFile
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = sysProcAttr(s.cred)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	for {
		err := s.ping()
		if err == nil {
			s.cmd, s.done = cmd, done
			return nil
		}
		select {
		case <-done:
			return fmt.Errorf("postgres ended while it started: %s", s.logTail())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			<-done
			return fmt.Errorf("postgres did not answer within %s: %w", startTimeout, err)
		}
	}
}

func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN(""))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (s *Server) logTail() []byte {
	b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	if len(b) > 4000 {
		b = b[len(b)-4000:]
	}
	return b
}
