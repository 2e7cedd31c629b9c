package ldap

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	a := &authority{key: key, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &key.PublicKey, key)
	ok(t, err)
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// issue returns a certificate and its key in PEM.
func (a *authority) issue(t testing.TB, change func(*x509.Certificate)) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &k.PublicKey, a.key)
	ok(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(k)
	ok(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

func loopback(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }

// startTLS runs a slapd with a certificate of the authority.
func startTLS(t testing.TB, a *authority, change func(*x509.Certificate), global string) *slapd {
	t.Helper()
	dir := t.TempDir()
	cert, key := a.issue(t, change)
	write(t, filepath.Join(dir, "ca.pem"), a.pem)
	write(t, filepath.Join(dir, "cert.pem"), cert)
	write(t, filepath.Join(dir, "key.pem"), key)
	return start(t, option{global: "TLSCACertificateFile " + dir + "/ca.pem\nTLSCertificateFile " + dir + "/cert.pem\nTLSCertificateKeyFile " + dir + "/key.pem\n" + global})
}

func TestTLSFromTheStartAndByStartTLS(t *testing.T) {
	a := newAuthority(t)
	// The server takes nothing without TLS, so that plain text could not pass unnoticed.
	s := startTLS(t, a, loopback, "security simple_bind=128\n")
	for _, url := range []string{"ldaps://" + s.secure, "ldap://" + s.address} {
		c := opened(t, s, connectors.Settings{"url": url, "ca": a.pem})
		ok(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}))
		want(t, c, "dba", "alice")
		ok(t, c.Revoke(t.Context(), gr("alice", "dba")))
	}
	refused(t, opened(t, s, nil).Grant(t.Context(), gr("alice", "dba"), time.Time{}), "the server wants TLS")
}

func TestAServerThatCannotProveItsNameIsRefused(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	good := startTLS(t, a, loopback, "")
	other := startTLS(t, a, func(c *x509.Certificate) { c.DNSNames = []string{"dir.example.com"} }, "")
	expired := startTLS(t, a, func(c *x509.Certificate) { loopback(c); c.NotAfter = time.Now().Add(-time.Hour) }, "")
	for name, x := range map[string]struct {
		s    *slapd
		ca   string
		word string
	}{
		"unknown authority": {good, stranger.pem, "unknown authority"},
		"another name":      {other, a.pem, "127.0.0.1"},
		"expired":           {expired, a.pem, "expired"},
	} {
		for _, url := range []string{"ldaps://" + x.s.secure, "ldap://" + x.s.address} {
			c := opened(t, x.s, connectors.Settings{"url": url, "ca": x.ca})
			err := c.Grant(t.Context(), gr("alice", "dba"), time.Time{})
			if err == nil {
				t.Fatalf("%s: %s was trusted", name, url)
			}
			refused(t, err, "certificate", x.word)
		}
	}
	// Without ca the system's authorities count, which do not know this one.
	refused(t, opened(t, good, connectors.Settings{"url": "ldaps://" + good.secure}).Grant(t.Context(), gr("alice", "dba"), time.Time{}), "certificate")
}

func TestAClientCertificateLogsIn(t *testing.T) {
	a := newAuthority(t)
	s := startTLS(t, a, loopback, "TLSVerifyClient try\nauthz-regexp \"cn=reconciler\" \""+tenureDN+"\"\n"+
		"access to dn.subtree=\"ou=services,"+suffix+"\" attrs=entry,objectClass,cn by dn.exact=\""+tenureDN+"\" read by * break\n")
	cert, key := a.issue(t, func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "reconciler"} })
	for _, url := range []string{"ldaps://" + s.secure, "ldap://" + s.address} {
		set := connectors.Settings{"url": url, "ca": a.pem, "bindDN": nil, "password": nil, "clientCertificate": cert, "clientKey": key}
		c := opened(t, s, set)
		ok(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}))
		want(t, c, "dba", "alice")
		ok(t, c.Revoke(t.Context(), gr("alice", "dba")))
		k, _ := connectors.AsChecker(c)
		ok(t, errors.Join(k.Check(t.Context(), []string{gr("", "dba").Entitlement})...))
		// It knows itself, although no setting says who it is.
		set["accountBase"], set["accountAttribute"] = "ou=services,"+suffix, "cn"
		refused(t, opened(t, s, set).Grant(t.Context(), gr("tenure", "dba"), time.Time{}), "the reconciler's own")
	}
	_, err := Driver{}.Open(t.Context(), "dir", s.settings(connectors.Settings{"clientCertificate": cert, "clientKey": "x"}))
	refused(t, err, "clientKey")
}

// TestThePasswordStaysHereUntilTLSIsUp talks to servers that refuse StartTLS, or take
// it and are not who they should be.
func TestThePasswordStaysHereUntilTLSIsUp(t *testing.T) {
	for name, answer := range map[string]string{
		"refuses":        "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00",                                                         // protocolError
		"lies":           "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00",                                                         // success, and no TLS
		"speaks further": "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00", // and a bind that succeeded
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ok(t, err)
		var mu sync.Mutex
		var got bytes.Buffer
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				b := make([]byte, 4096)
				n, _ := c.Read(b)
				_, _ = c.Write([]byte(answer))
				m, _ := c.Read(b[n:])
				mu.Lock()
				got.Write(b[:n+m])
				mu.Unlock()
				_ = c.Close()
			}
		})
		c, err := Driver{}.Open(t.Context(), "dir", connectors.Settings{
			"url": "ldap://" + l.Addr().String(), "ca": newAuthority(t).pem, "bindDN": tenureDN, "password": tenurePass, "groupBase": groupsDN, "accountBase": people,
		})
		ok(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		refused(t, c.Grant(ctx, gr("alice", "dba"), time.Time{}), "StartTLS")
		cancel()
		_ = c.Close()
		_ = l.Close()
		wg.Wait()
		if bytes.Contains(got.Bytes(), []byte(tenurePass)) || bytes.Contains(got.Bytes(), []byte("tenure")) {
			t.Errorf("%s: %q was sent", name, got.Bytes())
		}
		if !bytes.Contains(got.Bytes(), []byte("1.3.6.1.4.1.1466.20037")) {
			t.Errorf("%s: no StartTLS in %q", name, got.Bytes())
		}
	}
}

func TestPlainTextOnlyToThisMachine(t *testing.T) {
	for url, secure := range map[string]bool{
		"ldap://127.0.0.1": false, "ldap://localhost:1389": false, "ldap://[::1]": false,
		"ldap://dir.example.com": true, "ldap://10.0.0.1": true, "ldaps://127.0.0.1": true, "ldaps://dir.example.com": true,
	} {
		d, err := (&settings{URL: url, BindDN: tenureDN, Password: "x"}).dialer(dn{})
		ok(t, err)
		if (d.secure != nil) != secure || d.secure != nil && (d.secure.InsecureSkipVerify || d.secure.ServerName == "") {
			t.Errorf("%s: TLS is %+v", url, d.secure)
		}
		if _, port, _ := net.SplitHostPort(d.address); !slices.Contains([]string{"389", "636", "1389"}, port) {
			t.Errorf("%s: %s", url, d.address)
		}
	}
	d, err := (&settings{URL: "ldap://dir.example.com", BindDN: tenureDN, Password: "x", PlainText: true}).dialer(dn{})
	ok(t, err)
	if d.secure != nil {
		t.Error("TLS although plainText is set")
	}
}

func TestAfterACrashTheFirstCallFindsTheServerAgain(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, nil)
	for range 3 {
		var wg sync.WaitGroup
		for range 8 { // fill the pool
			wg.Go(func() { _, _ = c.Observe(t.Context(), []string{gr("", "dba").Entitlement}) })
		}
		wg.Wait()
		s.Restart(t)
		ok(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}))
		s.Restart(t)
		ok(t, c.Revoke(t.Context(), gr("alice", "dba")))
	}
	s.Kill()
	refused(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}), "connect")
}
