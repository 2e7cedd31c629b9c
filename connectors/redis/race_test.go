package redis

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// between runs what another hand does between the connector's look and its
// transaction, once for each function.
type between struct {
	mu   sync.Mutex
	hand []func()
}

func (b *between) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (b *between) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (b *between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "multi" {
			b.mu.Lock()
			if len(b.hand) > 0 {
				b.hand[0]()
				b.hand = b.hand[1:]
			}
			b.mu.Unlock()
		}
		return next(ctx, cmds)
	}
}

func raced(t *testing.T, hand ...func(*server)) (*server, *connector) {
	s := start(t)
	c := s.opened(t, nil)
	b := &between{}
	for _, f := range hand {
		b.hand = append(b.hand, func() { f(s) })
	}
	ok(t, c.Grant(t.Context(), gr("alice", spec("get", "orders:*")), time.Time{}))
	s.do(t, "ACL", "SETUSER", "alice", "(~old +get)")
	c.db.AddHook(b)
	t.Cleanup(func() {
		if len(b.hand) > 0 {
			t.Errorf("%d of another hand's acts were never made", len(b.hand))
		}
	})
	return s, c
}

func TestWhatAnotherHandAddsInBetweenSurvivesARevoke(t *testing.T) {
	s, c := raced(t,
		func(s *server) { s.do(t, "ACL", "SETUSER", "alice", "(~new +get)", ">fresh") },
		func(s *server) { s.do(t, "ACL", "SETUSER", "alice", "(~newer +get)") },
	)
	ok(t, c.Revoke(t.Context(), gr("alice", spec("get", "orders:*"))))
	s.Restart(t)
	line := s.line(t, "alice")
	for _, want := range []string{"(~old ", "(~new ", "(~newer "} {
		if strings.Count(line, want) != 1 {
			t.Errorf("%s is not there once: %s", want, line)
		}
	}
	if strings.Contains(line, "tenure") || strings.Count(line, "#") != 2 {
		t.Error(line)
	}
}

func TestWhatAnotherHandRemovesInBetweenDoesNotComeBack(t *testing.T) {
	s, c := raced(t, func(s *server) { s.do(t, "ACL", "SETUSER", "alice", "clearselectors", "(~new +get)") })
	ok(t, c.Revoke(t.Context(), gr("alice", spec("get", "orders:*"))))
	s.Restart(t)
	if line := s.line(t, "alice"); strings.Contains(line, "~old") || !strings.Contains(line, "~new") || strings.Contains(line, "tenure") {
		t.Error(line)
	}
}

func TestAnAccountThatIsRemovedInBetweenGetsNothing(t *testing.T) {
	s, c := raced(t,
		func(s *server) { s.do(t, "ACL", "DELUSER", "alice") }, func(*server) {}, // the second one mends
		func(s *server) { s.do(t, "ACL", "DELUSER", "bob") },
	)
	ok(t, c.Revoke(t.Context(), gr("alice", spec("get", "orders:*"))))
	err := c.Grant(t.Context(), gr("bob", spec("get", "orders:*")), time.Time{})
	if !errors.Is(err, connectors.ErrNoAccount) {
		t.Error(err)
	}
	for _, name := range []string{"alice", "bob"} {
		if line := s.line(t, name); line != "user "+name+" off resetchannels -@all" {
			t.Errorf("%q", line)
		}
	}
}

func TestARaceIsMendedEvenWhenTheCallIsOver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, c := raced(t, func(s *server) { s.do(t, "ACL", "SETUSER", "alice", "(~new +get)") }, func(*server) { cancel() })
	_ = c.Revoke(ctx, gr("alice", spec("get", "orders:*")))
	if line := s.line(t, "alice"); !strings.Contains(line, "(~new ") {
		t.Error(line)
	}
}

// stub answers everything that a client sends by itself.
func stub(t *testing.T, answer string) *connector {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				buf := make([]byte, 4096)
				for {
					if _, err := conn.Read(buf); err != nil {
						return
					}
					if answer == "cut" {
						return
					}
					if _, err := conn.Write([]byte(answer)); err != nil {
						return
					}
				}
			})
		}
	})
	c, err := Driver{}.Open(t.Context(), "cache", connectors.Settings{"address": l.Addr().String(), "user": "tenure", "password": "hunter2"})
	ok(t, err)
	t.Cleanup(func() { _ = errors.Join(c.Close(), l.Close()); wg.Wait() })
	return c.(*connector)
}

func TestAnAnswerThatCannotBeReadIsAnError(t *testing.T) {
	g := gr("alice", spec("get", "orders:*"))
	for name, answer := range map[string]string{
		"garbage": "HTTP/1.1 400 Bad Request\r\n\r\n", "cut": "cut", "half": "*2\r\n$5\r\nalice\r\n$100\r\nb",
		"refused": "-WRONGPASS invalid username-password pair or user is disabled.\r\n", "silent": "",
	} {
		t.Run(name, func(t *testing.T) {
			c := stub(t, answer)
			wait := 5 * time.Second
			if name == "silent" || name == "half" {
				wait = 200 * time.Millisecond
			}
			for _, call := range []func(context.Context) error{
				func(ctx context.Context) error { _, err := c.Observe(ctx, []string{g.Entitlement}); return err },
				func(ctx context.Context) error { return c.Grant(ctx, g, time.Time{}) },
				func(ctx context.Context) error { return c.Revoke(ctx, g) },
				func(ctx context.Context) error { return c.EndSessions(ctx, []grants.Grant{g}) },
				func(ctx context.Context) error { return errors.Join(c.Check(ctx, nil)...) },
			} {
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				began := time.Now()
				err := call(ctx)
				cancel()
				if err == nil || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took > 8*time.Second {
					t.Errorf("took %s", took)
				}
			}
		})
	}
}

func TestAnswersToGetUserAreReadWhole(t *testing.T) {
	sel := []any{"commands", "-@all +get", "keys", "~orders:*", "channels", "&[]tenure:get"}
	full := []any{"flags", []any{"on"}, "passwords", []any{}, "commands", "-@all", "keys", "", "channels", "", "selectors", []any{sel}}
	u, err := readUser(full)
	ok(t, err)
	if !u.has(entitlement{commands: "get", keys: "orders:*"}) {
		t.Errorf("%+v", u)
	}
	for name, bad := range map[string]any{
		"no list": "x", "odd": full[:11], "Redis 6": []any{"flags", []any{}, "passwords", []any{}, "commands", "-@all", "keys", []any{}},
		"selectors are text": append(append([]any{}, full[:11]...), "x"), "a selector is text": append(append([]any{}, full[:11]...), []any{"x"}),
		"half a selector": append(append([]any{}, full[:11]...), []any{sel[:4]}), "a number": append(append([]any{}, full[:11]...), []any{append(append([]any{}, sel[:5]...), int64(7))}),
	} {
		if u, err := readUser(bad); err == nil {
			t.Errorf("%s: %+v", name, u)
		}
	}
	// A later server that knows more: one of ours must not be taken for gone, and one of
	// another hand is not ours.
	newer := func(sel []any) []any {
		return append(append([]any{}, full[:11]...), []any{append(append([]any{}, sel...), "databases", "0")})
	}
	if u, err := readUser(newer(sel)); !errors.Is(err, errNewer) {
		t.Errorf("%+v, %v", u, err)
	}
	u, err = readUser(newer([]any{"commands", "-@all +get", "keys", "~orders:*", "channels", ""}))
	ok(t, err)
	if u.has(entitlement{commands: "get", keys: "orders:*"}) || !u.selectors[0].other {
		t.Errorf("%+v", u)
	}
}

func TestSettingsAreStrictAndKeepSecrets(t *testing.T) {
	for word, set := range map[string]connectors.Settings{
		"host:port": {"address": "cache.example.com", "user": "u", "password": "hunter2"},
		"save":      {"address": "h:1", "user": "u", "password": "hunter2", "save": "never"},
		"ca":        {"address": "h:1", "user": "u", "password": "x", "ca": "hunter2"},
		"plainText": {"address": "h:1", "user": "u", "password": "x", "ca": "hunter2", "plainText": true},
		"password":  {"address": "h:1", "user": "u", "pasword": "hunter2"},
	} {
		_, err := Driver{}.Open(t.Context(), "cache", set)
		refused(t, err, word)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret in %q", err)
		}
	}
	for address, plain := range map[string]bool{"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, "cache.example.com:1": false, "10.0.0.1:1": false} {
		o, err := options(settings{Address: address, User: "u"})
		ok(t, err)
		if (o.TLSConfig == nil) != plain || o.TLSConfig != nil && (o.TLSConfig.InsecureSkipVerify || o.TLSConfig.ServerName == "") {
			t.Errorf("%s: TLS %+v", address, o.TLSConfig)
		}
	}
}
