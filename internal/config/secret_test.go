package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestNoWayOfPrintingShowsASecret(t *testing.T) {
	c := load(t, "testdata/full.yaml")
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", *c)
		fmt.Fprintf(&out, verb+"\n", c.Git.Token)
		fmt.Fprintf(&out, verb+"\n", &c.Git.Token)
		fmt.Fprintf(&out, verb+"\n", c.Targets)
	}
	js, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	ym, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(js)
	out.Write(ym)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("loaded", "config", c, "token", c.Git.Token, "target", c.Targets["orders-db"])
	}
	for _, text := range []string{"s3cret", fmt.Sprintf("%x", "s3cret"), fmt.Sprintf("%X", "s3cret"), "a.example.com"} {
		if strings.Contains(out.String(), text) {
			t.Errorf("%q is shown in:\n%s", text, out.String())
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("a secret that is there cannot be told from one that is not")
	}
}
