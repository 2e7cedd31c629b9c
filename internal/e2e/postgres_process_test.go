package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/internal/pgtest"
)

// deadAddress is an address of this machine at which nobody listens any more: Git,
// the forge and the receiver of notices, all down.
func deadAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// buildReconciler builds the program once for a test.
func buildReconciler(t testing.TB) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "reconciler")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "../../cmd/reconciler")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// process is one run of the real program with a ledger and a target, and nothing
// else that answers.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	log  *processLog
}

type processLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *processLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *processLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// processConfig writes a configuration for one process. Acts have a short hard
// deadline, so that a test need not wait for it long.
func processConfig(t testing.TB, ledgerURL string, target *pgtest.Server) string {
	t.Helper()
	dir, dead := t.TempDir(), deadAddress(t)
	text := fmt.Sprintf(`repository: {url: http://%[1]s/acme/access.git, branch: main}
trust: {from: "%[2]s", group: admins}
forge: {type: github, baseURL: http://%[1]s/api/v3/, token: none}
poll: 1s
ledger: %[3]s
stateDir: %[4]s/state
notify: {url: http://%[1]s/notices}
timeouts: {act: 2s, observe: 5s}
listen: ""
targets:
  %[5]s: {connector: postgres, dsn: "%[6]s"}
`, dead, strings.Repeat("ab", 20), ledgerURL, dir, pgTarget, target.DSNAs("tenure", "", ""))
	file := filepath.Join(dir, "reconciler.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func startProcess(t testing.TB, bin, config string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(bin, "run", "--config", config), done: make(chan struct{}), log: &processLog{}}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is not asked: it is killed
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of process %d:\n%s", p.cmd.Process.Pid, p.log)
		}
	})
	return p
}

// kill is kill -9, and returns when the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// barrier makes the connector wait inside its transaction, before its first
// statement: it takes the lock by which writers of memberships queue.
type barrier struct {
	t    testing.TB
	conn *pgx.Conn // nil: open
	dsn  string
}

const writerLockKey = 0x54454e555245

func (b *barrier) close() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), pgPatience)
	defer cancel()
	conn, err := pgx.Connect(ctx, b.dsn)
	if err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(writerLockKey))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.conn = conn
}

// reached reports whether somebody waits at the barrier.
func (b *barrier) reached() (bool, error) {
	var waiting bool
	err := b.conn.QueryRow(b.t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE usename = 'tenure' AND wait_event_type = 'Lock' AND wait_event = 'advisory')`).Scan(&waiting)
	return waiting, err
}

func (b *barrier) open() {
	if b.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := b.conn.Close(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
		b.t.Log("closing the barrier's connection:", err)
	}
	b.conn = nil
}
