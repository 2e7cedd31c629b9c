package connectors

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestOnlyThisMachineIsSpokenToWithoutTLSUnasked(t *testing.T) {
	for _, c := range []struct {
		host, ca string
		plain    bool
		tls      bool
		err      string
	}{
		{host: "127.0.0.1"}, {host: "::1"}, {host: "localhost"}, {host: "127.8.9.1"},
		{host: "db.example.com", tls: true}, {host: "10.0.0.1", tls: true}, {host: "localhost.example.com", tls: true}, {host: "", tls: true},
		{host: "0.0.0.0", tls: true}, {host: "db.example.com", plain: true},
		{host: "127.0.0.1", ca: "x", err: "no certificate in PEM"},
		{host: "db.example.com", ca: "x", plain: true, err: "keep one"},
	} {
		got, err := TrustHost(c.host, c.ca, c.plain)
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && (got != nil) != c.tls {
			t.Errorf("%+v: TLS %+v", c, got)
		}
		if got != nil && (got.ServerName != c.host || got.InsecureSkipVerify || got.MinVersion != tls.VersionTLS12) {
			t.Errorf("%+v: TLS %+v", c, got)
		}
	}
}
