package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/internal/testserver"
)

// certificate writes a certificate of its own for 127.0.0.1, and its key.
func certificate(t *testing.T, dir string) (cert, key string, text []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	ok(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	ok(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	ok(t, os.WriteFile(cert, text, 0o600))
	ok(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	return cert, key, text
}

func TestTheServersCertificateIsVerified(t *testing.T) {
	dir := t.TempDir()
	cert, key, ca := certificate(t, dir)
	_, _, other := certificate(t, t.TempDir())
	secure := testserver.Address(t)
	_, port, err := net.SplitHostPort(secure)
	ok(t, err)
	file := filepath.Join(dir, "users.acl")
	ok(t, os.WriteFile(file, []byte("user default off\nuser admin on >root ~* &* +@all\n"), 0o600))
	s := run(t, dir, "--aclfile", file, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
	s.scene(t)
	for _, of := range []struct {
		ca      []byte
		trusted bool
	}{{ca, true}, {other, false}} {
		c := s.opened(t, connectors.Settings{"address": secure, "ca": string(of.ca)})
		_, err := c.Observe(t.Context(), []string{gr("", spec("get", "orders:*")).Entitlement})
		var bad *tls.CertificateVerificationError
		if of.trusted != (err == nil) || !of.trusted && !errors.As(err, &bad) {
			t.Errorf("trusted %t: %v", of.trusted, err)
		}
	}
	// Without a CA of its own, what a TLS port answers to a client without TLS is an error.
	c := s.opened(t, connectors.Settings{"address": secure})
	if _, err := c.Observe(t.Context(), nil); err == nil || errors.Is(err, redis.Nil) {
		t.Error(err)
	}
}
