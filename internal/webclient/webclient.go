// Package webclient holds what every client of a web API here starts from: which
// addresses are taken, and whose certificates are trusted.
package webclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
)

// ParseBaseURL reads the address of a server: https, or http to this machine only,
// without credentials in it. The error never prints the value.
func ParseBaseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "": // the error would print the value
		return nil, errors.New("baseURL is not a URL, such as https://git.example.com")
	case u.User != nil:
		return nil, errors.New("baseURL must not hold credentials")
	case u.Scheme == "http":
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, errors.New("http is allowed to this machine only; use https")
		}
	case u.Scheme != "https":
		return nil, errors.New("baseURL must begin with https://")
	}
	u.RawQuery, u.Fragment = "", ""
	return u, nil
}

// NewTransport returns a transport of its own, so that whoever has it can close it. It
// trusts the certificates in ca, in PEM, or the system's if ca is empty.
func NewTransport(ca string) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(ca)) {
			return nil, errors.New("setting ca holds no certificate in PEM")
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}
