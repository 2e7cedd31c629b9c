package redis

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

// The server takes quotes off the words of a selector, so that a pattern of them would
// be another than the one that was asked for.
func TestAPatternIsHeldAsItIsWrittenOrRefused(t *testing.T) {
	s := start(t)
	c := s.opened(t, nil)
	for r := '!'; r <= '~'; r++ {
		for _, key := range []string{"keys", "channels"} {
			of := connectors.Spec{"commands": "get", key: "a" + string(r) + "*" + string(r)}
			if _, err := (Driver{}).Canonical(of); err != nil {
				if !strings.ContainsRune(`()"'`, r) {
					t.Error(err)
				}
				continue
			}
			g := gr("alice", of)
			ok(t, c.Grant(t.Context(), g, time.Time{}))
			ok(t, c.Revoke(t.Context(), g))
			if line := s.line(t, "alice"); strings.Contains(line, "(") {
				t.Fatalf("%s left %s", g.Entitlement, line)
			}
		}
	}
	for _, pattern := range []string{`'*'`, `"*"`, `"\x2a"`, `%R~'*'`, `a'`, `'`} {
		_, err := Driver{}.Canonical(spec("get", pattern))
		refused(t, err, "quote")
		_, err = Driver{}.Open(t.Context(), "cache", connectors.Settings{"address": "127.0.0.1:1", "user": "u", "password": "p", "keys": []string{pattern}})
		refused(t, err, "quote")
	}
}

func TestEveryPatternSurvivesARestart(t *testing.T) {
	var all []string
	for r := '!'; r <= '~'; r++ {
		if !strings.ContainsRune(`()"'`, r) {
			all = append(all, "a"+string(r)+"b"+string(r))
		}
	}
	s := start(t)
	c := s.opened(t, nil)
	g := gr("alice", connectors.Spec{"commands": "get", "keys": append(all, "größe:*")})
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	s.Restart(t)
	if !has(t, c, g) {
		t.Error(s.line(t, "alice"))
	}

	dir := t.TempDir()
	file := filepath.Join(dir, "redis.conf")
	ok(t, os.WriteFile(file, []byte("user default off\nuser admin on >root ~* &* +@all\n"), 0o600))
	s = run(t, dir, file)
	s.scene2(t)
	c = s.opened(t, connectors.Settings{"save": saveConfig})
	all = slices.DeleteFunc(all, func(p string) bool { return strings.Contains(p, `\`) })
	g = gr("alice", connectors.Spec{"commands": "get", "keys": all})
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	s.Restart(t)
	if !has(t, c, g) {
		t.Error(s.line(t, "alice"))
	}
}

func TestAnotherHandsPatternKeepsItsQuotes(t *testing.T) {
	s := start(t)
	s.do(t, "ACL", "SETUSER", "alice", `("~'*'" "%R~a\"\\b" "&'*'" +get)`, "(~plain +set)")
	before := s.line(t, "alice")
	c := s.opened(t, nil)
	g := gr("alice", spec("get", "orders:*"))
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	ok(t, c.Revoke(t.Context(), g))
	if after := s.line(t, "alice"); after != before {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
}
