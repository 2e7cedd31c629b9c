package webclient

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOnlyHTTPSAndThisMachineAreTaken(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://git.example.com": true, "https://git.example.com:8443/x?y#z": true, "http://127.0.0.1:3000": true, "http://[::1]:3000": true, "http://localhost": true,
		"http://git.example.com": false, "http://127.0.0.1.example.com": false, "http://0.0.0.0": false, "ftp://git.example.com": false,
		"https://me:secret@git.example.com": false, "git.example.com": false, "": false, "https://": false, "%": false,
	} {
		u, err := ParseBaseURL(address)
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
		if err == nil && (u.RawQuery != "" || u.Fragment != "") {
			t.Errorf("%s keeps its query", address)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error holds the value: %v", err)
		}
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	for name, c := range map[string]struct {
		ca string
		ok bool
	}{"the system's": {"", false}, "the server's": {ca, true}} {
		tr, err := NewTransport(c.ca)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: tr}).Get(s.URL)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
		tr.CloseIdleConnections()
	}
	if _, err := NewTransport("no certificate"); err == nil || strings.Contains(err.Error(), "no certificate at") {
		t.Errorf("got %v", err)
	}
}
