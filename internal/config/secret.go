package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

const redacted = "[redacted]"

// Secret is text that must not be seen. However it is printed, logged or
// encoded, it shows only that it is there; [Secret.Reveal] gives the text itself.
type Secret struct{ text string }

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{text: text} }

// Reveal returns the text, for the one call that needs it.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

// String returns a fixed text, or nothing when there is no secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString is for %#v.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format covers every verb, so that %x or %d shows nothing either.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, s.GoString())
		return
	}
	_, _ = io.WriteString(f, s.String())
}

// MarshalText covers JSON, YAML and every other text encoding.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Target is one target's entry. Settings are what its connector decodes, without
// the key `connector`; any of them may be a secret, so none is ever printed.
type Target struct {
	Connector string
	Settings  map[string]any
}

// String names the connector and the settings, without their values.
func (t Target) String() string {
	return t.Connector + "(" + strings.Join(slices.Sorted(maps.Keys(t.Settings)), ", ") + ")"
}

// Format covers every verb.
func (t Target) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalJSON shows what String shows.
func (t Target) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// MarshalYAML shows what String shows.
func (t Target) MarshalYAML() (any, error) { return t.String(), nil }

// LogValue is for log/slog.
func (t Target) LogValue() slog.Value { return slog.StringValue(t.String()) }
