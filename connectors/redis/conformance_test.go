package redis

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

func TestConformance(t *testing.T) {
	s := start(t)
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "cache",
		Open:     func(t testing.TB) connectors.Connector { return s.open(t, nil) },
		Accounts: people,
		Specs: []connectors.Spec{
			spec("get", "orders:*"),
			{"commands": []any{"@read", "@write"}, "keys": []any{"orders:*", "%R~customers:*"}},
			{"commands": "@pubsub", "channels": "orders.*"},
			{"commands": []string{"@keyspace", "set"}, "keys": "billing:?"},
			{"commands": "ping echo"},
		},
		Absent: spec("no-such-command", "orders:*"),
		BadSpecs: []connectors.Spec{
			{"keys": "orders:*"}, {"commands": "@read"}, spec("GET", "x"), spec("get", ""), spec("", "x"), spec("get  set", "x"),
			spec("+get", "x"), spec("-get", "x"), spec("@", "x"), spec("get|", "x"), spec("get)", "x"), spec("get", "a(b"), spec("get", "a)"),
			spec("get", "~a"), spec("get", "&a"), spec("get", "a\tb"), spec("get", "%RW~a"), spec("get", "%R~"), spec("get", "a %R~a"), spec("get", "[]tenure:x"),
			{"commands": "get", "keys": "a", "channels": "b"}, {"commands": 7, "keys": "a"}, {"commands": []any{}, "keys": "a"}, {"commands": []any{1}, "keys": "a"},
		},
		UnknownAccount: "mallory",
		ForeignGrant: func(t testing.TB, g grants.Grant) {
			s.do(t, "ACL", "SETUSER", g.Account, byHand(t, g))
		},
		ForeignRevoke: func(t testing.TB, g grants.Grant) {
			s.do(t, "ACL", "SETUSER", g.Account, "clearselectors")
		},
		Named: func(name string) connectors.Spec { return spec("get", name) },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			return kind != conformance.AccountName || s.admin.Do(t.Context(), "ACL", "SETUSER", name, "on", ">x").Err() == nil
		},
		Kill:    func(testing.TB) { s.Kill() },
		Restart: func(t testing.TB) { s.Restart(t) },
		Session: func(t testing.TB, g grants.Grant) func() bool {
			c := s.dial(t, g.Account)
			return func() bool { return strings.HasPrefix(c.ask("GET orders:1"), "$") }
		},
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return s.open(t, connectors.Settings{"user": "weak", "password": "pw-weak"}), []string{
				"missing right: +multi of weak", "missing right: +exec of weak", "missing right: +acl|users of weak", "missing right: +acl|getuser of weak",
				"missing right: +acl|setuser of weak", "missing right: +acl|save of weak", "missing right: +acl|cat of weak", "missing right: +acl|dryrun of weak",
				"missing right: +client|list of weak", "missing right: +client|kill of weak", "missing right: +config|get of weak",
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseNativeExpiry: "access lists of Redis have no end",
		},
	})
}

// byHand writes an entitlement's selector as an administrator may write it, apart from
// the connector's own code.
func byHand(t testing.TB, g grants.Grant) string {
	switch e, err := readText(g.Entitlement); {
	case err != nil:
		t.Fatal(err)
	case e.commands == "get":
		return "(+get ~" + e.keys + " &[]tenure:get)"
	}
	t.Fatalf("%s is not written by hand", g.Entitlement)
	return ""
}

// session is one connection that speaks the server's protocol by itself, so that
// nothing connects again behind a test's back.
type session struct {
	conn net.Conn
	in   *bufio.Reader
}

func (s *server) dial(t testing.TB, account string) *session {
	conn, err := net.Dial("tcp", s.address)
	ok(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := &session{conn, bufio.NewReader(conn)}
	if answer := c.ask("AUTH " + account + " pw-" + account); answer != "+OK" {
		t.Fatal(answer)
	}
	return c
}

// ask sends a line and returns the first line of the answer, or why there is none.
func (c *session) ask(line string) string {
	if _, err := fmt.Fprintf(c.conn, "%s\r\n", line); err != nil {
		return err.Error()
	}
	return c.next(5 * time.Second)
}

func (c *session) next(wait time.Duration) string {
	_ = c.conn.SetReadDeadline(time.Now().Add(wait))
	answer, err := c.in.ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(answer)
}

func TestTheSchemasAgreeWithTheCode(t *testing.T) {
	conformance.SchemasAgree(t, Driver{}, []connectors.Spec{
		{}, {"commands": "get"}, {"commands": "get|x"}, {"commands": "@read"}, {"commands": "get @read"}, {"commands": []any{"get", "@read"}}, {"commands": []any{}},
		{"commands": "GET", "keys": "x"}, {"commands": "get set", "keys": "x y"}, {"commands": "get  set", "keys": "x"}, {"commands": "get ", "keys": "x"},
		{"commands": []any{"get set"}, "keys": "x"}, {"commands": []any{"get"}, "keys": []any{"x y"}}, {"commands": "get", "keys": ""}, {"commands": "get", "keys": []any{}},
		{"commands": "get", "keys": "a(b"}, {"commands": "get", "keys": "a)"}, {"commands": "get", "keys": "~a"}, {"commands": "get", "keys": "%R~a"}, {"commands": "get", "keys": "'*'"}, {"commands": "get", "keys": `a"`},
		{"commands": "publish", "channels": "x"}, {"commands": "publish", "channels": "&x"}, {"commands": "publish", "channels": []any{"x", "y"}},
		{"commands": "get", "keys": "a", "channels": "b"}, {"commands": 1, "keys": "a"}, {"commands": "get", "keys": 1}, {"keys": "a"}, {"commands": "get", "key": "a"},
	}, []connectors.Settings{
		{}, {"address": "h:1", "user": "u"}, {"address": "h:1", "user": "u", "password": ""}, {"address": "h:1", "password": "p"}, {"address": "h:1", "user": "u", "password": "p"}, {"address": "h", "user": "u", "password": "p"}, {"address": "h:", "user": "u", "password": "p"}, {"address": "h:1", "user": ""},
		{"address": "h:1", "user": "u", "password": "p", "save": "config"}, {"address": "h:1", "user": "u", "password": "p", "save": "none"}, {"address": "h:1", "user": "u", "password": "p", "plainText": "true"},
		{"address": "h:1", "user": "u", "password": "p", "plainText": "yes"}, {"address": "h:1", "user": "u", "password": "p", "commands": []any{"@read", "get"}}, {"address": "h:1", "user": "u", "password": "p", "commands": []any{"GET"}},
		{"address": "h:1", "user": "u", "password": "p", "keys": []any{"*"}}, {"address": "h:1", "user": "u", "password": "p", "keys": []any{"a b"}}, {"address": "h:1", "user": "u", "password": "p", "channels": []any{"&x"}},
		{"address": "h:1", "user": "u", "password": "p", "passwordFile": "/dev/null"}, {"address": "h:1", "user": "u", "password": "p", "url": "x"},
	})
}
