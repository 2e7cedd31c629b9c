package connectors

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// Loopback reports whether a host is this machine, the only one to which a connector
// speaks without TLS unasked.
func Loopback(host string) bool { return host == "localhost" || LoopbackAddress(host) }

// LoopbackAddress is Loopback without the name localhost, which a resolver could lead
// elsewhere.
func LoopbackAddress(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Trust returns how certificates are verified: against those of the setting ca, in PEM,
// or the system's if it is empty. TLS is 1.2 or later.
func Trust(ca string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			return nil, errors.New("setting ca holds no certificate in PEM")
		}
	}
	return t, nil
}

// TrustHost is Trust for a connection to one host that is not HTTP, by the settings ca
// and plainText; nil: the connection is without TLS.
func TrustHost(host, ca string, plainText bool) (*tls.Config, error) {
	switch {
	case plainText && ca != "":
		return nil, errors.New("settings ca and plainText are both given; keep one")
	case ca == "" && (plainText || Loopback(host)):
		return nil, nil
	}
	t, err := Trust(ca)
	if err == nil {
		t.ServerName = host
	}
	return t, err
}
