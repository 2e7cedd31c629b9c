//go:build linux

package ssh

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/ssh/sshtest"
	"github.com/tenure-dev/tenure/grants"
)

// mute is a host that takes connections and never says a word.
func mute(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var all []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			all = append(all, c)
		}
		for _, c := range all {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestAHostThatIsDownHidesAndDelaysNothingOfTheOthers(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1", "web-2")
	set := s.settings(nil)
	hosts, keys := set["hosts"].(map[string]string), set["hostKeys"].(map[string]string)
	hosts["mute"], keys["mute"] = mute(t), keys["web-1"]
	hosts["gone"], keys["gone"] = "127.0.0.1:1", keys["web-1"]
	c, err := Driver{}.Open(t.Context(), "web", set)
	ok(t, err)
	t.Cleanup(func() { _ = c.Close() })

	names := []string{"web-1", "mute", "gone", "web-2"}
	var acts []connectors.Act
	var scope []string
	for _, name := range names {
		for _, who := range []string{"alice", "bob"} {
			acts = append(acts, connectors.Act{Grant: gr(who, name, group, "docker"), Until: tomorrow()})
		}
		scope = append(scope, gr("", name, group, "docker").Entitlement)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	b, _ := connectors.AsBatcher(c)
	for i, err := range b.Apply(ctx, acts) {
		if down := i/2 == 1 || i/2 == 2; down != (err != nil) || down && !errors.Is(err, errDown) {
			t.Errorf("%s: %v", acts[i].Grant, err)
		}
	}
	p, _ := connectors.AsPartitioner(c)
	parts := p.Parts(append([]string{"not canonical at all", scope[0]}, scope...))
	if len(parts) != 5 || !slices.Equal(parts[1], []string{scope[0], scope[0]}) {
		t.Fatalf("%q", parts)
	}
	for i, part := range parts {
		up, patience := i == 1 || i == 4, 2*time.Second
		if up {
			patience = 30 * time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		found, err := c.Observe(ctx, part)
		cancel()
		if up != (err == nil) || up && len(found) != 2 {
			t.Errorf("%q: %v, %v", part, found, err)
		}
	}
	ctx, cancel = context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	_, err = c.Observe(ctx, scope)
	refused(t, err, "gone", "mute")
}

func TestAHostWithAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	_, wrong, _ := sshtest.NewKey(t)
	c := s.opened(t, connectors.Settings{"hostKeys": map[string]string{"web-1": wrong}})
	g := gr("alice", "web-1", group, "docker")
	refused(t, c.Grant(t.Context(), g, tomorrow()), "web-1", "is not the pinned one", "SHA256:", "find out why it changed")
	_, err := c.Observe(t.Context(), []string{g.Entitlement})
	refused(t, err, "is not the pinned one")
	good := s.opened(t, nil)
	if holds(t, good, g) {
		t.Error("something was granted")
	}
	// A host that has changed its key while we are connected to it.
	ok(t, good.Grant(t.Context(), g, tomorrow()))
	h.Run(t, "ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/new </dev/null && mv /etc/ssh/new /etc/ssh/hostkey")
	h.Kill()
	h.Restart(t)
	refused(t, good.Revoke(t.Context(), g), "is not the pinned one")
}

func TestHostKeysComeInTheFormsOfOpenSSH(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.HostKey))
	ok(t, err)
	_, other, _ := sshtest.NewKey(t)
	_, port, _ := net.SplitHostPort(h.Address)
	g := gr("alice", "web-1", group, "docker")
	for name, more := range map[string]connectors.Settings{
		"several":     {"hostKeys": map[string]string{"web-1": other + "\n" + h.HostKey + " comment\n"}},
		"known hosts": {"hostKeys": nil, "knownHosts": "# comment\n" + knownhosts.Line([]string{h.Address}, key)},
		"hashed":      {"hostKeys": nil, "knownHosts": knownhosts.HashHostname(knownhosts.Normalize(h.Address)) + " " + h.HostKey},
		"pattern":     {"hostKeys": nil, "knownHosts": "[127.0.0.*]:" + port + " " + h.HostKey},
	} {
		c := s.opened(t, more)
		if _, err := c.Observe(t.Context(), []string{g.Entitlement}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := s.opened(t, connectors.Settings{"knownHosts": "@revoked * " + h.HostKey})
	refused(t, c.Grant(t.Context(), g, tomorrow()), "is revoked")

	// An authority for host certificates, made with OpenSSH's own tools.
	ca := h.Run(t, "cd /etc/ssh && ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -s ca -I web-1 -h -n 127.0.0.1 hostkey.pub && echo HostCertificate /etc/ssh/hostkey-cert.pub >>sshd_config && cat ca.pub")
	h.Kill()
	h.Restart(t)
	c = s.opened(t, connectors.Settings{"hostKeys": nil, "knownHosts": "@cert-authority [127.0.0.*]:" + port + " " + ca})
	_, err = c.Observe(t.Context(), []string{g.Entitlement})
	ok(t, err)
	c = s.opened(t, connectors.Settings{"hostKeys": nil, "knownHosts": "@cert-authority [127.0.0.*]:" + port + " " + other})
	_, err = c.Observe(t.Context(), []string{g.Entitlement})
	refused(t, err, "host key")
}

func TestTheReconcilerMayHaveACertificate(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h := s.hosts[0]
	h.Write(t, h.Key, "umask 077; cat >/root/key")
	cert := h.Run(t, `cd /root && ssh-keygen -y -f key >key.pub && ssh-keygen -q -t ed25519 -N '' -f ca && ssh-keygen -q -s ca -I tenure -n tenure key.pub &&
		echo 'cert-authority,restrict,command="sudo -n /usr/local/sbin/tenure-host" '"$(cat ca.pub)" >/etc/ssh/tenure_keys/tenure && cat key-cert.pub`)
	g := gr("alice", "web-1", group, "docker")
	refused(t, s.opened(t, nil).Grant(t.Context(), g, tomorrow()), `does not let "tenure" in with the setting key`)
	ok(t, s.opened(t, connectors.Settings{"certificate": cert}).Grant(t.Context(), g, tomorrow()))
}

func TestAHostThatIsBackIsReachedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", group, "docker")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	h.Kill()
	refused(t, c.Revoke(t.Context(), g), "web-1", "out of reach")
	h.Restart(t)
	ok(t, c.Revoke(t.Context(), g))
	// A connection that is cut at the other end while it rests.
	h.Run(t, "pkill -KILL -u tenure; pkill -KILL -f '^sshd: tenure'; true")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
}

func TestARetiredHostHoldsNothing(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	c := s.opened(t, connectors.Settings{"retired": []string{"web-9"}})
	g := gr("alice", "web-9", group, "docker")
	ok(t, c.Revoke(t.Context(), g))
	end(t, c, g)
	if holds(t, c, g) {
		t.Error("it does")
	}
	refused(t, c.Grant(t.Context(), g, tomorrow()), "is retired")
	lost := gr("alice", "web-8", group, "docker")
	refused(t, c.Revoke(t.Context(), lost), `does not list "web-8"`, "retired")
	_, err := c.Observe(t.Context(), []string{lost.Entitlement})
	refused(t, err, `does not list "web-8"`)
	ender, _ := connectors.AsSessionEnder(c)
	refused(t, ender.EndSessions(t.Context(), []grants.Grant{lost}), `does not list "web-8"`)
}

func TestManyCallsAtOnceShareOneConnection(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() {
			_, err := c.Observe(t.Context(), []string{gr("", "web-1", group, "docker").Entitlement})
			errs <- err
		}()
	}
	for range cap(errs) {
		ok(t, <-errs)
	}
	if n := strings.Count(h.Run(t, "ps -e -o args"), "sshd: tenure [priv]"); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestAfterCloseNothingIsDone(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	c := s.open(t, nil)
	g := gr("alice", "web-1", group, "docker")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	ok(t, c.Close())
	ok(t, c.Close())
	refused(t, c.Revoke(t.Context(), g), "closed")
}

func TestASilentHostTakesNoPlaceFromTheOthers(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	set := s.settings(connectors.Settings{"parallel": 5, "timeout": "20s"})
	hosts, keys := set["hosts"].(map[string]string), set["hostKeys"].(map[string]string)
	hosts["mute"], keys["mute"] = mute(t), keys["web-1"]
	c, err := Driver{}.Open(t.Context(), "web", set)
	ok(t, err)
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	for range 10 {
		go func() {
			_, _ = c.Observe(ctx, []string{gr("", "mute", group, "docker").Entitlement})
			over <- struct{}{}
		}()
	}
	defer func() {
		cancel()
		for range 10 {
			<-over
		}
	}()
	k := c.(*connector)
	eventually(t, "the silent host is asked", func() bool { return len(k.slots) == 4 && len(k.hosts["mute"].busy) == 4 })
	began := time.Now()
	if _, err := c.Observe(t.Context(), []string{gr("", "web-1", group, "docker").Entitlement}); err != nil || time.Since(began) > 18*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
