//go:build linux

// Package sshtest runs Linux hosts for tests: each a real sshd with sudo and PAM, on a
// free port of 127.0.0.1, in namespaces of its own. Users, groups, rules of sudo, homes
// and processes are those of the host and never those of the machine. It is prepared by
// the commands of docs/connectors/ssh.md and no others.
//
// It is for tests only; nothing outside of _test.go files may import it.
package sshtest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tenure-dev/tenure/connectors/ssh/onhost"
	"github.com/tenure-dev/tenure/internal/testserver"
)

// Host is one host that belongs to one test.
type Host struct {
	// Name is the host's name in the settings of a target.
	Name string
	// Address is host:port; it stays the same over a restart.
	Address string
	// HostKey is the host's public key, such as ssh-ed25519 AAAA….
	HostKey string
	// Key is the private key, in PEM, that the reconciler's user "tenure" has here.
	Key string

	server *testserver.Server
	root   ssh.Signer

	mu     sync.Mutex
	client *ssh.Client // of root; nil: none
}

//go:embed world.sh
var world string

// Start starts a host and ends it with the test. The test is left out where programs or
// rights are missing; with REQUIRE_SERVERS=1 missing programs fail it.
func Start(t testing.TB, name string) *Host {
	t.Helper()
	return StartAll(t, name)[0]
}

// StartAll starts several hosts that the reconciler has the same key for.
func StartAll(t testing.TB, names ...string) (hosts []*Host) {
	t.Helper()
	_, line, key := NewKey(t)
	for _, name := range names {
		hosts = append(hosts, start(t, name, line, key))
	}
	return hosts
}

func start(t testing.TB, name, line, key string) *Host {
	t.Helper()
	for program, from := range map[string]string{
		"sshd": "openssh-server", "sudo": "sudo", "visudo": "sudo", "unshare": "util-linux", "flock": "util-linux", "gpasswd": "passwd",
	} {
		testserver.Find(t, program, from)
	}
	unshare := testserver.Find(t, "unshare", "util-linux")
	alone := []string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc"}
	if out, err := exec.Command(unshare, append(alone, "mount", "-t", "tmpfs", "tmpfs", "/run")...).CombinedOutput(); err != nil {
		t.Skipf("does not apply: a host needs namespaces of its own, which only root may make, and not everywhere: %s", out)
	}
	dir := t.TempDir()
	h := &Host{Name: name, Address: testserver.Address(t), Key: key}
	_, port, err := net.SplitHostPort(h.Address)
	must(t, err)
	var rootLine, hostPEM string
	h.root, rootLine, _ = NewKey(t)
	_, h.HostKey, hostPEM = NewKey(t)
	for file, text := range map[string]string{
		"world.sh": world, "tenure-host": onhost.Script, "setup.sh": setup(t, line),
		"hostkey": hostPEM, "hostkey.pub": h.HostKey + "\n", "rootkey": rootLine + "\n",
	} {
		must(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	}
	h.server = testserver.Start(t, testserver.Program{
		Path: unshare, Args: append(alone, "sh", filepath.Join(dir, "world.sh"), dir, port), Dir: dir, Ready: testserver.Dial(h.Address),
	})
	t.Cleanup(h.hangUp)
	return h
}

// setup is the block of the documentation that prepares a host.
func setup(t testing.TB, key string) string {
	_, here, _, _ := runtime.Caller(0)
	page, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "..", "docs", "connectors", "ssh.md"))
	must(t, err)
	_, block, found := strings.Cut(string(page), "```sh host\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed || strings.Count(block, "ssh-ed25519 AAAA...") != 1 {
		t.Fatal("sshtest: the documentation has no block that prepares a host")
	}
	block, _, _ = strings.Cut(block, "systemctl reload") // here sshd has yet to start
	return "set -e\n" + strings.Replace(block, "ssh-ed25519 AAAA...", key, 1)
}

// NewKey makes a key pair: one to sign with, its public half as a line of authorized
// keys, and its private half in PEM.
func NewKey(t testing.TB) (signer ssh.Signer, line, private string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err = ssh.NewSignerFromKey(key)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(key, "")
	must(t, err)
	return signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), string(pem.EncodeToMemory(block))
}

// AddUser makes users with homes.
func (h *Host) AddUser(t testing.TB, names ...string) {
	t.Helper()
	h.Run(t, "for u in "+strings.Join(names, " ")+"; do useradd --create-home --shell /bin/sh $u || exit 1; done")
}

// AddGroup makes local groups.
func (h *Host) AddGroup(t testing.TB, names ...string) {
	t.Helper()
	h.Run(t, "for g in "+strings.Join(names, " ")+"; do groupadd $g || exit 1; done")
}

// Allow adds lines to /etc/tenure/allow.
func (h *Host) Allow(t testing.TB, lines ...string) {
	t.Helper()
	h.Write(t, strings.Join(lines, "\n")+"\n", "cat >>/etc/tenure/allow")
}

// Authorize adds a line to a user's own authorized keys.
func (h *Host) Authorize(t testing.TB, user, line string) {
	t.Helper()
	h.Write(t, line+"\n", fmt.Sprintf("umask 077; mkdir -p ~%[1]s/.ssh && cat >>~%[1]s/.ssh/authorized_keys && chown -R %[1]s ~%[1]s/.ssh", user))
}

// Run runs a command as root and returns what it prints; a failure ends the test.
func (h *Host) Run(t testing.TB, command string) string {
	t.Helper()
	return h.Write(t, "", command)
}

// Write is Run with something to read for the command.
func (h *Host) Write(t testing.TB, input, command string) string {
	t.Helper()
	out, err := h.Try(input, command)
	if err != nil {
		t.Fatalf("sshtest: %s: %s: %v: %s", h.Name, command, err, out)
	}
	return out
}

// Try runs a command as root.
func (h *Host) Try(input, command string) (string, error) {
	client, err := h.rootClient()
	if err != nil {
		return "", err
	}
	s, err := client.NewSession()
	if err != nil {
		h.hangUp()
		return "", err
	}
	defer s.Close()
	s.Stdin = strings.NewReader(input)
	out, err := s.CombinedOutput(command)
	return string(out), err
}

func (h *Host) rootClient() (*ssh.Client, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client != nil {
		return h.client, nil
	}
	var err error
	h.client, err = h.dial("root", h.root)
	return h.client, err
}

func (h *Host) hangUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client != nil {
		_ = h.client.Close()
		_ = h.client.Wait()
		h.client = nil
	}
}

// Login logs in as a user with a key, as a person would.
func (h *Host) Login(t testing.TB, user string, key ssh.Signer) (*ssh.Client, error) {
	client, err := h.dial(user, key)
	if err == nil {
		t.Cleanup(func() {
			_ = client.Close()
			_ = client.Wait()
		})
	}
	return client, err
}

func (h *Host) dial(user string, key ssh.Signer) (*ssh.Client, error) {
	pinned, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.HostKey))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, h.Address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(pinned),
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// Kill ends the host with all its processes, as a power cut would.
func (h *Host) Kill() {
	h.server.Kill()
	h.hangUp()
	// The namespaces end a moment after their first process.
	for deadline := time.Now().Add(30 * time.Second); testserver.Dial(h.Address)(context.Background()) == nil && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
}

// Restart starts the host again, with the files that it had.
func (h *Host) Restart(t testing.TB) {
	t.Helper()
	h.Kill()
	h.server.Restart(t)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("sshtest: %v", err)
	}
}
