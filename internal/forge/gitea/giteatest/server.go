// Package giteatest starts a real Gitea for tests, from the program that
// scripts/build-gitea builds. Every server has its own directory and its own free
// port on 127.0.0.1.
//
// It is for tests only.
package giteatest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/testserver"
)

const (
	// startTimeout is how long a server may take until it answers. A start takes
	// 1.5 s on an idle machine.
	startTimeout = 90 * time.Second
	// waitTimeout bounds every other wait for it.
	waitTimeout = 60 * time.Second
	poll        = 25 * time.Millisecond
	admin       = "root-admin"
	password    = "correct-horse-7"
)

// PageSize is how many entries of a list the server gives at once: so few that
// every test has lists of several pages.
const PageSize = 5

// Server is one Gitea that belongs to one test.
type Server struct {
	URL string // without a slash at the end

	dir      string
	internal string // token of the internal API
	admin    string // access token
	http     *http.Client
	server   *testserver.Server

	mu    sync.Mutex
	users map[string]User
	repos int
}

// Start starts a server and stops it when the test ends. It takes minutes to build one
// and to play everything on it, so that the test is left out unless REQUIRE_GITEA=1 (the
// forges) or REQUIRE_BUILT=1 (the connectors) is in the environment; then it fails where
// the program was not built.
func Start(t testing.TB) *Server {
	t.Helper()
	if os.Getenv("REQUIRE_GITEA") != "1" && os.Getenv("REQUIRE_BUILT") != "1" {
		t.Skip("does not apply: `make test-forges` and `make test-connectors` play it on a real Gitea")
	}
	built, err := built()
	if err != nil {
		t.Fatalf("giteatest: %v", err)
	}
	s := &Server{users: map[string]User{}, internal: secret(), http: &http.Client{Transport: &http.Transport{}, Timeout: waitTimeout}}
	if s.dir, err = os.MkdirTemp("", "giteatest-"); err != nil {
		t.Fatalf("giteatest: %v", err)
	}
	t.Cleanup(func() {
		s.http.CloseIdleConnections()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log", "gitea.log"))
			t.Logf("giteatest: end of the server's log:\n%s", log[max(0, len(log)-4000):])
		}
		_ = os.RemoveAll(s.dir)
	})
	if err := s.prepare(built); err != nil {
		t.Fatalf("giteatest: %v", err)
	}
	s.server = testserver.Start(t, testserver.Program{
		Path: filepath.Join(built, "gitea"), Args: []string{"web", "--config", s.file()}, Env: s.env(), Dir: s.dir, Ready: s.ready,
	})
	return s
}

// Kill ends the server at once, as a crash would; Restart brings it back on the same
// data.
func (s *Server) Kill(testing.TB) {
	s.server.Kill()
	s.http.CloseIdleConnections()
}

// Restart is the way back from Kill.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.server.Restart(t)
}

// built returns the directory with the program.
func built() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tenure-dev/tenure").Output()
	if err != nil {
		return "", fmt.Errorf("where this module is: %w", err)
	}
	out, err := exec.Command(filepath.Join(strings.TrimSpace(string(root)), "scripts", "build-gitea"), "--path").Output()
	if err != nil {
		return "", fmt.Errorf("scripts/build-gitea --path: %w", err)
	}
	dir := strings.TrimSpace(string(out))
	if _, err := os.Stat(filepath.Join(dir, "gitea")); err != nil {
		return "", errors.New("no Gitea was built; run scripts/build-gitea, make test-forges or make test-connectors")
	}
	return dir, nil
}

// config is Gitea's: as little as a forge needs, passwords that cost nothing to
// check, and every answer from the database itself.
const config = `RUN_USER = %[1]s
RUN_MODE = prod
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
WORK_PATH = %[2]s
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[3]s
ROOT_URL = http://127.0.0.1:%[3]s/
STATIC_ROOT_PATH = %[4]s
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = %[2]s/gitea.db
SQLITE_JOURNAL_MODE = WAL
[repository]
ROOT = %[2]s/repos
[security]
INSTALL_LOCK = true
SECRET_KEY = %[5]s
INTERNAL_TOKEN = %[5]s
PASSWORD_HASH_ALGO = pbkdf2$1$20
[oauth2]
ENABLED = false
JWT_SECRET = %[6]s
[service]
DISABLE_REGISTRATION = true
[queue]
TYPE = channel
[indexer]
ISSUE_INDEXER_TYPE = db
[cron]
ENABLED = false
[actions]
ENABLED = false
[packages]
ENABLED = false
[webhook]
ALLOWED_HOST_LIST = loopback
[session]
PROVIDER = memory
[api]
MAX_RESPONSE_ITEMS = %[7]d
DEFAULT_PAGING_NUM = %[7]d
[log]
MODE = file
LEVEL = Warn
ROOT_PATH = %[2]s/log
`

func (s *Server) prepare(built string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		return err
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	s.URL = "http://127.0.0.1:" + port
	text := fmt.Sprintf(config, me.Username, s.dir, port, filepath.Join(built, "root"), s.internal, secret()[:43], PageSize)
	if err := os.WriteFile(s.file(), []byte(text), 0o600); err != nil {
		return err
	}
	if _, err := s.command(context.Background(), built, "migrate"); err != nil {
		return err
	}
	out, err := s.command(context.Background(), built, "admin", "user", "create", "--admin", "--username", admin, "--email", "root@example.com",
		"--password", password, "--must-change-password=false", "--access-token", "--access-token-name", "test", "--access-token-scopes", "all")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(out, "\n") {
		if strings.Contains(line, "ccess token") {
			f := strings.Fields(line)
			s.admin = f[len(f)-1]
		}
	}
	if len(s.admin) != 40 {
		return fmt.Errorf("no access token in: %s", out)
	}
	return nil
}

func (s *Server) file() string { return filepath.Join(s.dir, "app.ini") }

func (s *Server) env() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "LC_ALL=C", "TZ=UTC", "GITEA_WORK_DIR=" + s.dir}
}

func (s *Server) command(ctx context.Context, built string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(built, "gitea"), append(args, "--config", s.file())...)
	cmd.Env, cmd.Dir = s.env(), s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("gitea %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}

// ready is nil when the server answers.
func (s *Server) ready(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("health: HTTP %d", resp.StatusCode)
	}
	return nil
}

func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
