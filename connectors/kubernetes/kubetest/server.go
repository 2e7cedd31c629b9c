// Package kubetest starts a real Kubernetes API server on a real etcd for tests, from
// the program that scripts/build-kube-apiserver builds. Every server has its own
// directory and its own free ports on 127.0.0.1.
//
// It is for tests only.
package kubetest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// startTimeout is how long a server may take until it is ready: 3.5 s on an idle
	// machine.
	startTimeout = 90 * time.Second
	poll         = 25 * time.Millisecond
)

// Server is one cluster without nodes that belongs to one test.
type Server struct {
	URL string
	CA  string // PEM

	dir, program, etcd string
	cmd                *exec.Cmd
	http               *http.Client
}

// Token returns the token of a user: admin, tenure or weak. Only admin has rights.
func Token(user string) string { return user + "-token" }

// Start starts a server and ends it with the test. Where a program is missing the
// test is skipped, or fails if REQUIRE_BUILT=1 or REQUIRE_SERVERS=1.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := built()
	if err != nil {
		missing(t, "REQUIRE_BUILT", "kube-apiserver is not built; run make test-connectors")
	}
	etcd, err := exec.LookPath("etcd")
	if err != nil {
		missing(t, "REQUIRE_SERVERS", "etcd is not installed; run scripts/setup")
	}
	s := &Server{dir: t.TempDir(), program: program}
	client, peer := address(t), address(t)
	s.etcd = "http://" + client
	cmd := exec.Command(etcd, "--data-dir", filepath.Join(s.dir, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", s.etcd, "--advertise-client-urls", s.etcd,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer,
		"--initial-cluster", "default=http://"+peer)
	cmd.Dir = s.dir
	if err := cmd.Start(); err != nil {
		t.Fatalf("kubetest: %v", err)
	}
	t.Cleanup(func() { stop(cmd) })
	s.prepare(t)
	s.URL = "https://" + address(t)
	s.Restart(t)
	t.Cleanup(func() { s.Kill(t) })
	return s
}

func missing(t testing.TB, require, what string) {
	t.Helper()
	if os.Getenv(require) == "1" {
		t.Fatal(what)
	}
	t.Skip("does not apply: " + what)
}

func built() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tenure-dev/tenure").Output()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(filepath.Join(strings.TrimSpace(string(root)), "scripts", "build-kube-apiserver"), "--path").Output()
	if err != nil {
		return "", err
	}
	program := filepath.Join(strings.TrimSpace(string(out)), "kube-apiserver")
	_, err = os.Stat(program)
	return program, err
}

func address(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// prepare writes the keys of service accounts and the tokens of users.
func (s *Server) prepare(t testing.TB) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	var users strings.Builder
	for _, u := range []string{"tenure", "weak"} {
		fmt.Fprintf(&users, "%s,%s,%s\n", Token(u), u, u)
	}
	fmt.Fprintf(&users, "%s,admin,admin,system:masters\n", Token("admin"))
	err = errors.Join(os.WriteFile(filepath.Join(s.dir, "sa.key"), text, 0o600),
		os.WriteFile(filepath.Join(s.dir, "tokens.csv"), []byte(users.String()), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// Kill ends the API server at once; etcd goes on.
func (s *Server) Kill(testing.TB) {
	stop(s.cmd)
	s.http.CloseIdleConnections()
}

// Restart starts the API server on the same data and waits until it is ready.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(s.dir, name) }
	s.cmd = exec.Command(s.program, "--etcd-servers", s.etcd, "--bind-address", "127.0.0.1", "--secure-port", port,
		"--cert-dir", file("certs"), "--token-auth-file", file("tokens.csv"), "--authorization-mode", "RBAC",
		"--disable-admission-plugins", "ServiceAccount", "--endpoint-reconciler-type", "none",
		"--service-account-issuer", "https://kubernetes.example.com", "--service-account-key-file", file("sa.key"),
		"--service-account-signing-key-file", file("sa.key"), "--service-cluster-ip-range", "10.0.0.0/24")
	s.cmd.Dir = s.dir
	log, err := os.OpenFile(file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("kubetest: %v", err)
	}
	for deadline := time.Now().Add(startTimeout); !s.ready(); time.Sleep(poll) {
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(file("log"))
			t.Fatalf("kubetest: the server is not ready; end of its log:\n%s", text[max(0, len(text)-3000):])
		}
	}
}

func (s *Server) ready() bool {
	if s.http == nil {
		ca, err := os.ReadFile(filepath.Join(s.dir, "certs", "apiserver.crt"))
		pool := x509.NewCertPool()
		if err != nil || !pool.AppendCertsFromPEM(ca) {
			return false
		}
		s.CA = string(ca)
		s.http = &http.Client{Timeout: startTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	}
	status, _, err := s.do(http.MethodGet, "/readyz", "")
	return err == nil && status == http.StatusOK
}

// Do sends a request as admin, with a body in YAML or JSON, and returns the answer.
func (s *Server) Do(t testing.TB, method, path, body string) (status int, answer string) {
	t.Helper()
	status, answer, err := s.do(method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return status, answer
}

func (s *Server) do(method, path, body string) (int, string, error) {
	req, err := http.NewRequest(method, s.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+Token("admin"))
	req.Header.Set("Content-Type", "application/yaml")
	req.Header.Set("Accept", "application/json")
	res, err := s.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// Create makes an object and reports whether the server took it.
func (s *Server) Create(t testing.TB, path, body string) bool {
	t.Helper()
	status, _ := s.Do(t, http.MethodPost, path, body)
	return status == http.StatusCreated || status == http.StatusConflict
}
