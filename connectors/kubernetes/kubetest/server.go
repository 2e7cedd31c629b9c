// Package kubetest starts a real Kubernetes API server on a real etcd for tests, from
// the program that scripts/build-kube-apiserver builds. Every server has its own
// directory and its own free ports on 127.0.0.1.
//
// It is for tests only.
package kubetest

import (
	"bytes"
	"context"
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
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/testserver"
)

// callTimeout bounds one request of a test.
const callTimeout = 90 * time.Second

// Server is one cluster without nodes that belongs to one test.
type Server struct {
	URL string
	CA  string // PEM

	dir    string
	server *testserver.Server
	http   *http.Client
}

// Token returns the token of a user: admin, tenure or weak. Only admin has rights.
func Token(user string) string { return user + "-token" }

// Start starts a server and ends it with the test. Where a program is missing the
// test is left out, or fails with REQUIRE_BUILT=1 and REQUIRE_SERVERS=1.
func Start(t testing.TB) *Server {
	t.Helper()
	program := filepath.Join(testserver.Built(t, "kube-apiserver"), "kube-apiserver")
	etcd := testserver.Find(t, "etcd", "etcd-server")
	s := &Server{dir: t.TempDir()}
	client, peer := testserver.Address(t), "http://"+testserver.Address(t)
	testserver.Start(t, testserver.Program{Path: etcd, Dir: s.dir, Ready: testserver.Dial(client), Args: []string{
		"--data-dir", s.file("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", "http://" + client, "--advertise-client-urls", "http://" + client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer}})
	s.prepare(t)
	address := testserver.Address(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	s.URL = "https://" + address
	s.server = testserver.Start(t, testserver.Program{Path: program, Dir: s.dir, Ready: s.ready, Args: []string{
		"--etcd-servers", "http://" + client, "--bind-address", "127.0.0.1", "--secure-port", port,
		"--cert-dir", s.file("certs"), "--token-auth-file", s.file("tokens.csv"), "--authorization-mode", "RBAC",
		"--disable-admission-plugins", "ServiceAccount", "--endpoint-reconciler-type", "none",
		"--service-account-issuer", "https://kubernetes.example.com", "--service-account-key-file", s.file("sa.key"),
		"--service-account-signing-key-file", s.file("sa.key"), "--service-cluster-ip-range", "10.0.0.0/24"}})
	t.Cleanup(func() { s.http.CloseIdleConnections() })
	return s
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

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
	err = errors.Join(os.WriteFile(s.file("sa.key"), text, 0o600),
		os.WriteFile(s.file("tokens.csv"), []byte(users.String()), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// Kill ends the API server at once; etcd goes on.
func (s *Server) Kill(testing.TB) {
	s.server.Kill()
	s.http.CloseIdleConnections()
}

// Restart starts the API server on the same data and waits until it is ready.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.server.Restart(t)
}

func (s *Server) ready(ctx context.Context) error {
	if s.http == nil {
		ca, err := os.ReadFile(s.file("certs/apiserver.crt"))
		if err != nil {
			return err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(ca) {
			return errors.New("the certificate is not there yet")
		}
		s.CA = string(ca)
		s.http = &http.Client{Timeout: callTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	}
	status, answer, err := s.do(ctx, http.MethodGet, "/readyz", "")
	if err == nil && status != http.StatusOK {
		err = errors.New(answer)
	}
	return err
}

// Do sends a request as admin, with a body in YAML or JSON, and returns the answer.
func (s *Server) Do(t testing.TB, method, path, body string) (status int, answer string) {
	t.Helper()
	status, answer, err := s.do(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return status, answer
}

func (s *Server) do(ctx context.Context, method, path, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader([]byte(body)))
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
