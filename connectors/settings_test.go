package connectors

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type sample struct {
	DSN     string            `setting:"dsn,required,file"`
	Create  bool              `setting:"createLogins"`
	Max     int               `setting:"maxConns"`
	Timeout time.Duration     `setting:"timeout"`
	Roles   []string          `setting:"roles"`
	Rules   map[string]string `setting:"rules"`
}

func TestSettingsOfEveryKindAreDecoded(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(secret, []byte("postgres://x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := sample{DSN: "postgres://x", Create: true, Max: 7, Timeout: 3 * time.Second,
		Roles: []string{"a"}, Rules: map[string]string{"g": "ALL"}}
	for name, s := range map[string]Settings{
		"yaml": {"dsn": "postgres://x", "createLogins": true, "maxConns": 7, "timeout": "3s", "roles": []any{"a"}, "rules": map[string]any{"g": "ALL"}},
		"json": {"dsn": "postgres://x", "createLogins": true, "maxConns": 7.0, "timeout": "3s", "roles": []any{"a"}, "rules": map[string]any{"g": "ALL"}},
		"env":  {"dsnFile": secret, "createLogins": "true", "maxConns": "7", "timeout": "3s", "roles": []string{"a"}, "rules": map[string]string{"g": "ALL"}},
	} {
		var got sample
		if err := DecodeSettings(s, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestSettingsErrorsNameEveryProblemAndNoValue(t *testing.T) {
	s := Settings{"dns": "hunter2", "createLogins": "hunter2", "maxConns": "hunter2", "timeout": "hunter2",
		"roles": "hunter2", "rules": []any{"hunter2"}, "dsnFile": "/hunter2"}
	got := errText(DecodeSettings(s, &sample{}))
	want := strings.Join([]string{
		"setting createLogins must be true or false, not text",
		"setting dsnFile: cannot read the file that it names: no such file or directory",
		"setting maxConns must be a whole number, not text",
		"setting roles must be a list of texts, not text",
		"setting rules must be a mapping of texts, not a list",
		"setting timeout must be a duration such as 30s, not text",
		`unknown setting "dns"; did you mean "dsn"?`,
	}, "\n")
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for s, want := range map[string]string{
		"missing": "setting dsn is missing or empty",
		"both":    "settings dsn and dsnFile are both given; keep one",
	} {
		in := map[string]Settings{"missing": {"dsn": ""}, "both": {"dsn": "a", "dsnFile": "b"}}[s]
		if got := errText(DecodeSettings(in, &sample{})); got != want {
			t.Errorf("%s: %s", s, got)
		}
	}
}
