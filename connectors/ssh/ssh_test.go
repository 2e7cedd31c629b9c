//go:build linux

package ssh

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/ssh/sshtest"
	"github.com/tenure-dev/tenure/grants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	restartNginx = "ALL=(root) NOPASSWD: /usr/bin/systemctl restart nginx" // as in the documentation
	echo         = "ALL=(root) NOPASSWD: /usr/bin/cat, /usr/bin/id"
	other        = "ALL=(root) NOPASSWD: /usr/bin/id -u, /usr/bin/cat"
)

// scene is one or more hosts with people, and the settings of a target of them.
type scene struct {
	hosts []*sshtest.Host
	keys  map[string]ssh.Signer // of people
	lines map[string]string     // their public keys
}

func start(t testing.TB, names ...string) *scene {
	s := &scene{keys: map[string]ssh.Signer{}, lines: map[string]string{}}
	for _, h := range sshtest.StartAll(t, names...) {
		s.hosts = append(s.hosts, h)
		h.AddUser(t, "alice", "bob", "carol", "dave", "deploy", "ops")
		h.AddGroup(t, "docker", "adm")
		h.Allow(t, "group adm", "login ops", "sudo echo "+echo, "sudo other "+other)
	}
	for _, who := range []string{"alice", "bob", "carol", "dave"} {
		s.keys[who], s.lines[who], _ = sshtest.NewKey(t)
	}
	return s
}

func (s *scene) settings(more connectors.Settings) connectors.Settings {
	set := connectors.Settings{
		"groups": []string{"docker", "adm"}, "logins": []string{"deploy", "ops"},
		"sudo": map[string]string{"restart-nginx": restartNginx, "echo": echo, "other": other}, "keys": s.lines,
	}
	hosts, keys := map[string]string{}, map[string]string{}
	for _, h := range s.hosts {
		hosts[h.Name], keys[h.Name] = h.Address, h.HostKey
		set["key"] = h.Key
	}
	set["hosts"], set["hostKeys"] = hosts, keys
	for k, v := range more {
		if set[k] = v; v == nil {
			delete(set, k)
		}
	}
	return set
}

func (s *scene) open(t testing.TB, more connectors.Settings) connectors.Connector {
	t.Helper()
	c, err := Driver{}.Open(t.Context(), "web", s.settings(more))
	ok(t, err)
	return c
}

func (s *scene) opened(t testing.TB, more connectors.Settings) connectors.Connector {
	t.Helper()
	c := s.open(t, more)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

func gr(account, host, kind, name string) grants.Grant {
	return grants.Grant{Target: "web", Account: account, Entitlement: entitlement{host, kind, name}.text()}
}

func holds(t testing.TB, c connectors.Connector, g grants.Grant) bool {
	t.Helper()
	found, err := c.Observe(t.Context(), []string{g.Entitlement})
	ok(t, err)
	return slices.Contains(found, g)
}

func tomorrow() time.Time { return time.Now().Add(24 * time.Hour) }

func end(t testing.TB, c connectors.Connector, lost ...grants.Grant) {
	t.Helper()
	ender, _ := connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), lost))
}

// live is a command on a host that answers each line, for as long as it lives.
type live struct {
	in   io.WriteCloser
	mu   sync.Mutex
	out  chan string
	over chan struct{}
}

// run starts a command that must print lines, such as cat, and waits for its first.
func run(t testing.TB, client *ssh.Client, command string) *live {
	t.Helper()
	s, err := client.NewSession()
	ok(t, err)
	l := &live{out: make(chan string, 100), over: make(chan struct{})}
	l.in, err = s.StdinPipe()
	ok(t, err)
	out, err := s.StdoutPipe()
	ok(t, err)
	ok(t, s.Start(command))
	go func() {
		defer close(l.over)
		text, b := "", make([]byte, 1)
		for {
			if _, err := out.Read(b); err != nil {
				return
			}
			if text += string(b); b[0] == '\n' {
				l.out <- strings.TrimSpace(text)
				text = ""
			}
		}
	}()
	t.Cleanup(func() {
		_ = s.Close()
		_ = client.Close()
		<-l.over
	})
	return l
}

// works reports whether the command still answers.
func (l *live) works() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := io.WriteString(l.in, "are you there\n"); err != nil {
		return false
	}
	select {
	case line := <-l.out:
		return line == "are you there"
	case <-l.over:
		return false
	case <-time.After(20 * time.Second):
		return false
	}
}

// once runs a command as a user and returns what it prints.
func once(client *ssh.Client, command string) (string, error) {
	s, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer s.Close()
	out, err := s.CombinedOutput(command)
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// as logs in as a user of the host with a key that is put there by hand.
func (s *scene) as(t testing.TB, h *sshtest.Host, user string) *ssh.Client {
	t.Helper()
	key, line, _ := sshtest.NewKey(t)
	h.Authorize(t, user, line)
	client, err := h.Login(t, user, key)
	ok(t, err)
	return client
}

func TestAPersonLogsInWithTheirOwnKeyUntilTheRevoke(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	g := gr("alice", "web-1", login, "deploy")
	_, err := h.Login(t, "deploy", s.keys["alice"])
	refused(t, err, "unable to authenticate")
	ok(t, c.Grant(t.Context(), g, tomorrow()))
	client, err := h.Login(t, "deploy", s.keys["alice"])
	ok(t, err)
	who, err := once(client, "id -un")
	if ok(t, err); who != "deploy" {
		t.Errorf("logged in as %q", who)
	}
	_, err = h.Login(t, "deploy", s.keys["bob"])
	refused(t, err, "unable to authenticate")
	_, err = h.Login(t, "ops", s.keys["alice"])
	refused(t, err, "unable to authenticate")
	ok(t, c.Revoke(t.Context(), g))
	_, err = h.Login(t, "deploy", s.keys["alice"])
	refused(t, err, "unable to authenticate")
}

func TestARuleOfSudoAndAGroupTakeEffect(t *testing.T) {
	t.Parallel()
	s := start(t, "web-1")
	h, c := s.hosts[0], s.opened(t, nil)
	alice := s.as(t, h, "alice")
	if out, err := once(alice, "sudo -n id -u"); err == nil {
		t.Fatalf("sudo without a grant: %s", out)
	}
	rule, docker := gr("alice", "web-1", sudo, "echo"), gr("alice", "web-1", group, "docker")
	ok(t, c.Grant(t.Context(), rule, tomorrow()))
	ok(t, c.Grant(t.Context(), docker, tomorrow()))
	out, err := once(alice, "sudo -n id -u")
	if ok(t, err); out != "0" {
		t.Errorf("sudo runs as %s", out)
	}
	_, err = once(alice, "sudo -n ls /")
	refused(t, err, "password")
	out, err = once(s.as(t, h, "alice"), "id -Gn")
	if ok(t, err); !strings.Contains(out, "docker") {
		t.Errorf("groups %s", out)
	}
	ok(t, c.Revoke(t.Context(), rule))
	ok(t, c.Revoke(t.Context(), docker))
	_, err = once(alice, "sudo -n id -u")
	refused(t, err, "password")
	out, err = once(s.as(t, h, "alice"), "id -Gn")
	if ok(t, err); strings.Contains(out, "docker") {
		t.Errorf("groups %s", out)
	}
	if out, err := h.Try("", "visudo -c && ls -A /etc/sudoers.d"); err != nil || strings.Contains(out, "tenure_") {
		t.Errorf("left behind: %s, %v", out, err)
	}
}
