// Package testserver runs real servers for tests: programs of the operating system's
// packages, or programs that the scripts build once. Each gets a free address of
// 127.0.0.1, a log, and an end with the test. What a server is and when it is ready
// is its own test package's business.
//
// It is for tests only; nothing outside of _test.go files and test helpers may import it.
package testserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	// startTimeout is how long a server may take until it is ready, also after a
	// crash and on a loaded machine.
	startTimeout = 2 * time.Minute
	// stopTimeout is how long a server may take to stop by itself before it is killed.
	stopTimeout = 20 * time.Second
	poll        = 20 * time.Millisecond
)

// Program says how a server is run.
type Program struct {
	Path string
	Args []string
	Env  []string // nil: that of the test
	Dir  string   // where it runs, and where its log is; default: a directory of the test

	// Ready returns nil when the server answers. It is asked again until then.
	Ready func(context.Context) error
}

// Server is a running program that belongs to one test.
type Server struct {
	program Program
	log     string

	mu   sync.Mutex
	cmd  *exec.Cmd // nil while it is down
	done chan struct{}
}

// Start starts a server, waits until it is ready and ends it with the test. If the
// test has failed by then, the end of the server's log is shown.
func Start(t testing.TB, p Program) *Server {
	t.Helper()
	s, err := Try(t, p)
	if err != nil {
		t.Fatalf("%s: %v", filepath.Base(p.Path), err)
	}
	return s
}

// Try is Start for programs that may refuse to run, such as one whose port somebody
// else took after Address had returned it.
func Try(t testing.TB, p Program) (*Server, error) {
	t.Helper()
	if p.Dir == "" {
		p.Dir = t.TempDir()
	}
	s := &Server{program: p, log: filepath.Join(p.Dir, filepath.Base(p.Path)+".log")}
	if err := s.start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", filepath.Base(p.Path), s.LogTail())
		}
	})
	return s, nil
}

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.program.Path, s.program.Args...)
	cmd.Dir, cmd.Env = s.program.Dir, s.program.Env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	s.cmd, s.done = cmd, done
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := s.program.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-done:
			s.cmd = nil
			return fmt.Errorf("it ended while it started: %s", s.LogTail())
		case <-ctx.Done():
			s.kill()
			return fmt.Errorf("not ready within %s: %w: %s", startTimeout, err, s.LogTail())
		case <-time.After(poll):
		}
	}
}

// Kill ends the server and what it has started at once, as a crash would, and returns
// when it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

func (s *Server) kill() {
	if s.cmd == nil {
		return
	}
	killGroup(s.cmd)
	<-s.done
	s.cmd = nil
}

// Stop asks the server to end, and kills it if it does not.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	stopGroup(s.cmd)
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
	}
	s.kill()
}

// Restart kills the server if it runs and starts it again, with the same arguments.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		t.Fatalf("restart of %s: %v", filepath.Base(s.program.Path), err)
	}
}

// LogTail is the end of what the server has printed.
func (s *Server) LogTail() string {
	f, err := os.Open(s.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 4000
	if st, err := f.Stat(); err == nil && st.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	b, _ := io.ReadAll(f)
	return string(b)
}

// Address returns a free host:port of 127.0.0.1. Nobody keeps it free.
func Address(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Dial is a Ready for servers that need no more than an open port.
func Dial(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return errors.Join(c.Close())
	}
}
