//go:build linux

package ssh

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/connectors/ssh/sshtest"
	"github.com/tenure-dev/tenure/grants"
)

// hostile are the suite's hostile names that are names here, too.
var hostile = []string{"public", "none", "null", "true", "mixed"}

// subject is what the three runs of the suite have in common.
func (s *scene) subject(t *testing.T, kind, name string, more connectors.Settings) conformance.Subject {
	h := s.hosts[0]
	file := filepath.Join(t.TempDir(), "keys")
	var mu sync.Mutex
	known := map[string]bool{}
	addKey := func(account, line string) {
		mu.Lock()
		defer mu.Unlock()
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		ok(t, err)
		_, err = fmt.Fprintln(f, account, line)
		ok(t, err)
		ok(t, f.Close())
		known[account] = true
	}
	for who, line := range s.lines {
		addKey(who, line)
	}
	settings := connectors.Settings{
		"keys": nil, "keysFile": file, "groups": append([]string{"docker", "adm", "absent"}, hostile...),
		"logins": append([]string{"deploy", "ops", "absent"}, hostile...),
	}
	rules := map[string]string{"restart-nginx": restartNginx, "echo": echo, "other": other, "absent": "ALL=(root) /bin/absent"}
	for _, name := range hostile {
		rules[name] = "ALL=(root) NOPASSWD: /usr/bin/" + name
		h.Allow(t, "group "+name, "login "+name, "sudo "+name+" "+rules[name])
	}
	settings["sudo"] = rules
	for k, v := range more {
		settings[k] = v
	}
	spec := func(kind, name string) connectors.Spec { return connectors.Spec{"host": "web-1", kind: name} }
	return conformance.Subject{
		Driver: Driver{}, Target: "web",
		Open:     func(t testing.TB) connectors.Connector { return s.open(t, settings) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs:    []connectors.Spec{spec(kind, name)},
		Absent:   spec(kind, "absent"),
		BadSpecs: []connectors.Spec{
			{"host": "web-1"}, {"group": "docker"}, {"host": "", "group": "docker"}, {"host": "Web", "group": "docker"}, {"host": "web-1", "group": "Docker"},
			{"host": "web-1", "group": "docker", "sudo": "echo"}, {"host": "web-1", "login": "root"}, {"host": "web-1", "login": "-x"},
			{"host": "web-*", "group": "docker"}, {"host": "web-1", "group": "%docker"}, {"host": "web-1", "sudo": "ALL=(ALL) ALL"}, {"host": 1, "group": "docker"},
			{"host": "web-1", "group": strings.Repeat("x", 33)}, {"host": "-web", "group": "docker"}, {"host": "web-1 ", "group": "docker"},
		},
		UnknownAccount: "mallory",
		Named:          func(name string) connectors.Spec { return spec(kind, name) },
		Create: func(t testing.TB, what conformance.Kind, name string) bool {
			if checkUser(name) != nil {
				return true // useradd refuses it, too; so must the connector
			}
			if what == conformance.EntitlementName {
				switch kind {
				case group:
					h.Run(t, "getent group "+name+" >/dev/null || groupadd "+name)
				case login:
					h.Run(t, "getent passwd "+name+" >/dev/null || useradd --no-create-home "+name)
				}
				return true
			}
			if kind == login {
				if !known[name] {
					_, line, _ := sshtest.NewKey(t)
					addKey(name, line)
				}
				return true
			}
			if strings.HasPrefix(name, "page") {
				if !known["page"] { // all at once
					known["page"] = true
					h.Run(t, "for n in $(seq -w 0 249); do echo page00$n:x:6$n:100::/:/bin/sh >>/etc/passwd; done")
				}
				return true
			}
			// As useradd would, which takes 30 ms each.
			h.Run(t, fmt.Sprintf("getent passwd %[1]s >/dev/null || { n=$(($(tail -n 1 /etc/passwd | cut -d: -f3) + 1)); [ $n -gt 5000 ] || n=5001; "+
				"echo %[1]s:x:$n:100::/:/bin/sh >>/etc/passwd; }", name))
			return true
		},
		Kill:    func(testing.TB) { h.Kill() },
		Restart: func(t testing.TB) { h.Restart(t) },
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			h := sshtest.Start(t, "web-1")
			h.AddUser(t, "deploy")
			h.Run(t, ">/etc/tenure/allow")
			weak := &scene{hosts: []*sshtest.Host{h}, lines: s.lines}
			return weak.open(t, settings), []string{
				"web-1: missing right: sudo echo: /etc/tenure/allow lacks the line: sudo echo " + echo,
			}
		},
		NotApplicable: map[conformance.Case]string{},
	}
}

func TestConformanceOfLogins(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	u := s.subject(t, login, "deploy", connectors.Settings{"groups": nil})
	u.Specs = append(u.Specs, connectors.Spec{"host": "web-1", "sudo": "echo"})
	u.ForeignGrant = func(t testing.TB, g grants.Grant) { h.Authorize(t, "deploy", s.lines[g.Account]+" by hand") }
	u.ForeignRevoke = func(t testing.TB, g grants.Grant) {
		for _, f := range []string{"/home/deploy/.ssh/authorized_keys", "/etc/ssh/tenure_keys/deploy"} {
			h.Run(t, fmt.Sprintf("[ ! -f %[1]s ] || { grep -vF '%[2]s' %[1]s >/tmp/left; cat /tmp/left >%[1]s; }", f, s.lines[g.Account]))
		}
	}
	u.Session = func(t testing.TB, g grants.Grant) func() bool {
		client, err := h.Login(t, "deploy", s.keys[g.Account])
		ok(t, err)
		return run(t, client, "cat").works
	}
	u.Expired = func(t testing.TB, g grants.Grant) bool {
		_, err := h.Login(t, "deploy", s.keys[g.Account])
		return err != nil && strings.Contains(err.Error(), "unable to authenticate")
	}
	weak := u.Weak
	u.Weak = func(t testing.TB) (connectors.Connector, []string) {
		c, words := weak(t)
		return c, append(words, "web-1: missing right: login deploy: /etc/tenure/allow lacks the line: login deploy")
	}
	conformance.Run(t, u)
}

func TestConformanceOfSudo(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	u := s.subject(t, sudo, "echo", connectors.Settings{"groups": nil})
	u.Specs = append(u.Specs, connectors.Spec{"host": "web-1", "login": "deploy"})
	u.ForeignGrant = func(t testing.TB, g grants.Grant) {
		h.Run(t, fmt.Sprintf("echo '%s, nobody %s # by hand' >/etc/sudoers.d/by-hand && chmod 440 /etc/sudoers.d/by-hand && visudo -c", g.Account, echo))
	}
	u.ForeignRevoke = func(t testing.TB, g grants.Grant) {
		h.Run(t, fmt.Sprintf("rm -f /etc/sudoers.d/by-hand; f=/etc/sudoers.d/tenure_echo; [ ! -f $f ] || sed -i '/^%s /d' $f", g.Account))
	}
	u.Session = func(t testing.TB, g grants.Grant) func() bool {
		return run(t, s.as(t, h, g.Account), "sudo -n cat").works
	}
	u.Expired = func(t testing.TB, g grants.Grant) bool {
		_, err := once(s.as(t, h, g.Account), "sudo -n id -u")
		return err != nil && strings.Contains(err.Error(), "password")
	}
	weak := u.Weak
	u.Weak = func(t testing.TB) (connectors.Connector, []string) {
		c, words := weak(t)
		return c, append(words, "web-1: missing right: login deploy: /etc/tenure/allow lacks the line: login deploy")
	}
	conformance.Run(t, u)
}

func TestConformanceOfGroups(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1", "web-2")
	h := s.hosts[0]
	u := s.subject(t, group, "docker", nil)
	u.Specs = append(u.Specs,
		connectors.Spec{"host": "web-2", "group": "docker"}, connectors.Spec{"host": "web-1", "sudo": "echo"})
	u.ForeignGrant = func(t testing.TB, g grants.Grant) { h.Run(t, "gpasswd -a "+g.Account+" docker") }
	u.ForeignRevoke = func(t testing.TB, g grants.Grant) { h.Run(t, "gpasswd -d "+g.Account+" docker") }
	u.Session = func(t testing.TB, g grants.Grant) func() bool {
		client := s.as(t, h, g.Account)
		groups, err := once(client, "id -Gn")
		if ok(t, err); !strings.Contains(groups, "docker") {
			t.Fatalf("%s logs in with the groups %s", g.Account, groups)
		}
		return run(t, client, "cat").works
	}
	weak := u.Weak
	u.Weak = func(t testing.TB) (connectors.Connector, []string) {
		c, words := weak(t)
		return c, append(words,
			"web-1: missing right: group docker: the group docker does not exist",
			`the target's setting hosts does not list "web-2"`)
	}
	u.NotApplicable[conformance.CaseNativeExpiry] = "nothing on a host ends the membership of a group"
	conformance.Run(t, u)
}
