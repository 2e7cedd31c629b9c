//go:build linux

package ssh

import (
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/ssh/sshtest"
	"github.com/tenure-dev/tenure/grants"
)

// eventually polls a host until what it says is true.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// runs reports whether a process of this command line is alive on the host.
func runs(h *sshtest.Host, command string) bool {
	_, err := h.Try("", "pgrep -f '^"+command+"$' >/dev/null")
	return err == nil
}

func TestEverythingThatAKeyOpenedEndsWithTheLogin(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	mine, theirs := gr("alice", "web-1", login, "deploy"), gr("bob", "web-1", login, "deploy")
	ok(t, c.Grant(t.Context(), mine, tomorrow()))
	ok(t, c.Grant(t.Context(), theirs, tomorrow()))
	alice, err := h.Login(t, "deploy", s.keys["alice"])
	ok(t, err)
	bob, err := h.Login(t, "deploy", s.keys["bob"])
	ok(t, err)
	quiet, err := h.Login(t, "deploy", s.keys["alice"]) // no command at all, as for forwarding
	ok(t, err)
	shell, background := run(t, alice, "trap '' TERM HUP; cat"), run(t, bob, "cat")
	_, err = once(alice, "setsid nohup sleep 7001 >/dev/null 2>&1 </dev/null & disown 2>/dev/null; exit 0")
	ok(t, err)
	_, err = once(bob, "setsid nohup sleep 7002 >/dev/null 2>&1 </dev/null & exit 0")
	ok(t, err)
	eventually(t, "both are in the background", func() bool { return runs(h, "sleep 7001") && runs(h, "sleep 7002") })

	ok(t, c.Revoke(t.Context(), mine))
	end(t, c, mine)
	if shell.works() || runs(h, "sleep 7001") {
		t.Error("something of alice's lives")
	}
	if _, _, err := quiet.SendRequest("keepalive@openssh.com", true, nil); err == nil {
		t.Error("a connection without a command lives")
	}
	if !background.works() || !runs(h, "sleep 7002") {
		t.Error("something of bob's was ended")
	}
}

func TestWhoHasAKeyThereByHandKeepsTheSession(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", login, "deploy")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	client, err := h.Login(t, "deploy", s.keys["alice"])
	ok(t, err)
	shell := run(t, client, "cat")
	h.Authorize(t, "deploy", "no-pty "+s.lines["alice"])
	ok(t, c.Revoke(t.Context(), g))
	end(t, c, g)
	if !shell.works() || !holds(t, c, g) {
		t.Error("the key is still let in, and its session was ended")
	}
	h.Run(t, "echo 'expiry-time=\"20200101\" "+s.lines["alice"]+"' >~deploy/.ssh/authorized_keys")
	if holds(t, c, g) {
		t.Error("a key that sshd refuses is shown")
	}
	end(t, c, g)
	if shell.works() {
		t.Error("the session lives")
	}
}

func TestAConnectionThatNobodyWroteDownIsTold(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", login, "deploy")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	h.Run(t, "cp /etc/pam.d/sshd /root/pam && sed -i /tenure-host/d /etc/pam.d/sshd")
	client, err := h.Login(t, "deploy", s.keys["alice"])
	ok(t, err)
	shell := run(t, client, "cat")
	h.Run(t, "cp /root/pam /etc/pam.d/sshd")
	ok(t, c.Revoke(t.Context(), g))
	ender, _ := connectors.AsSessionEnder(c)
	refused(t, ender.EndSessions(t.Context(), []grants.Grant{g}), "web-1: login deploy of alice", "nobody wrote down whose key opened")
	if !shell.works() {
		t.Error("a session that may be anybody's was ended")
	}
	_ = client.Close()
	eventually(t, "it is gone", func() bool { return ender.EndSessions(t.Context(), []grants.Grant{g}) == nil })
}

func TestALoginIsRefusedWhereItsSessionsCouldNotBeEnded(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	h.Run(t, "sed -i /tenure-host/d /etc/pam.d/sshd")
	c := s.opened(t, nil)
	g := gr("alice", "web-1", login, "deploy")
	refused(t, c.Grant(t.Context(), g, tomorrow()), "sessions are not recorded", "session optional pam_exec.so quiet /usr/local/sbin/tenure-host session")
	h.Run(t, "rm /etc/ssh/sshd_config.d/tenure.conf")
	refused(t, c.Grant(t.Context(), g, tomorrow()), "sshd does not read /etc/ssh/tenure_keys/%u")
	ok(t, c.Revoke(t.Context(), g))
	if out := h.Run(t, "ls /etc/ssh/tenure_keys"); strings.TrimSpace(out) != "tenure" {
		t.Errorf("something was written: %s", out)
	}
}

func TestSessionsThatDoNotHaveTheGroupStay(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", group, "docker")
	before := run(t, s.as(t, h, "alice"), "cat")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	during := run(t, s.as(t, h, "alice"), "cat")
	through := run(t, s.as(t, h, "alice"), "sg docker -c cat") // the group as the effective one
	ok(t, c.Revoke(t.Context(), g))
	end(t, c, g)
	if !before.works() {
		t.Error("a session without the group was ended")
	}
	if during.works() || through.works() {
		t.Error("a session with the group lives")
	}
	h.Run(t, "usermod -g docker bob")
	primary := run(t, s.as(t, h, "bob"), "cat")
	end(t, c, gr("bob", "web-1", group, "docker"))
	if !primary.works() {
		t.Error("bob has the group by himself, and his session was ended")
	}
}

func TestARunningSudoEndsUnlessSudoWouldStillAllowIt(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	one, two := gr("alice", "web-1", sudo, "echo"), gr("alice", "web-1", sudo, "other")
	ok(t, c.Grant(t.Context(), one, tomorrow()))
	ok(t, c.Grant(t.Context(), two, tomorrow()))
	ok(t, c.Grant(t.Context(), gr("bob", "web-1", sudo, "echo"), tomorrow()))
	alice := s.as(t, h, "alice")
	shell, call := run(t, alice, "cat"), run(t, alice, "sudo -n cat")
	theirs := run(t, s.as(t, h, "bob"), "sudo -n cat")
	ok(t, c.Revoke(t.Context(), one))
	end(t, c, one)
	if !call.works() {
		t.Error("the other set allows the command, and it was ended")
	}
	ok(t, c.Revoke(t.Context(), two))
	end(t, c, two)
	if call.works() {
		t.Error("the call of sudo lives")
	}
	if !shell.works() || !theirs.works() {
		t.Error("something else was ended")
	}
}

func TestAServiceThatSudoHasStartedIsNoSession(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	rule := "ALL=(root) NOPASSWD: /usr/local/sbin/service"
	h.Write(t, "#!/bin/sh\nsetsid sleep 7003 >/dev/null 2>&1 </dev/null &\n[ \"$1\" != stay ] || exec cat\n", "cat >/usr/local/sbin/service && chmod 755 /usr/local/sbin/service")
	h.Allow(t, "sudo service "+rule)
	c := s.opened(t, connectors.Settings{"sudo": map[string]string{"service": rule}})
	g := gr("alice", "web-1", sudo, "service")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	alice := s.as(t, h, "alice")
	_, err := once(alice, "sudo -n /usr/local/sbin/service")
	ok(t, err)
	eventually(t, "the service runs", func() bool { return runs(h, "sleep 7003") })
	call := run(t, alice, "sudo -n /usr/local/sbin/service stay")
	ok(t, c.Revoke(t.Context(), g))
	end(t, c, g)
	if call.works() {
		t.Error("the call of sudo lives")
	}
	if !runs(h, "sleep 7003") {
		t.Error("the service was ended")
	}
}

func TestRecordsOfSessionsAreForgottenWithThem(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", login, "deploy")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	client, err := h.Login(t, "deploy", s.keys["alice"])
	ok(t, err)
	records := func() int { return strings.Count(h.Run(t, "cat /run/tenure/sessions/*"), "deploy alice") }
	eventually(t, "it is written down", func() bool { return records() == 1 })
	end(t, c, gr("bob", "web-1", login, "deploy"))
	if records() != 1 {
		t.Error("the record of a living session is gone")
	}
	_ = client.Close()
	eventually(t, "its record is gone", func() bool { end(t, c, gr("bob", "web-1", login, "deploy")); return records() == 0 })
}

func TestALoginThatWasOnItsWayWhenItsLineWentIsCut(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	// Opening a session waits until we say so.
	h.Write(t, "#!/bin/sh\n[ \"$PAM_USER\" != deploy ] || while ! [ -e /run/go ]; do sleep 0.05; done\n", "cat >/usr/local/sbin/slow && chmod 755 /usr/local/sbin/slow")
	h.Run(t, "sed -i 's,^session.*pam_loginuid.*,session optional pam_exec.so /usr/local/sbin/slow\\n&,' /etc/pam.d/sshd")
	lost, kept := gr("alice", "web-1", login, "deploy"), gr("bob", "web-1", login, "deploy")
	ok(t, c.Grant(t.Context(), lost, tomorrow()))
	ok(t, c.Grant(t.Context(), kept, tomorrow()))
	alice, err := h.Login(t, "deploy", s.keys["alice"]) // sshd has read the line by now
	ok(t, err)
	bob, err := h.Login(t, "deploy", s.keys["bob"])
	ok(t, err)
	ok(t, c.Revoke(t.Context(), lost))
	ok(t, c.Revoke(t.Context(), kept))
	end(t, c, lost)
	h.Authorize(t, "deploy", s.lines["bob"]) // who is let in by another hand stays
	h.Run(t, "touch /run/go")
	if out, err := once(alice, "id -un"); err == nil {
		t.Errorf("alice is %s", out)
	}
	if _, err := once(bob, "id -un"); err != nil {
		t.Errorf("bob: %v", err)
	}
}
