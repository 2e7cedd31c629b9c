package redis

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a Redis of its own, with the accounts of the tests.
type server struct {
	*testserver.Server
	address string
	admin   *redis.Client
}

// people are the accounts that exist on every server.
var people = []string{"alice", "bob", "carol", "dave"}

// start starts a server that keeps its access lists in an aclfile.
func start(t testing.TB) *server {
	dir := t.TempDir()
	file := filepath.Join(dir, "users.acl")
	ok(t, os.WriteFile(file, []byte("user default off\nuser admin on >root ~* &* +@all\n"), 0o600))
	s := run(t, dir, "--aclfile", file)
	s.scene(t)
	return s
}

// run starts a server without any accounts.
func run(t testing.TB, dir string, args ...string) *server {
	program := testserver.Find(t, "redis-server", "redis-server")
	var errs []error
	for range 5 { // somebody else may take the port before the server does
		s := &server{address: testserver.Address(t)}
		_, port, err := net.SplitHostPort(s.address)
		ok(t, err)
		s.admin = redis.NewClient(&redis.Options{Addr: s.address, Username: "admin", Password: "root", Protocol: 2, DisableIdentity: true})
		s.Server, err = testserver.Try(t, testserver.Program{
			Path: program, Dir: dir,
			Args: append([]string{}, with(args, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "")...),
			Ready: func(ctx context.Context) error {
				if err := s.admin.Ping(ctx).Err(); err != nil && !answered(err) {
					return err
				}
				return nil
			},
		})
		t.Cleanup(func() { _ = s.admin.Close() })
		if err == nil {
			return s
		}
		errs = append(errs, err)
	}
	t.Fatal(errors.Join(errs...))
	return nil
}

// with puts a configuration file first, where it must be.
func with(args []string, more ...string) []string {
	if len(args) == 1 {
		return append(args, more...)
	}
	return append(more, args...)
}

// scene makes the people, and the reconciler's account as the documentation has it.
func (s *server) scene(t testing.TB) {
	for _, name := range append([]string{"weak"}, people...) {
		s.do(t, "ACL", "SETUSER", name, "reset", "on", ">pw-"+name)
	}
	for _, line := range rights(t) {
		s.do(t, anys(strings.Fields(line))...)
	}
}

func anys(words []string) (out []any) {
	for _, w := range words {
		out = append(out, w)
	}
	return out
}

// rights returns the commands that the documentation gives for the reconciler's own
// account, so that every test runs with exactly these.
func rights(t testing.TB) (lines []string) {
	text, err := os.ReadFile("../../docs/connectors/redis.md")
	ok(t, err)
	_, block, found := strings.Cut(string(text), "```redis\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("the documentation has no commands for the rights")
	}
	return strings.Split(strings.TrimSpace(block), "\n")
}

// do runs a command as an administrator.
func (s *server) do(t testing.TB, args ...any) any {
	t.Helper()
	out, err := s.admin.Do(t.Context(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatalf("%v: %v", args, err)
	}
	return out
}

// line is an account in the server's own words.
func (s *server) line(t testing.TB, account string) string {
	t.Helper()
	for _, l := range s.do(t, "ACL", "LIST").([]any) {
		if strings.HasPrefix(l.(string), "user "+account+" ") {
			return l.(string)
		}
	}
	return ""
}

// as opens connections of a person.
func (s *server) as(t testing.TB, account string) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.address, Username: account, Password: "pw-" + account, Protocol: 2, DisableIdentity: true, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *server) open(t testing.TB, more connectors.Settings) connectors.Connector {
	t.Helper()
	set := connectors.Settings{"address": s.address, "user": "tenure", "password": "change-me"}
	for k, v := range more {
		set[k] = v
	}
	c, err := Driver{}.Open(t.Context(), "cache", set)
	ok(t, err)
	return c
}

func (s *server) opened(t testing.TB, more connectors.Settings) *connector {
	c := s.open(t, more)
	t.Cleanup(func() { _ = c.Close() })
	return c.(*connector)
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

func spec(commands, keys string) connectors.Spec {
	return connectors.Spec{"commands": commands, "keys": keys}
}

func gr(account string, spec connectors.Spec) grants.Grant {
	text, err := Driver{}.Canonical(spec)
	if err != nil {
		panic(err)
	}
	return grants.Grant{Target: "cache", Account: account, Entitlement: text}
}

// holds asks who of the people has it.
func has(t testing.TB, c connectors.Connector, g grants.Grant) bool {
	t.Helper()
	found, err := c.Observe(t.Context(), []string{g.Entitlement})
	ok(t, err)
	for _, f := range found {
		if f == g {
			return true
		}
	}
	return false
}
