//go:build linux

package ssh

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/ssh/sshtest"
	"github.com/tenure-dev/tenure/grants"
)

func TestSudoUnderAnotherNameEndsToo(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", sudo, "echo")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	call := run(t, s.as(t, h, "alice"), "ln -s /usr/bin/sudo mine; ./mine -n cat")
	if !call.works() {
		t.Fatal("the link does not work")
	}
	ok(t, c.Revoke(t.Context(), g))
	end(t, c, g)
	if call.works() {
		t.Error("a call of sudo by a link lives")
	}
}

func TestFilesOfAUserKeepNoSessionAndHideNothingElse(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g, docker, ops := gr("alice", "web-1", login, "deploy"), gr("bob", "web-1", group, "docker"), gr("bob", "web-1", login, "ops")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	ok(t, c.Grant(t.Context(), docker, tomorrow()))
	client, err := h.Login(t, "deploy", s.keys["alice"])
	ok(t, err)
	session := run(t, client, "mkdir -p .ssh; head -c 1100000 /dev/zero | tr '\\000' '#' >.ssh/authorized_keys; cat")
	if !session.works() {
		t.Fatal("the session does not work")
	}
	p, _ := connectors.AsPartitioner(c)
	seen := 0
	for _, part := range p.Parts([]string{g.Entitlement, docker.Entitlement, ops.Entitlement}) {
		found, err := c.Observe(t.Context(), part)
		if hidden := slices.Contains(part, g.Entitlement); hidden != (err != nil) {
			t.Errorf("%q: %v", part, err)
		}
		seen += len(found)
	}
	if seen != 1 {
		t.Errorf("%d grants are seen", seen)
	}
	ok(t, c.Revoke(t.Context(), g))
	end(t, c, g)
	if session.works() {
		t.Error("a file of the user's own kept the session")
	}
}

func TestAFileOfKeysThatCannotBeReadStopsNoEnd(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	file := filepath.Join(t.TempDir(), "keys")
	ok(t, os.WriteFile(file, []byte("alice "+s.lines["alice"]+"\n"), 0o600))
	c := s.opened(t, connectors.Settings{"keys": nil, "keysFile": file})
	g, docker := gr("alice", "web-1", login, "deploy"), gr("alice", "web-1", group, "docker")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	ok(t, c.Grant(t.Context(), docker, tomorrow()))
	client, err := h.Login(t, "deploy", s.keys["alice"])
	ok(t, err)
	session := run(t, client, "cat")
	ok(t, os.WriteFile(file, []byte("Some.One ssh-rsa no key\n"), 0o600))
	if !holds(t, c, docker) {
		t.Error("a group is not seen")
	}
	_, err = c.Observe(t.Context(), []string{g.Entitlement})
	refused(t, err, "keysFile", "line 1")
	ok(t, c.Revoke(t.Context(), g))
	end(t, c, g, docker)
	if session.works() {
		t.Error("the session lives")
	}
}

// broken replaces a program that the script uses by one that fails.
func broken(t testing.TB, h *sshtest.Host, program string) (mend func()) {
	h.Run(t, "p=$(readlink -f $(command -v "+program+")); echo $p >/run/broken; mount --bind /usr/bin/false $p")
	return func() { h.Run(t, "umount $(cat /run/broken)") }
}

func TestAProgramThatFailsIsNeverTakenForAnAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	h.Write(t, s.lines["carol"]+" by hand\n", "cat >/etc/ssh/tenure_keys/deploy")
	ender, _ := connectors.AsSessionEnder(c)
	for _, kind := range [][2]string{{group, "docker"}, {sudo, "echo"}, {login, "deploy"}} {
		lost, kept := gr("alice", "web-1", kind[0], kind[1]), gr("bob", "web-1", kind[0], kind[1])
		ok(t, c.Grant(t.Context(), lost, tomorrow()))
		ok(t, c.Grant(t.Context(), kept, tomorrow()))
		before := files(t, h)
		mend := broken(t, h, "awk")
		if err := c.Revoke(t.Context(), lost); err == nil {
			t.Errorf("%s: a revoke without awk has no error", kind)
		}
		if found, err := c.Observe(t.Context(), []string{lost.Entitlement}); err == nil {
			t.Errorf("%s: %v is taken for all", kind, found)
		}
		if err := ender.EndSessions(t.Context(), []grants.Grant{lost}); err == nil {
			t.Errorf("%s: sessions are said to be ended", kind)
		}
		mend()
		if after := files(t, h); after != before {
			t.Errorf("%s: something was written:\n%s", kind, after)
		}
		ok(t, c.Revoke(t.Context(), lost))
		if holds(t, c, lost) || !holds(t, c, kept) {
			t.Errorf("%s: not what it should be", kind)
		}
	}
	mend := broken(t, h, "find")
	if err := ender.EndSessions(t.Context(), []grants.Grant{gr("alice", "web-1", sudo, "echo")}); err == nil {
		t.Error("sessions of sudo are said to be ended")
	}
	mend()
}

func TestARuleThatIsBrokenKeepsNobodyIn(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	const bad = "ALL=(root) NOPASSWD /usr/bin/id"
	h.Allow(t, "sudo echo "+bad)
	c := s.opened(t, nil)
	later := s.opened(t, connectors.Settings{"sudo": map[string]string{"echo": bad}})
	alice, bob, carol := gr("alice", "web-1", sudo, "echo"), gr("bob", "web-1", sudo, "echo"), gr("carol", "web-1", sudo, "echo")
	ok(t, c.Grant(t.Context(), alice, tomorrow()))
	ok(t, c.Grant(t.Context(), bob, tomorrow()))
	b, _ := connectors.AsBatcher(later)
	errs := b.Apply(t.Context(), []connectors.Act{{Grant: carol, Until: tomorrow()}, {Grant: alice, Revoke: true}, {Grant: bob, Until: tomorrow()}})
	refused(t, errs[0], "visudo refuses it")
	ok(t, errs[1])
	refused(t, errs[2], "visudo refuses it")
	if holds(t, c, alice) || holds(t, c, carol) || !holds(t, c, bob) {
		t.Error("not what it should be")
	}
	// What another hand has broken.
	ok(t, c.Grant(t.Context(), alice, tomorrow()))
	h.Run(t, "echo 'dave ALL=(root) NOPASSWD /usr/bin/id' >>/etc/sudoers.d/tenure_echo")
	ok(t, c.Revoke(t.Context(), alice))
	if holds(t, c, alice) || !holds(t, c, bob) {
		t.Error("not what it should be")
	}
	refused(t, c.Grant(t.Context(), alice, tomorrow()), "visudo refuses it")
	if holds(t, c, alice) {
		t.Error("granted")
	}
}

func TestAKeyIsTakenAwayAlsoWhereItCannotBeNoted(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", login, "deploy")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	h.Run(t, "rm -rf /run/tenure/withdrawn; touch /run/tenure/withdrawn")
	refused(t, c.Revoke(t.Context(), g), "/run/tenure/withdrawn cannot be written")
	if holds(t, c, g) {
		t.Error("the key is still there")
	}
	h.Run(t, "rm /run/tenure/withdrawn")
	ok(t, c.Revoke(t.Context(), g))
}

func TestAHomeThatSshdDoesNotReadLetsNobodyBackIn(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	page, err := os.ReadFile("../../docs/connectors/ssh.md")
	ok(t, err)
	_, block, found := strings.Cut(string(page), "```\nMatch User deploy\n")
	block, _, _ = strings.Cut(block, "```")
	if !found {
		t.Fatal("the documentation has no such lines")
	}
	h.Write(t, "Match User deploy\n"+block, "cat >>/etc/ssh/sshd_config.d/tenure.conf")
	h.Kill()
	h.Restart(t)
	g := gr("alice", "web-1", login, "deploy")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	client, err := h.Login(t, "deploy", s.keys["alice"])
	ok(t, err)
	key, line, _ := sshtest.NewKey(t)
	_, err = once(client, "umask 077; mkdir .ssh; echo '"+line+"' >.ssh/authorized_keys")
	ok(t, err)
	_, err = h.Login(t, "deploy", key)
	refused(t, err, "unable to authenticate")
	h.Authorize(t, "ops", line)
	if _, err = h.Login(t, "ops", key); err != nil {
		t.Errorf("other users have lost their keys: %v", err)
	}
}

func TestFilesOfRootAreNotShown(t *testing.T) {
	t.Parallel()
	h := start(t, "web-1").hosts[0]
	out := say(t, tenure(t, h), "tenure-host 1 10\nlook login root\ngo\n")
	if strings.Contains(out, "ssh-") || !strings.HasSuffix(out, "2 ok\ndone\n") {
		t.Errorf("%s", out)
	}
}

func TestARequestWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	h := start(t, "web-1").hosts[0]
	out := say(t, tenure(t, h), "tenure-host 1 10\n"+strings.Repeat("look group docker\n", 500000)+"go\n")
	if !strings.Contains(out, "the request is not whole") {
		t.Errorf("%.300s", out)
	}
}
