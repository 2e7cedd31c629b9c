package redis

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func TestWhatIsGrantedWorksAndNothingElse(t *testing.T) {
	s := start(t)
	c := s.opened(t, nil)
	write := gr("alice", spec("@write @read", "orders:* %R~customers:*"))
	publish := gr("alice", connectors.Spec{"commands": "publish", "channels": "orders.*"})
	ok(t, c.Grant(t.Context(), write, time.Time{}))
	ok(t, c.Grant(t.Context(), publish, time.Time{}))
	alice := s.as(t, "alice")
	may := func(args ...any) {
		t.Helper()
		if err := alice.Do(t.Context(), args...).Err(); err != nil && !errors.Is(err, redis.Nil) {
			t.Errorf("%v: %v", args, err)
		}
	}
	mayNot := func(args ...any) {
		t.Helper()
		refused(t, alice.Do(t.Context(), args...).Err(), "NOPERM")
	}
	may("SET", "orders:1", "x")
	may("GET", "customers:1")
	may("PUBLISH", "orders.new", "x")
	mayNot("SET", "customers:1", "x")
	mayNot("SET", "other", "x")
	mayNot("PUBLISH", "other", "x")
	mayNot("SET", "orders.new", "x") // the keys of one entitlement are not the channels of another
	// Redis counts these to @write or @read; they do not stop at the keys.
	mayNot("FLUSHALL")
	mayNot("FLUSHDB")
	mayNot("KEYS", "*")
	mayNot("FUNCTION", "FLUSH")
	mayNot("SWAPDB", 0, 1)
	mayNot("EVAL", "return 1", 0)
	mayNot("CONFIG", "GET", "*")
	mayNot("ACL", "WHOAMI")
	ok(t, c.Revoke(t.Context(), write))
	mayNot("SET", "orders:1", "x")
	may("PUBLISH", "orders.new", "x")
	ok(t, c.Revoke(t.Context(), publish))
	mayNot("PUBLISH", "orders.new", "x")
}

func TestNothingMatchesTheMark(t *testing.T) {
	s := start(t)
	c := s.opened(t, nil)
	ok(t, c.Grant(t.Context(), gr("alice", spec("get set publish", "orders:*")), time.Time{}))
	ok(t, c.Grant(t.Context(), gr("alice", connectors.Spec{"commands": "get set publish", "channels": "orders"}), time.Time{}))
	alice := s.as(t, "alice")
	for _, name := range []string{"", "t", "]", "[", "[]", "[]tenure:get,publish,set", "]tenure:get,publish,set", "tenure:get,publish,set", ":get,publish,set"} {
		refused(t, alice.Do(t.Context(), "SET", name, "x").Err(), "NOPERM")
		refused(t, alice.Do(t.Context(), "PUBLISH", name, "x").Err(), "NOPERM")
	}
}

func TestEverythingElseOfAnAccountStaysAsItWas(t *testing.T) {
	s := start(t)
	s.do(t, "ACL", "SETUSER", "alice", "~cache:*", "&news", "+@read", "-keys", "+config|get", ">second",
		"(~a* %R~b* &c* +@all -@dangerous +flushdb -get)", "(allkeys allchannels +@all)", "(~orders:* +get)", "(~odd) ~x +set)", "()")
	before := s.line(t, "alice")
	c := s.opened(t, nil)
	gs := []grants.Grant{gr("alice", spec("get", "orders:*")), gr("alice", spec("@write", "orders:*")), gr("alice", connectors.Spec{"commands": "publish", "channels": "c*"})}
	for _, g := range gs {
		if has(t, c, g) {
			t.Errorf("%s is another hand's selector", g)
		}
		ok(t, c.Grant(t.Context(), g, time.Time{}))
	}
	if !strings.HasPrefix(s.line(t, "alice"), before) {
		t.Errorf("a grant made of\n%s\n%s", before, s.line(t, "alice"))
	}
	for _, i := range []int{1, 0, 2} {
		ok(t, c.Revoke(t.Context(), gs[i]))
	}
	if after := s.line(t, "alice"); after != before {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
}

func TestARevokeSurvivesARestartOfTheServer(t *testing.T) {
	s := start(t)
	c := s.opened(t, nil)
	kept, gone := gr("alice", spec("get", "orders:*")), gr("bob", spec("get", "orders:*"))
	ok(t, c.Grant(t.Context(), kept, time.Time{}))
	ok(t, c.Grant(t.Context(), gone, time.Time{}))
	s.Restart(t)
	if !has(t, c, kept) || !has(t, c, gone) {
		t.Error("a grant is lost")
	}
	ok(t, c.Revoke(t.Context(), gone))
	s.Restart(t)
	if !has(t, c, kept) || has(t, c, gone) {
		t.Error("the restart changed what is held")
	}
	// Somebody took it away in memory only, as we would if we died before the disk was
	// written. The revoke finds nothing to do, and still has to make it last.
	s.do(t, "ACL", "SETUSER", "alice", "clearselectors")
	ok(t, c.Revoke(t.Context(), kept))
	s.Restart(t)
	if has(t, c, kept) {
		t.Error("access came back with the restart")
	}
}

func TestARevokeThatCannotBeSavedHasFailed(t *testing.T) {
	dir := t.TempDir()
	s := run(t, dir)
	s.admin = redis.NewClient(&redis.Options{Addr: s.address, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = s.admin.Close() })
	s.scene2(t)
	g := gr("alice", spec("get", "orders:*"))
	for save, word := range map[string]string{saveACLFile: "no aclfile", saveConfig: "without a configuration file"} {
		c := s.opened(t, connectors.Settings{"save": save})
		refused(t, c.Grant(t.Context(), g, time.Time{}), word)
		if has(t, c, g) {
			t.Error("it was granted")
		}
		refused(t, errors.Join(c.Check(t.Context(), nil)...), word)
		s.do(t, "ACL", "SETUSER", "alice", byHand(t, g))
		refused(t, c.Revoke(t.Context(), g), "cannot keep it over a restart")
		if has(t, c, g) {
			t.Error("it was not even revoked in memory")
		}
	}
}

// scene2 makes the people and the reconciler on a server that saves nothing.
func (s *server) scene2(t testing.TB) {
	for _, name := range people {
		s.do(t, "ACL", "SETUSER", name, "reset", "on", ">pw-"+name)
	}
	s.do(t, anys(append(strings.Fields(rights(t)[0]), "+config|rewrite", "+info"))...)
}

func TestAServerWithoutAnACLFileKeepsItInItsConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "redis.conf")
	ok(t, os.WriteFile(file, []byte("user default off\nuser admin on >root ~* &* +@all\n"), 0o600))
	s := run(t, dir, file)
	s.scene2(t)
	refused(t, errors.Join(s.opened(t, nil).Check(t.Context(), nil)...), "no aclfile")
	c := s.opened(t, connectors.Settings{"save": saveConfig})
	ok(t, errors.Join(c.Check(t.Context(), nil)...))
	g, h := gr("alice", spec("@read", "orders:*")), gr("bob", spec("@read", "orders:*"))
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	ok(t, c.Grant(t.Context(), h, time.Time{}))
	refused(t, c.Grant(t.Context(), gr("alice", spec("get", `\*x`)), time.Time{}), "quotes")
	refused(t, c.Grant(t.Context(), gr(`a'b`, spec("get", "x")), time.Time{}), "quotes")
	ok(t, c.Revoke(t.Context(), g))
	s.Restart(t)
	if has(t, c, g) || !has(t, c, h) {
		t.Error("the restart changed what is held")
	}
	with := start(t)
	with.do(t, "ACL", "SETUSER", "tenure", "+info", "+config|rewrite")
	refused(t, errors.Join(with.opened(t, connectors.Settings{"save": saveConfig}).Check(t.Context(), nil)...), "set save: aclfile")
}

func TestCeilings(t *testing.T) {
	s := start(t)
	c := s.opened(t, nil)
	for _, of := range []connectors.Spec{
		spec("@all", "x"), spec("@admin", "x"), spec("@dangerous", "x"), spec("@scripting", "x"), spec("acl", "x"), spec("acl|setuser", "x"), spec("config", "x"),
		spec("config|set", "x"), spec("flushall", "x"), spec("keys", "x"), spec("client", "x"), spec("client|kill", "x"), spec("function", "x"), spec("function|load", "x"),
		spec("eval", "x"), spec("module|load", "x"), spec("debug", "x"), spec("monitor", "x"), spec("@read config|set", "x"), {"commands": "replicaof"},
	} {
		refused(t, c.Grant(t.Context(), gr("alice", of), time.Time{}), "must be listed in the target's setting commands")
	}
	for _, pattern := range []string{"*", "**", "?*", "[a-z]*", "*:orders", "%R~*"} {
		refused(t, c.Grant(t.Context(), gr("alice", spec("get", pattern)), time.Time{}), "must be listed in the target's setting keys")
		if !strings.HasPrefix(pattern, "%") {
			refused(t, c.Grant(t.Context(), gr("alice", connectors.Spec{"commands": "publish", "channels": pattern}), time.Time{}), "must be listed in the target's setting channels")
		}
	}
	refused(t, c.Grant(t.Context(), gr("alice", spec("get|x", "x")), time.Time{}), "no command")

	narrow := s.opened(t, connectors.Settings{"commands": []string{"get", "flushdb"}, "keys": []string{"orders:*", "*"}, "channels": []string{"orders.*"}})
	refused(t, narrow.Grant(t.Context(), gr("alice", spec("set", "orders:*")), time.Time{}), "setting commands does not list")
	refused(t, narrow.Grant(t.Context(), gr("alice", spec("get", "orders:1")), time.Time{}), "setting keys does not list")
	refused(t, narrow.Grant(t.Context(), gr("alice", connectors.Spec{"commands": "get", "channels": "other"}), time.Time{}), "setting channels does not list")
	refused(t, errors.Join(narrow.Check(t.Context(), []string{gr("", spec("set", "orders:*")).Entitlement})...), "setting commands does not list")
	g := gr("alice", spec("get flushdb", "*"))
	ok(t, narrow.Grant(t.Context(), g, time.Time{}))
	ok(t, s.as(t, "alice").Do(t.Context(), "FLUSHDB").Err())
	ok(t, c.Revoke(t.Context(), g)) // what is not allowed any more can still be taken away
	if has(t, c, g) {
		t.Error("it is still there")
	}
}

func TestTheReconcilersOwnAccountAndDefaultAreLeftAlone(t *testing.T) {
	s := start(t)
	c := s.opened(t, nil)
	for _, name := range []string{"tenure", "default"} {
		before := s.line(t, name)
		g := gr(name, spec("get", "orders:*"))
		refused(t, c.Grant(t.Context(), g, time.Time{}), "account")
		refused(t, c.Revoke(t.Context(), g), "account")
		ok(t, c.EndSessions(t.Context(), []grants.Grant{g}))
		if after := s.line(t, name); after != before {
			t.Errorf("%s\nbecame\n%s", before, after)
		}
	}
}

func TestAClientThatWaitsOrWatchesIsEnded(t *testing.T) {
	s := start(t)
	c := s.opened(t, connectors.Settings{"commands": []string{"blpop", "monitor", "subscribe"}})
	pop, monitor := gr("alice", spec("blpop", "orders:*")), gr("bob", connectors.Spec{"commands": "monitor"})
	subscribe := gr("carol", connectors.Spec{"commands": "subscribe", "channels": "orders"})
	for _, g := range []grants.Grant{pop, monitor, subscribe} {
		ok(t, c.Grant(t.Context(), g, time.Time{}))
	}
	waits, watches, listens := s.dial(t, "alice"), s.dial(t, "bob"), s.dial(t, "carol")
	if answer := watches.ask("MONITOR"); answer != "+OK" {
		t.Fatal(answer)
	}
	if answer := listens.ask("SUBSCRIBE orders"); answer != "*3" {
		t.Fatal(answer)
	}
	_, err := waits.conn.Write([]byte("BLPOP orders:1 0\r\n"))
	ok(t, err)
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.do(t, "CLIENT", "LIST").(string), "flags=b"); {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
	for i, g := range []grants.Grant{pop, monitor, subscribe} {
		ok(t, c.Revoke(t.Context(), g))
		ok(t, c.EndSessions(t.Context(), []grants.Grant{g}))
		if list := s.do(t, "CLIENT", "LIST").(string); strings.Contains(list, "user="+g.Account+" ") {
			t.Errorf("%d: a connection of %s is there:\n%s", i, g.Account, list)
		}
	}
	s.do(t, "RPUSH", "orders:1", "secret")
	if n := s.do(t, "LLEN", "orders:1"); n != int64(1) {
		t.Error("somebody took it")
	}
}

func TestConnectionsStayWhereTheAccountHasEverything(t *testing.T) {
	s := start(t)
	s.do(t, "ACL", "SETUSER", "alice", "~*", "+@all")
	s.do(t, "ACL", "SETUSER", "bob", "(~* +@all)")
	s.do(t, "ACL", "SETUSER", "carol", "(~* +@all -get)")
	c := s.opened(t, nil)
	var lost []grants.Grant
	sessions := map[string]*session{}
	for _, name := range []string{"alice", "bob", "carol"} {
		sessions[name] = s.dial(t, name)
		lost = append(lost, gr(name, spec("get", "orders:*")))
	}
	ok(t, c.EndSessions(t.Context(), lost))
	for name, alive := range map[string]bool{"alice": true, "bob": true, "carol": false} {
		if answer := sessions[name].ask("PING"); (answer == "+PONG") != alive {
			t.Errorf("%s: %s", name, answer)
		}
	}
}

func TestOneRevokeRemovesEveryCopy(t *testing.T) {
	s := start(t)
	c := s.opened(t, nil)
	g := gr("alice", spec("get", "orders:*"))
	for range 3 {
		s.do(t, "ACL", "SETUSER", "alice", byHand(t, g))
	}
	found, err := c.Observe(t.Context(), []string{g.Entitlement})
	ok(t, err)
	if !slices.Equal(found, []grants.Grant{g}) {
		t.Errorf("%v", found)
	}
	ok(t, c.Revoke(t.Context(), g))
	refused(t, s.as(t, "alice").Do(t.Context(), "GET", "orders:1").Err(), "NOPERM")
}

func TestARightTakenAwayIsNamed(t *testing.T) {
	s := start(t)
	c := s.opened(t, nil)
	ok(t, errors.Join(c.Check(t.Context(), []string{gr("", spec("get", "orders:*")).Entitlement})...))
	for _, right := range []string{"multi", "exec", "acl|users", "acl|getuser", "acl|setuser", "acl|save", "acl|cat", "client|list", "client|kill", "config|get"} {
		s.do(t, "ACL", "SETUSER", "tenure", "-"+right)
		errs := c.Check(t.Context(), nil)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), "missing right: +"+right+" of tenure") {
			t.Errorf("%s: %v", right, errs)
		}
		s.do(t, "ACL", "SETUSER", "tenure", "+"+right)
	}
	s.do(t, "ACL", "SETUSER", "tenure", "-acl|setuser")
	refused(t, c.Grant(t.Context(), gr("alice", spec("get", "orders:*")), time.Time{}), "doctor names it")
}
