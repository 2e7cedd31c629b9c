package config_test

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/config"
)

var update = flag.Bool("update", false, "write the golden files")

func environment(extra map[string]string) func(string) (string, bool) {
	vars := map[string]string{
		"GITHUB_TOKEN": "gh-s3cret", "ORDERS_DB_DSN": "postgres://app:s3cret@db/orders",
		"APP_ID": "12", "LEDGER_PW": "ledger-s3cret", "HOOK": "hook-s3cret", "HOST_B": "b.example.com",
	}
	maps.Copy(vars, extra)
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func load(t *testing.T, path string) *config.Config {
	t.Helper()
	c, err := config.Load(path, environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func abs(t *testing.T, path string) string {
	t.Helper()
	out, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMinimalConfigurationGetsEveryDefault(t *testing.T) {
	c := load(t, "testdata/minimal.yaml")
	got := map[string]any{
		"branch": c.Repository.Branch, "host": c.Repository.Host, "forge.repository": c.Forge.Repository,
		"token": c.Forge.Token.Reveal(), "count": c.Trust.Count, "valid": c.Trust.ApprovalsValid,
		"poll": c.Poll.Text, "resync": c.Resync.Text, "ledger": c.Ledger, "reverts": c.Reverts,
		"guard": c.Guard, "listen": c.Listen, "state": c.StateDir, "timeouts": c.Timeouts,
		"evidence": c.Evidence.File, "dsn": c.Targets["orders-db"].Settings["dsn"],
	}
	want := map[string]any{
		"branch": "main", "host": "github.com", "forge.repository": "acme/access",
		"token": "gh-s3cret", "count": 1, "valid": 7 * 24 * time.Hour,
		"poll": "30s", "resync": "@every 10m",
		"ledger":  config.Ledger{Kind: config.SQLite, Path: "/var/lib/tenure/ledger.db"},
		"reverts": config.Reverts{Group: 5 * time.Minute, Merge: config.MergeManual, ReviewAhead: 14 * 24 * time.Hour},
		"guard":   config.Guard{MaxRemovals: 50, MaxRemovalRatio: 0.25},
		"listen":  "127.0.0.1:8080", "state": "/var/lib/tenure",
		"timeouts": config.Timeouts{Act: 30 * time.Second, Observe: 30 * time.Second},
		"evidence": "", "dsn": "postgres://app:s3cret@db/orders",
	}
	for k, w := range want {
		if !reflect.DeepEqual(got[k], w) {
			t.Errorf("%s: got %v, want %v", k, got[k], w)
		}
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

func TestFullConfigurationIsReadAsWritten(t *testing.T) {
	for _, f := range []string{"git-token", "dsn", "app.pem"} { // a checkout gives them 0644
		if err := os.Chmod(filepath.Join("testdata", f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := load(t, "testdata/full.yaml")
	if c.Forge.AppID != 12 || c.Forge.InstallationID != 34 || c.Forge.PrivateKeyFile != abs(t, "testdata/app.pem") {
		t.Errorf("forge: %+v", c.Forge)
	}
	if got := c.Git.Token.Reveal(); got != "git-s3cret-of-some-length" {
		t.Errorf("git token %q", got)
	}
	if got := c.Ledger.URL.Reveal(); c.Ledger.Kind != config.Postgres || got != "postgres://tenure:ledger-s3cret@db.example.com/tenure?sslmode=verify-full" {
		t.Errorf("ledger %q", got)
	}
	if c.Guard.MaxRemovals != 0 || c.Guard.MaxRemovalRatio != 0.5 || c.Listen != "" || c.Reverts.Merge != config.MergeAuto || c.Reverts.ReviewAhead != 21*24*time.Hour {
		t.Errorf("guard %+v, listen %q, reverts %+v", c.Guard, c.Listen, c.Reverts)
	}
	if c.StateDir != abs(t, "testdata/state") || c.Evidence.File != abs(t, "testdata/events.jsonl") {
		t.Errorf("paths are not relative to the file: %q, %q", c.StateDir, c.Evidence.File)
	}
	want := map[string]any{
		"dsn": "postgres://app:dsn-s3cret@db/orders", "note": "a literal ${NAME} and hook-s3cret", "port": 5432,
		"tls":   map[string]any{"ca": "postgres://app:dsn-s3cret@db/orders", "verify": true},
		"hosts": []any{"a.example.com", "b.example.com"},
	}
	if got := c.Targets["orders-db"]; got.Connector != "postgres" || !reflect.DeepEqual(got.Settings, want) {
		t.Errorf("orders-db: %s %#v", got.Connector, got.Settings)
	}
	if got := c.Targets["sudoers"].Settings["templateFile"]; got != abs(t, "testdata/sudoers.tmpl") {
		t.Errorf("templateFile was not handed on as a path: %v", got)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

func TestEveryProblemIsReportedWithItsPlaceAndNoValue(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var first string
			for i := range 5 { // maps must not change the order
				_, err := config.Load(file, environment(nil))
				if err == nil {
					t.Fatal("accepted")
				}
				var problems config.Problems
				if !errors.As(err, &problems) {
					t.Fatalf("%T is not Problems", err)
				}
				if i == 0 {
					first = err.Error()
				}
				if err.Error() != first {
					t.Fatalf("order differs:\n%s\n---\n%s", first, err)
				}
			}
			if strings.Contains(first, "s3cret") {
				t.Errorf("a value is printed:\n%s", first)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(first+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != first+"\n" {
				t.Errorf("got:\n%s\nwant:\n%s", first, want)
			}
		})
	}
}

func TestVariablesAreNotExpandedTwice(t *testing.T) {
	data, err := os.ReadFile("testdata/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("reconciler.yaml", data, environment(map[string]string{"ORDERS_DB_DSN": "a${GITHUB_TOKEN}b$${X}"}))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Targets["orders-db"].Settings["dsn"]; got != "a${GITHUB_TOKEN}b$${X}" {
		t.Errorf("got %q", got)
	}
}

func TestSecretFileThatEverybodyCanReadIsAWarning(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("gh-s3cret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), `token: "${GITHUB_TOKEN}"`, "tokenFile: token", 1)
	c, err := config.Parse(filepath.Join(dir, "reconciler.yaml"), []byte(text), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	if c.Forge.Token.Reveal() != "gh-s3cret" {
		t.Errorf("token %q", c.Forge.Token.Reveal())
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Message, "chmod 600") || !c.Warnings[0].Warning {
		t.Errorf("warnings %v", c.Warnings)
	}
}

func TestTrustFromMayLookLikeANumber(t *testing.T) {
	data, err := os.ReadFile("testdata/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{strings.Repeat("1234567890", 4), "1e" + strings.Repeat("12", 19)} {
		text := strings.Replace(string(data), `"0123456789abcdef0123456789abcdef01234567"`, hash, 1)
		c, err := config.Parse("reconciler.yaml", []byte(text), environment(nil))
		if err != nil || c.Trust.From != hash {
			t.Errorf("%s: %v", hash, err)
		}
	}
}

func TestRepositoryAddresses(t *testing.T) {
	for address, want := range map[string]struct{ host, name string }{
		"https://github.com/acme/access":          {"github.com", "acme/access"},
		"https://git.example.com:8443/acme/a.git": {"git.example.com:8443", "acme/a"},
		"ssh://git@github.com/acme/access.git":    {"github.com", "acme/access"},
		"git@github.com:acme/access.git":          {"github.com", "acme/access"},
		"http://127.0.0.1:3000/acme/access":       {"127.0.0.1:3000", "acme/access"},
	} {
		text := "repository: {url: '" + address + "'}\ntrust: {from: '" + strings.Repeat("a", 40) + "', group: g}\nforge: {type: github, token: x}\nssh: {keyFile: testdata/app.pem, knownHostsFile: testdata/known_hosts}\ntargets: {t: {connector: c}}\n"
		c, err := config.Parse("reconciler.yaml", []byte(text), environment(nil))
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if c.Repository.Host != want.host || c.Forge.Repository != want.name || c.Repository.URL != address {
			t.Errorf("%s: host %q, repository %q", address, c.Repository.Host, c.Forge.Repository)
		}
	}
}

func TestSchedulesComeDueWhenTheySay(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 7, 30, 500, time.UTC)
	base, err := os.ReadFile("testdata/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]time.Time{
		"30s":                              start.Add(30 * time.Second),
		"1s":                               start.Add(time.Second),
		"@every 90s":                       start.Add(90 * time.Second),
		"@hourly":                          time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC),
		"0 9 * * *":                        time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC),
		"CRON_TZ=Europe/Berlin 0 12 * * *": time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC),
	} {
		c, err := config.Parse("reconciler.yaml", append(slices.Clone(base), "poll: '"+text+"'\n"...), environment(nil))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.PollEvery().Next(start); !got.Equal(want) {
			t.Errorf("%s: next is %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "0s", "@every 10ms", "@every -1h", "* * * * * *", "soon", "0 0 30 2 *"} {
		if _, err := config.Parse("reconciler.yaml", append(slices.Clone(base), "poll: '"+text+"'\n"...), environment(nil)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
