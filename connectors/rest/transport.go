package rest

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

// Address reads an address from the setting of that name: https, or http to the machine
// that the reconciler runs on.
func Address(setting, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("setting %s must be an address, such as https://id.example.com", setting)
	case u.User != nil:
		return nil, fmt.Errorf("setting %s must not hold a name or password", setting)
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, fmt.Errorf("setting %s must end with its path", setting)
	case u.Scheme != "https" && (u.Scheme != "http" || !connectors.Loopback(u.Hostname())):
		return nil, fmt.Errorf("setting %s must begin with https://", setting)
	}
	return u, nil
}

// maxConns bounds the connections to one server.
const maxConns = 8

func transport(ca string) (*http.Transport, error) {
	trust, err := connectors.Trust(ca)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		TLSClientConfig:       trust,
		ForceAttemptHTTP2:     true,
		MaxConnsPerHost:       maxConns,
		MaxIdleConnsPerHost:   maxConns,
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: callTimeout,
	}, nil
}

// httpClient hands redirects back instead of following them.
func httpClient(t *http.Transport) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
