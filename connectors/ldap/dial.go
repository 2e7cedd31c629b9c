package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/tenure-dev/tenure/connectors"
)

// dialTimeout bounds connecting, the TLS handshake and the bind together.
const dialTimeout = 20 * time.Second

// dialer makes connections that are logged in.
type dialer struct {
	address  string
	secure   *tls.Config // nil: plain text
	startTLS bool        // speak plain first, and send nothing but the wish for TLS
	bindDN   string      // "": SASL EXTERNAL, with the client's certificate
	password string
}

// dialer reads how to reach the server and who we are there. TLS is verified, and is
// left out only towards this machine itself, or where plainText says so.
func (set *settings) dialer(bind dn) (*dialer, error) {
	u, err := url.Parse(set.URL)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/" || u.Scheme != "ldap" && u.Scheme != "ldaps" {
		return nil, errors.New("setting url must be ldaps://HOST or ldap://HOST, with or without a port")
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = map[string]string{"ldap": ldap.DefaultLdapPort, "ldaps": ldap.DefaultLdapsPort}[u.Scheme]
	}
	d := &dialer{address: net.JoinHostPort(host, port), bindDN: set.BindDN, password: set.Password}
	switch {
	case (set.Cert == "") != (set.Key == ""):
		return nil, errors.New("settings clientCertificate and clientKey go together")
	case set.BindDN == "" && set.Password != "":
		return nil, errors.New("setting password is given without bindDN")
	case set.BindDN == "" && set.Cert == "":
		return nil, errors.New("setting bindDN is missing; without it a clientCertificate is needed")
	case set.BindDN != "" && set.Password == "":
		// A directory takes a bind with an empty password for an anonymous one (RFC
		// 4513, 5.1.2) and says that it succeeded.
		return nil, errors.New("setting password is missing or empty")
	case set.PlainText && (set.CA != "" || set.Cert != "" || u.Scheme == "ldaps"):
		return nil, errors.New("setting plainText is given together with ldaps, ca or clientCertificate; keep one")
	case u.Scheme == "ldap" && (set.PlainText || connectors.Loopback(host) && set.CA == "" && set.Cert == ""):
		return d, nil
	}
	d.startTLS = u.Scheme == "ldap"
	if d.secure, err = connectors.Trust(set.CA); err != nil {
		return nil, err
	}
	d.secure.ServerName = host
	if set.Cert != "" {
		pair, err := tls.X509KeyPair([]byte(set.Cert), []byte(set.Key))
		if err != nil { // its words may repeat a secret
			return nil, errors.New("settings clientCertificate and clientKey are not a certificate and its key in PEM")
		}
		d.secure.Certificates = []tls.Certificate{pair}
	}
	return d, nil
}

// dialError is a failure to get a connection. Another try at once would not help.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// dial connects and logs in. The password leaves this machine only after the server
// has proved who it is.
func (d *dialer) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, &dialError{fmt.Errorf("connect: %w", err)}
	}
	stream := raw
	if d.secure != nil && !d.startTLS {
		secured := tls.Client(raw, d.secure)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, &dialError{fmt.Errorf("connect with TLS: %w", err)}
		}
		stream = secured
	}
	c := &conn{raw: raw, Conn: ldap.NewConn(stream, d.secure != nil && !d.startTLS), used: time.Now()}
	c.Start()
	stop := context.AfterFunc(ctx, c.cut)
	defer stop()
	if err := d.login(c); err != nil {
		c.discard()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, &dialError{err}
	}
	return c, nil
}

func (d *dialer) login(c *conn) error {
	if d.startTLS {
		if err := c.StartTLS(d.secure); err != nil {
			return fmt.Errorf("connect with StartTLS: %w", err)
		}
	}
	if d.bindDN == "" {
		if err := c.ExternalBind(); err != nil {
			return fmt.Errorf("log in with the client certificate: %w", err)
		}
		return nil
	}
	if err := c.Bind(d.bindDN, d.password); err != nil {
		return fmt.Errorf("log in as %s: %w", d.bindDN, err)
	}
	return nil
}
