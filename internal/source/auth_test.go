package source

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func token(s string) AuthFunc {
	return TokenAuth(func(context.Context) (string, error) { return s, nil })
}

func serve(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestTokenIsAskedForOnEveryCall(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "1\n")
	o.push("main")
	h := newHub(t, o)
	h.require = "first"
	current := "first"
	r := open(t, Config{URL: h.url(), Auth: TokenAuth(func(context.Context) (string, error) { return current, nil })})
	poll(t, r, c1, true)
	h.require, current = "second", "second"
	poll(t, r, c1, false)
	current = "stale-token"
	_, _, err := r.Poll(t.Context())
	if !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "stale-token") {
		t.Errorf("a refused token: %v", err)
	}
}

func TestTokenThatCannotBeHadIsUnavailable(t *testing.T) {
	o := newOrigin(t)
	h := newHub(t, o)
	for name, f := range map[string]func(context.Context) (string, error){
		"error": func(context.Context) (string, error) { return "", errors.New("app is suspended") },
		"empty": func(context.Context) (string, error) { return "", nil },
	} {
		r := open(t, Config{URL: h.url(), Auth: TokenAuth(f)})
		if _, _, err := r.Poll(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := h.counts(); got != "0 adverts, 0 fetches" {
		t.Errorf("without a token the remote was asked all the same: %s", got)
	}
}

func TestConfigurationThatCannotWorkIsRefused(t *testing.T) {
	for _, c := range []Config{
		{URL: "http://git.example.com/x.git", Branch: "main"},
		{URL: "git://git.example.com/x.git", Branch: "main"},
		{URL: "/srv/git/x.git", Branch: "main"},
		{URL: "ssh://git@git.example.com/x.git", Branch: "main"}, // no key
		{URL: "git@git.example.com:x.git", Branch: "main"},       // no key
		{URL: "ssh://git.example.com/x.git", Branch: "main", Auth: SSHKeyAuth("k", "h")},
		{URL: "https://git.example.com/x.git", Branch: ""},
		{URL: "https://git.example.com/x.git", Branch: "refs/heads/main"},
		{URL: "https://git.example.com/x.git", Branch: "a..b"},
		{URL: "https://git.example.com/x.git", Branch: "main:other"},
	} {
		c.Dir = t.TempDir()
		if r, err := Open(t.Context(), c); err == nil {
			t.Errorf("%s %q was accepted", c.URL, c.Branch)
			_ = r.Close()
		}
	}
}

func TestSSHWithAKnownHostKey(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "1\n")
	o.push("main")
	s := newSSHServer(t)
	r := open(t, Config{URL: "ssh://git@" + s.addr + o.bare, Auth: SSHKeyAuth(s.keyFile, s.knownHosts)})
	poll(t, r, c1, true)
	poll(t, r, c1, false)
	c2 := o.commit("a.yaml", "2\n")
	o.push("main")
	poll(t, r, c2, true)
	if got := s.userSeen(); got != "git" {
		t.Errorf("signed in as %q", got)
	}
}

func TestSSHHostKeyIsAlwaysChecked(t *testing.T) {
	o := newOrigin(t)
	o.commit("a.yaml", "1\n")
	o.push("main")
	s, stranger := newSSHServer(t), newSSHServer(t)
	empty := filepath.Join(t.TempDir(), "empty")
	must(t, os.WriteFile(empty, nil, 0o600))
	wrong := filepath.Join(t.TempDir(), "wrong")
	must(t, os.WriteFile(wrong, []byte(knownhosts.Line([]string{s.addr}, stranger.hostKey)+"\n"), 0o600))
	for name, file := range map[string]string{"no file named": "", "file missing": empty + "x", "host unknown": empty, "another key": wrong} {
		r := open(t, Config{URL: "ssh://git@" + s.addr + o.bare, Auth: SSHKeyAuth(s.keyFile, file)})
		if _, _, err := r.Poll(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.userSeen() != "" {
		t.Error("a client signed in to a host it does not know")
	}
}

func TestSSHServerThatIsSilentDoesNotHoldUpForEver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var conns sync.WaitGroup
	quit := make(chan struct{})
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { <-quit; c.Close() })
		}
	})
	s := newSSHServer(t)
	r := open(t, Config{URL: "ssh://git@" + l.Addr().String() + "/x.git", Auth: SSHKeyAuth(s.keyFile, s.knownHosts)})
	for range 2 {
		if _, _, err := r.Poll(short(t)); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a silent server: %v", err)
		}
	}
	close(quit)
	must(t, l.Close())
	conns.Wait()
	r.polling <- struct{}{} // the call that hung is over now
	<-r.polling
}

// sshServer speaks the real protocol and runs the real git-upload-pack.
type sshServer struct {
	addr, keyFile, knownHosts string
	hostKey                   ssh.PublicKey

	mu   sync.Mutex
	user string
}

func (s *sshServer) userSeen() string { s.mu.Lock(); defer s.mu.Unlock(); return s.user }

func newSSHServer(t *testing.T) *sshServer {
	t.Helper()
	host, _ := newKey(t)
	client, clientPEM := newKey(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if string(k.Marshal()) != string(client.PublicKey().Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	dir := t.TempDir()
	s := &sshServer{addr: l.Addr().String(), keyFile: filepath.Join(dir, "key"), knownHosts: filepath.Join(dir, "known_hosts"), hostKey: host.PublicKey()}
	must(t, os.WriteFile(s.keyFile, clientPEM, 0o600))
	must(t, os.WriteFile(s.knownHosts, []byte(knownhosts.Line([]string{s.addr}, host.PublicKey())+"\n"), 0o600))
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(c, config) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return s
}

func (s *sshServer) serve(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.user = conn.User()
	s.mu.Unlock()
	go ssh.DiscardRequests(requests)
	for n := range channels {
		ch, reqs, err := n.Accept()
		if err != nil {
			return
		}
		for req := range reqs {
			if req.Type != "exec" {
				req.Reply(false, nil)
				continue
			}
			req.Reply(true, nil)
			path := strings.Trim(strings.TrimPrefix(string(req.Payload[4:]), "git-upload-pack "), "'")
			cmd := exec.Command("git", "upload-pack", path)
			cmd.Stdout = ch
			in, err := cmd.StdinPipe()
			if err != nil || cmd.Start() != nil {
				break
			}
			go func() {
				buf := make([]byte, 32<<10)
				for {
					n, err := ch.Read(buf)
					in.Write(buf[:n])
					if err != nil {
						in.Close()
						return
					}
				}
			}()
			_ = cmd.Wait()
			ch.SendRequest("exit-status", false, ssh.Marshal(struct{ S uint32 }{0}))
			break
		}
		ch.Close()
	}
}

func newKey(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	must(t, err)
	return signer, pem.EncodeToMemory(block)
}
