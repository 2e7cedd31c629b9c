//go:build linux

package ssh

import (
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

func TestAllCommandsOfARuleEndTogether(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	rule := "ALL = NOPASSWD: /usr/bin/id, (root) /usr/bin/cat, SETENV: /usr/bin/true"
	h.Allow(t, "sudo three "+rule)
	c := s.opened(t, connectors.Settings{"sudo": map[string]string{"three": rule}})
	g := gr("alice", "web-1", sudo, "three")
	alice := s.as(t, h, "alice")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	commands := []string{"id", "cat /dev/null", "true"}
	for _, command := range commands {
		if _, err := once(alice, "sudo -n "+command); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	ok(t, c.Grant(t.Context(), g, time.Now().Add(-time.Minute)))
	for _, command := range commands {
		if _, err := once(alice, "sudo -n "+command); err == nil {
			t.Errorf("%s after the end", command)
		}
	}
	if holds(t, c, g) {
		t.Error("what has ended is shown as held")
	}
}

func TestLinesOfOthersStayAsTheyAre(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	theirs := "# by hand\nno-pty " + s.lines["bob"] + " tenure:\n" + s.lines["carol"] + " tenure:alice\n"
	h.Write(t, theirs, "cat >/etc/ssh/tenure_keys/deploy")
	h.Write(t, "bob, carol   "+echo+"\ndave ALL=(root)\\\n NOPASSWD: /usr/bin/cat, \\\n/usr/bin/id", "cat >/etc/sudoers.d/theirs") // no line end
	h.Write(t, "alice "+echo+"\n", "cat >/etc/sudoers.d/old.bak")                                                                  // which sudo does not read
	for who, has := range map[string]bool{"alice": false, "bob": true, "carol": true, "dave": true} {
		if holds(t, c, gr(who, "web-1", sudo, "echo")) != has {
			t.Errorf("%s: %v", who, !has)
		}
	}
	g := gr("alice", "web-1", login, "deploy")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	ok(t, c.Grant(t.Context(), gr("bob", "web-1", login, "deploy"), tomorrow()))
	if out := h.Run(t, "cat /etc/ssh/tenure_keys/deploy"); !strings.HasPrefix(out, theirs) || strings.Count(out, "expiry-time") != 2 {
		t.Errorf("%s", out)
	}
	ok(t, c.Revoke(t.Context(), g))
	ok(t, c.Revoke(t.Context(), gr("bob", "web-1", login, "deploy")))
	if out := h.Run(t, "cat /etc/ssh/tenure_keys/deploy"); out != theirs {
		t.Errorf("%s", out)
	}
	if !holds(t, c, gr("bob", "web-1", login, "deploy")) || holds(t, c, g) {
		t.Error("the keys of others are not seen as they are")
	}
}

func TestAHomeLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", login, "deploy")
	h.Run(t, "mkdir ~deploy/.ssh && chown deploy ~deploy/.ssh && cd ~deploy/.ssh && umask 077 && echo '"+s.lines["alice"]+"' >/root/secret && ln -s /root/secret authorized_keys")
	if holds(t, c, g) {
		t.Error("a file of root's was read through a link")
	}
	h.Run(t, "cd ~deploy/.ssh && rm authorized_keys && mkfifo authorized_keys && chown deploy authorized_keys")
	if holds(t, c, g) {
		t.Error("a pipe lets somebody in")
	}
	h.Run(t, "cd ~deploy/.ssh && rm authorized_keys && head -c 1100000 /dev/zero | tr '\\000' '#' >authorized_keys && chown deploy authorized_keys")
	_, err := c.Observe(t.Context(), []string{g.Entitlement})
	refused(t, err, "login deploy", "too long")
	ok(t, c.Grant(t.Context(), g, tomorrow())) // is not kept from anything by it
	ok(t, c.Revoke(t.Context(), g))
	h.Run(t, "rm ~deploy/.ssh/authorized_keys; echo 'AuthorizedKeysFile /etc/%%keys/%u.%U /etc/ssh/tenure_keys/%u %h/keys' >/etc/ssh/sshd_config.d/tenure.conf")
	h.Run(t, "mkdir -m 755 /etc/%keys && (umask 022; echo '"+s.lines["alice"]+"' >/etc/%keys/deploy.$(id -u deploy))")
	if !holds(t, c, g) {
		t.Error("a key in another of sshd's files is not seen")
	}
}

func TestThoseWhoAreNobodysBusiness(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	h.Run(t, "useradd --non-unique --uid 0 toor; gpasswd -a tenure docker")
	for _, kind := range []string{group, sudo} {
		name := map[string]string{group: "docker", sudo: "echo"}[kind]
		refused(t, c.Grant(t.Context(), gr("root", "web-1", kind, name), tomorrow()), "root")
		refused(t, c.Grant(t.Context(), gr("tenure", "web-1", kind, name), tomorrow()), "tenure")
		refused(t, c.Revoke(t.Context(), gr("tenure", "web-1", kind, name)), "tenure")
		refused(t, c.Grant(t.Context(), gr("toor", "web-1", kind, name), tomorrow()), "uid 0")
	}
	if !holds(t, c, gr("tenure", "web-1", group, "docker")) {
		t.Error("the reconciler's own user has lost something")
	}
}

func TestMembersOfAGroupWhoDoNotExistAnyMoreAreRemoved(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", group, "docker")
	h.Run(t, "sed -i 's/^docker:.*/&alice,Some.One/' /etc/group; sed -i /^alice:/d /etc/passwd")
	if !holds(t, c, g) {
		t.Error("not seen")
	}
	ok(t, c.Revoke(t.Context(), g))
	if holds(t, c, g) {
		t.Error("still there")
	}
	if out := h.Run(t, "grep ^docker: /etc/group"); !strings.HasSuffix(out, ":Some.One\n") {
		t.Errorf("%s", out)
	}
}
