//go:build linux

package ssh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/ssh/sshtest"
)

// tenure logs in with the reconciler's own key, as somebody who has stolen it would.
func tenure(t testing.TB, h *sshtest.Host) *ssh.Client {
	t.Helper()
	key, err := ssh.ParsePrivateKey([]byte(h.Key))
	ok(t, err)
	client, err := h.Login(t, "tenure", key)
	ok(t, err)
	return client
}

// say gives the script a request, byte by byte as it is.
func say(t testing.TB, client *ssh.Client, request string) string {
	t.Helper()
	s, err := client.NewSession()
	ok(t, err)
	defer s.Close()
	s.Stdin = strings.NewReader(request)
	out, _ := s.CombinedOutput("anything")
	return string(out)
}

// files is everything on the host that the script writes.
func files(t testing.TB, h *sshtest.Host) string {
	t.Helper()
	return h.Run(t, "cat /etc/group; find /etc/sudoers.d /etc/ssh/tenure_keys -type f | sort | xargs tail -n +1; ls -lA --time-style=+ /etc/sudoers.d /etc/ssh/tenure_keys")
}

func TestTheKeyRunsTheScriptAndNothingElse(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	client := tenure(t, h)
	for _, command := range []string{"id", "sh -c 'touch /home/tenure/x'", "", "scp -t /tmp", "/usr/local/sbin/tenure-host session"} {
		session, err := client.NewSession()
		ok(t, err)
		out, err := session.CombinedOutput(command)
		if err == nil || !strings.Contains(string(out), "the request is not whole") {
			t.Errorf("%q: %s, %v", command, out, err)
		}
	}
	session, err := client.NewSession()
	ok(t, err)
	if err := session.RequestPty("xterm", 24, 80, nil); err == nil {
		t.Error("it has a terminal")
	}
	if out, err := session.CombinedOutput("sftp"); err == nil || !strings.Contains(string(out), "not whole") {
		t.Errorf("sftp: %s, %v", out, err)
	}
	if conn, err := client.Dial("tcp", h.Address); err == nil {
		_ = conn.Close()
		t.Error("it forwards")
	}
	if out := h.Run(t, "ls -A /home/tenure"); strings.Contains(out, "x\n") {
		t.Error("a command was run")
	}
}

func TestTheHostGivesOnlyWhatItsOwnListHas(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	h.AddGroup(t, "sudo")
	before := files(t, h)
	more := "ALL=(ALL) NOPASSWD: ALL"
	c := s.opened(t, connectors.Settings{"groups": []string{"sudo"}, "logins": []string{"carol"}, "sudo": map[string]string{"echo": more}})
	refused(t, c.Grant(t.Context(), gr("alice", "web-1", group, "sudo"), tomorrow()), "/etc/tenure/allow lacks the line: group sudo")
	refused(t, c.Grant(t.Context(), gr("alice", "web-1", login, "carol"), tomorrow()), "/etc/tenure/allow lacks the line: login carol")
	refused(t, c.Grant(t.Context(), gr("alice", "web-1", sudo, "echo"), tomorrow()), "/etc/tenure/allow lacks the line: sudo echo "+more)
	if after := files(t, h); after != before {
		t.Errorf("something was written:\n%s", after)
	}
}

func TestWhoHasTheKeyCannotWriteAnythingElse(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	client := tenure(t, h)
	before := files(t, h)
	_, line, _ := sshtest.NewKey(t)
	keyType, key, _ := strings.Cut(line, " ")
	for _, lines := range []string{
		"change sudo echo ALL=(ALL) NOPASSWD: ALL\n+ alice -",
		"change sudo echo " + echo + ", /bin/sh\n+ alice -",
		"change sudo ../x " + echo + "\n+ alice -",
		"change sudo echo " + echo + "\n+ alice NOPASSWD:",
		"change sudo echo " + echo + "\n+ %alice -\n+ ALL -\n+ #0 -\n+ root -\n+ tenure -\n+ nobody,alice -\n+ $(id) -\n+ `id` -",
		"change group root\n+ alice -", "change group docker,root\n+ alice -", "change group tenure\n+ alice -",
		"change group docker\n+ -a -\n+ root -\n+ tenure -\n+ ../../x -\n- ../x\n- tenure\n- root;id",
		"change login root\n+ alice - " + line, "change login tenure\n+ alice - " + line + "\n- tenure", "change login ../passwd\n+ alice - " + line,
		"change login deploy\n+ alice - command=\"id\" " + key, "change login deploy\n+ alice - " + keyType + " " + key + " x", "change login deploy\n+ alice -",
		"change login deploy\n+ alice - " + keyType + " AAAA\"x", "change login deploy\n+ alice 20300101000000 " + line,
		"change file /etc/passwd\n+ alice -", "change\n+ alice -", "+ alice -", "- alice", "write /etc/passwd x", "look file /etc/shadow", "look login ../../shadow", "try sudo x $(id)",
		"change group docker\n+ alice\x01 -", "change group docker\r\n+ alice -\r",
		"end group root root", "end login tenure tenure", "end sudo echo root", "end file x y",
	} {
		answer := say(t, client, "tenure-host 1 10\n"+lines+"\ngo\n")
		if !strings.HasSuffix(answer, "\ndone\n") || strings.Contains(answer, "root:x") {
			t.Errorf("%q: %s", lines, answer)
		}
		if after := files(t, h); after != before {
			t.Fatalf("%q wrote something: %s\n%s", lines, answer, after)
		}
	}
	if _, err := h.Try("", "true"); err != nil {
		t.Error("root's session was ended")
	}
}

func TestARequestThatIsCutDoesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	client := tenure(t, h)
	before := files(t, h)
	whole := "tenure-host 1 10\nchange group docker\n+ alice -\n+ bob -\ngo\n"
	for n := range len(whole) - len("\n") {
		if n%3 == 0 || n > len(whole)-6 {
			if out := say(t, client, whole[:n]); strings.Contains(out, " ok") {
				t.Errorf("%q: %s", whole[:n], out)
			}
		}
	}
	say(t, client, strings.Replace(whole, "tenure-host 1", "tenure-host 2", 1))
	say(t, client, strings.Replace(whole, "1 10", "1 100000000", 1))
	if after := files(t, h); after != before {
		t.Errorf("something was done: %s", after)
	}
	if out := say(t, client, whole); strings.Count(out, " ok") != 2 {
		t.Errorf("%s", out)
	}
}

func TestWhatHasNotBegunInTimeIsNotDone(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", group, "docker")
	if holds(t, c, g) { // connects
		t.Fatal("held")
	}
	h.Run(t, "mkdir -p /run/tenure; (flock 9; touch /run/held; sleep 5; rm /run/held) 9>>/run/tenure/lock >/dev/null 2>&1 </dev/null &")
	eventually(t, "somebody holds the lock", func() bool { _, err := h.Try("", "[ -e /run/held ]"); return err == nil })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	refused(t, c.Grant(ctx, g, tomorrow()))
	eventually(t, "the lock is free and nobody waits for it", func() bool {
		_, err := h.Try("", "! [ -e /run/held ] && ! pgrep -x flock && ! pgrep -f '[s]h /usr/local/sbin/tenure-host'")
		return err == nil
	})
	if holds(t, c, g) {
		t.Error("it was done after the reconciler had given up")
	}
	ok(t, c.Grant(t.Context(), g, tomorrow()))
}

func TestARuleThatSudoCannotReadIsNeverInstalled(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	bad := map[string]string{"echo": echo, "tag": "ALL=(root) NOPASWD: /usr/bin/id", "colon": "ALL=(root) NOPASSWD /usr/bin/id", "path": "ALL=(root) NOPASSWD: id"}
	for name, rule := range bad {
		h.Allow(t, "sudo "+name+" "+rule)
	}
	bad["echo"] = echo
	delete(bad, "tag") // refused by Open
	c := s.opened(t, connectors.Settings{"sudo": bad})
	ok(t, c.Grant(t.Context(), gr("alice", "web-1", sudo, "echo"), tomorrow()))
	before := files(t, h)
	k, _ := connectors.AsChecker(c)
	for _, name := range []string{"colon", "path"} {
		g := gr("bob", "web-1", sudo, name)
		refused(t, c.Grant(t.Context(), g, tomorrow()), "visudo refuses it")
		errs := k.Check(t.Context(), []string{g.Entitlement})
		if len(errs) != 1 {
			t.Errorf("%s: %v", name, errs)
		}
		refused(t, errs[0], "missing right: sudo "+name, "visudo refuses it")
	}
	if after := files(t, h); after != before {
		t.Errorf("something was written: %s", after)
	}
	h.Run(t, "visudo -c")
	if _, err := once(s.as(t, h, "alice"), "sudo -n id -u"); err != nil {
		t.Error(err)
	}
}

func TestAnotherScriptIsToldOf(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	k, _ := connectors.AsChecker(c)
	scope := []string{gr("", "web-1", group, "docker").Entitlement, gr("", "web-1", login, "deploy").Entitlement, gr("", "web-1", sudo, "echo").Entitlement}
	if errs := k.Check(t.Context(), scope); len(errs) != 0 {
		t.Fatal(errs)
	}
	h.Run(t, "echo '# older' >>/usr/local/sbin/tenure-host")
	errs := k.Check(t.Context(), scope)
	if len(errs) != 1 {
		t.Fatal(errs)
	}
	refused(t, errs[0], "web: web-1: /usr/local/sbin/tenure-host is not the one of this version")
	h.Write(t, "#!/bin/sh\necho tenure-host 2 x\n", "cat >/usr/local/sbin/tenure-host")
	refused(t, fmt.Errorf("%v", k.Check(t.Context(), nil)), "install the one that belongs to it")
	h.Run(t, "rm /usr/local/sbin/tenure-host")
	_, err := c.Observe(t.Context(), scope)
	refused(t, err, "tenure-host", "not found")
	h.Run(t, "rm /etc/sudoers.d/tenure")
	_, err = c.Observe(t.Context(), scope)
	refused(t, err, "sudo: a password is required")
}

func TestTheReconcilerMayLogInAsRoot(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	_, line, private := sshtest.NewKey(t)
	h.Authorize(t, "root", `restrict,command="/usr/local/sbin/tenure-host" `+line)
	c := s.opened(t, connectors.Settings{"user": "root", "key": private})
	for _, g := range []string{group + " docker", sudo + " echo", login + " deploy"} {
		kind, name, _ := strings.Cut(g, " ")
		ok(t, c.Grant(t.Context(), gr("alice", "web-1", kind, name), tomorrow()))
		ok(t, c.Revoke(t.Context(), gr("alice", "web-1", kind, name)))
		end(t, c, gr("alice", "web-1", kind, name))
	}
}

func TestTheScriptMeansTheSameToOtherShells(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	all := []connectors.Act{
		{Grant: gr("alice", "web-1", group, "docker"), Until: tomorrow()}, {Grant: gr("alice", "web-1", sudo, "echo"), Until: tomorrow()},
		{Grant: gr("alice", "web-1", login, "deploy"), Until: tomorrow()}, {Grant: gr("bob", "web-1", login, "deploy"), Until: tomorrow()},
	}
	tried := 0
	for _, programs := range [][2]string{{"/bin/bash", "/usr/bin/mawk"}, {"/bin/dash", "/usr/bin/gawk"}, {"/bin/bash", "/usr/bin/original-awk"}} {
		shell, awk := programs[0], programs[1]
		if _, err := h.Try("", "[ -x "+shell+" ] && [ -x "+awk+" ]"); err != nil {
			t.Logf("%s and %s are not both here", shell, awk)
			continue
		}
		tried++
		h.Run(t, "ln -sf "+awk+" /etc/alternatives/awk && sed -i '1s,.*,#!"+shell+",' /usr/local/sbin/tenure-host")
		b, _ := connectors.AsBatcher(c)
		ok(t, errors.Join(b.Apply(t.Context(), all)...))
		for _, a := range all {
			if !holds(t, c, a.Grant) {
				t.Errorf("%s, %s: %s is not held", shell, awk, a.Grant)
			}
		}
		client := s.as(t, h, "alice")
		member, call := run(t, client, "cat"), run(t, client, "sudo -n cat")
		client, err := h.Login(t, "deploy", s.keys["alice"])
		ok(t, err)
		deployed := run(t, client, "cat")
		client, err = h.Login(t, "deploy", s.keys["bob"])
		ok(t, err)
		others := run(t, client, "cat")
		for i, session := range []*live{call, member, deployed} {
			lost := []connectors.Act{all[1], all[0], all[2]}[i].Grant
			if !session.works() {
				t.Errorf("%s, %s: the session of %s does not work", shell, awk, lost)
			}
			ok(t, c.Revoke(t.Context(), lost))
			end(t, c, lost)
			if session.works() || holds(t, c, lost) {
				t.Errorf("%s, %s: %s has not ended", shell, awk, lost)
			}
		}
		if !others.works() {
			t.Errorf("%s, %s: bob's session was ended", shell, awk)
		}
	}
	if tried == 0 {
		t.Error("there is no other shell to try")
	}
}

func TestAUserCannotReachTheScriptThroughTheEnvironmentOfPAM(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", login, "deploy")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	h.Write(t, "SSH_AUTH_INFO_0 DEFAULT=nothing\nFROM_HOME DEFAULT=yes\n", "cat >~deploy/.pam_environment && chown deploy ~deploy/.pam_environment")
	client, err := h.Login(t, "deploy", s.keys["alice"])
	ok(t, err)
	if out, err := once(client, "echo $FROM_HOME"); err != nil || out != "yes" {
		t.Logf("PAM does not read that file here: %q, %v", out, err)
	}
	session := run(t, client, "cat")
	if !session.works() {
		t.Error("the session does not work")
	}
	if out := h.Run(t, "cat /run/tenure/sessions/*"); !strings.Contains(out, "deploy alice\n") {
		t.Errorf("the session is not alice's: %s", out)
	}
	ok(t, c.Revoke(t.Context(), g))
	end(t, c, g)
	if session.works() {
		t.Error("the session lives")
	}

	// Where the line stands too low, nobody can be let in.
	for _, change := range []string{
		"grep tenure-host sshd >line; sed -i /tenure-host/d sshd; cat line >>sshd", // at the end
		"sed -i '1i session required pam_env.so user_readenv=1' sshd",
	} {
		h.Run(t, "cp /etc/pam.d/sshd /run/sshd.pam; cd /etc/pam.d && "+change)
		refused(t, c.Grant(t.Context(), g, tomorrow()), "right after pam_loginuid")
		h.Run(t, "cp /run/sshd.pam /etc/pam.d/sshd")
	}
	ok(t, c.Grant(t.Context(), g, tomorrow()))
}
