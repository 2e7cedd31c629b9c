package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// script writes a shell script and returns a command that runs it.
func script(t *testing.T, text string) []any {
	t.Helper()
	name := filepath.Join(t.TempDir(), "script")
	ok(t, os.WriteFile(name, []byte(text), 0o700))
	return []any{"/bin/sh", name, "{}"}
}

func TestAFileThatFailsValidationIsNotPutInPlace(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "htgroup",
		"validate": script(t, `test "$1" != "`+"x"+`" || exit 9; case "$1" in */.managed.tenure-*.tmp);; *) exit 8;; esac
if grep -q evil "$1"; then echo "line 2 is evil" >&2; exit 1; fi`)})
	b.write("# old\n")
	refused(t, b.grant("ops", "evil"), "old one stays", "exit status 1", "line 2 is evil")
	b.want("# old\n")
	batch, _ := connectors.AsBatcher(b.c)
	errs := batch.Apply(t.Context(), []connectors.Act{
		{Grant: gr("ops", "alice")}, {Grant: gr("ops", "evil")}, {Grant: gr("ops", "bob")}})
	if errs[0] != nil || errs[2] != nil {
		t.Errorf("others were kept back: %v", errs)
	}
	refused(t, errs[1], "evil")
	if got := b.held("ops"); got != "ops:alice ops:bob" {
		t.Errorf("held: %s", got)
	}
}

func TestCommandsAreBoundedInTimeAndOutputAndSeeNoSecrets(t *testing.T) {
	t.Setenv("SECRET_TOKEN", "hunter2")
	b := newBench(t, connectors.Settings{"format": "htgroup", "validate": script(t, `env; exit 1`)})
	if err := b.grant("ops", "a"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	b = newBench(t, connectors.Settings{"format": "htgroup",
		"validate": script(t, `i=0; while [ $i -lt 500 ]; do echo "0123456789 $i"; i=$((i+1)); done; exit 1`)})
	if err := b.grant("ops", "a"); err == nil || len(err.Error()) > outputTail+300 || !strings.Contains(err.Error(), "0123456789 499") {
		t.Errorf("%d bytes: %v", len(err.Error()), err)
	}
	b = newBench(t, connectors.Settings{"format": "htgroup", "timeout": "50ms", "validate": script(t, `sleep 60 & sleep 60`)})
	started := time.Now()
	err := b.grant("ops", "a")
	refused(t, err, "ended after 50ms")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(started) > 30*time.Second {
		t.Errorf("after %s: %v", time.Since(started), err)
	}
}

// reloads is a bench whose reload fails while the file "broken" exists, and which
// otherwise copies the managed file to "effect": what the target acts on.
func reloads(t *testing.T) (b *bench, setBroken func(bool), effect func() string) {
	dir := t.TempDir()
	broken, live := filepath.Join(dir, "broken"), filepath.Join(dir, "effect")
	b = newBench(t, connectors.Settings{"format": "lines", "group": "vip",
		"reload": script(t, fmt.Sprintf(`if [ -e %q ]; then echo cannot; exit 3; fi; cp "$1" %q`, broken, live))})
	setBroken = func(on bool) {
		if !on {
			ok(t, os.Remove(broken))
			return
		}
		ok(t, os.WriteFile(broken, nil, 0o600))
	}
	effect = func() string { c, _ := os.ReadFile(live); return string(c) }
	return b, setBroken, effect
}

func TestAFailedReloadIsReportedAndTriedAgainAfterARestart(t *testing.T) {
	b, setBroken, effect := reloads(t)
	ok(t, b.grant("vip", "bob"))
	setBroken(true)
	refused(t, b.revoke("vip", "bob"), "reload failed", "exit status 3", "cannot")
	b.want("")
	if got := b.held("vip"); got != "vip:bob" {
		t.Errorf("observe hides what the target still acts on: %q", got)
	}
	check, _ := connectors.AsChecker(b.c)
	if errs := check.Check(t.Context(), nil); len(errs) != 1 || !strings.Contains(errs[0].Error(), "last one failed") {
		t.Errorf("check: %v", errs)
	}
	refused(t, b.revoke("vip", "bob"), "reload failed") // nothing to write, still owed
	b.reopen()
	setBroken(false)
	ok(t, b.revoke("vip", "bob"))
	if got := b.held("vip"); got != "" || effect() != "" {
		t.Errorf("held %q, in effect %q", got, effect())
	}
	if errs := check.Check(t.Context(), nil); len(errs) != 0 {
		t.Errorf("check: %v", errs)
	}
}

func TestAnOwedReloadIsPaidWhenTheTargetIsOpened(t *testing.T) {
	b, setBroken, effect := reloads(t)
	ok(t, b.grant("vip", "bob"))
	setBroken(true)
	refused(t, b.revoke("vip", "bob"), "reload failed")
	setBroken(false)
	b.reopen()
	if effect() != "" || b.held("vip") != "" {
		t.Errorf("in effect %q, held %q", effect(), b.held("vip"))
	}
}

func TestAGrantWhoseReloadFailsIsTakenBack(t *testing.T) {
	b, setBroken, effect := reloads(t)
	ok(t, b.grant("vip", "alice"))
	ok(t, b.grant("vip", "carol"))
	setBroken(true)
	batch, _ := connectors.AsBatcher(b.c)
	for _, err := range batch.Apply(t.Context(), []connectors.Act{
		{Grant: gr("vip", "bob")}, {Grant: gr("vip", "alice"), Revoke: true}}) {
		refused(t, err, "reload failed")
	}
	b.want("# BEGIN tenure\ncarol\n# END tenure\n")
	if got := b.held("vip"); got != "vip:alice vip:carol" {
		t.Errorf("held: %s", got)
	}
	setBroken(false)
	ok(t, b.revoke("vip", "alice"))
	if want := "# BEGIN tenure\ncarol\n# END tenure\n"; effect() != want {
		t.Errorf("in effect: %s", effect())
	}
}

const ini = `# {{.Target}}{{range .Groups}}
[{{.Name}}]{{range .Accounts}}
{{.}}{{end}}{{end}}
`

func TestATemplateFileIsBelievedOnlyAsItWasWritten(t *testing.T) {
	b := newBench(t, connectors.Settings{"template": ini})
	ok(t, b.grant("ops", "bob"))
	ok(t, b.grant("ops", "alice"))
	ok(t, b.grant("dev", "alice"))
	b.want("# t\n[dev]\nalice\n[ops]\nalice\nbob\n")
	b.reopen()
	if got := b.held("dev", "ops"); got != "dev:alice ops:alice ops:bob" {
		t.Errorf("held: %s", got)
	}
	b.write("# t\n[dev]\nalice\nmallory\n")
	if got := b.held("dev"); !strings.Contains(got, "not what tenure last wrote") {
		t.Errorf("held: %s", got)
	}
	refused(t, b.grant("dev", "carol"), "move the file away")
	b.want("# t\n[dev]\nalice\nmallory\n")
	ok(t, b.revoke("ops", "bob")) // a revoke must not wait for people
	b.want("# t\n[dev]\nalice\n[ops]\nalice\n")
	if got := b.held("dev", "ops"); got != "dev:alice ops:alice" {
		t.Errorf("held: %s", got)
	}
	refused(t, b.grant("ops", "a]b"), "cannot stand")
	b.write("mallory\n")
	b.write("") // what the error asks for
	if got := b.held("dev", "ops"); got != "" {
		t.Errorf("an empty file states: %s", got)
	}
	ok(t, b.grant("dev", "alice"))
	b.want("# t\n[dev]\nalice\n")
}

func TestAFileThatTenureNeverWroteIsNotReplacedByATemplate(t *testing.T) {
	b := newBench(t, connectors.Settings{"template": ini})
	b.write("somebody's\n")
	if got := b.held("ops"); !strings.Contains(got, "not what tenure last wrote") {
		t.Errorf("held: %s", got)
	}
	refused(t, b.grant("ops", "bob"), "move the file away")
	refused(t, b.revoke("ops", "bob"), "move the file away")
	b.want("somebody's\n")
}

// A crash on either side of the swap must leave a state that fits the file.
func TestACrashAroundTheSwapLosesNothing(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		b := newBench(t, connectors.Settings{"template": ini, "reload": []any{"/bin/true"}})
		ok(t, b.grant("ops", "alice"))
		old, err := os.ReadFile(b.path)
		ok(t, err)
		c := b.c.(*connector)
		cur, err := c.load()
		ok(t, err)
		before := cur.doc.held()
		cur.doc.ours[pair{"ops", "bob"}] = true
		content, err := cur.doc.bytes()
		ok(t, err)
		ok(t, c.noteChange(cur, content, before)) // and then the crash
		if swapped {
			b.write(string(content))
		}
		want := map[bool]string{false: "ops:alice", true: "ops:alice ops:bob"}[swapped]
		if got := b.held("ops"); got != want {
			t.Errorf("swapped=%v, before the restart: %s", swapped, got)
		}
		b.reopen()
		if got := b.held("ops"); got != want {
			t.Errorf("swapped=%v: %s", swapped, got)
		}
		ok(t, b.grant("ops", "bob"))
		ok(t, b.revoke("ops", "bob"))
		b.want(string(old))
	}
}

func TestSettingsAreRefusedByNameOnly(t *testing.T) {
	dir := t.TempDir()
	for want, s := range map[string]connectors.Settings{
		"setting path is missing":        {"format": "csv"},
		"setting path must be an abs":    {"format": "csv", "path": "secret"},
		"directory of setting path":      {"format": "csv", "path": dir + "/nowhere/x"},
		"setting format must be":         {"path": dir + "/x", "format": "secret"},
		"keep one":                       {"path": dir + "/x", "format": "csv", "template": "secret"},
		"not a valid text/template":      {"path": dir + "/x", "template": "secret{{"},
		"fails on an example":            {"path": dir + "/x", "template": "secret{{.Nope}}"},
		"setting group is missing":       {"path": dir + "/x", "format": "lines"},
		"setting group is for":           {"path": dir + "/x", "format": "csv", "group": "secret"},
		"setting rules is for":           {"path": dir + "/x", "format": "csv", "rules": map[string]any{"a": "secret"}},
		"needs the setting rules":        {"path": dir + "/x", "format": "sudoers"},
		"have the same rule":             {"path": dir + "/x", "format": "sudoers", "rules": map[string]any{"a": "A=B", "b": "A=B"}},
		"must be one line":               {"path": dir + "/x", "format": "sudoers", "rules": map[string]any{"a": "secret"}},
		"setting mode must be octal":     {"path": dir + "/x", "format": "csv", "mode": "secret"},
		"setting owner: there is no":     {"path": dir + "/x", "format": "csv", "owner": "secret"},
		"setting validate must name":     {"path": dir + "/x", "format": "csv", "validate": []any{"secret"}},
		`unknown setting "formt"; did y`: {"path": dir + "/x", "formt": "secret"},
	} {
		_, err := Driver{}.Open(t.Context(), "t", s)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "sudoers", "rules": sudoRules,
		"validate": []any{"no-such-visudo", "{}"}, "reload": []any{"no-such-reload"}})
	check, found := connectors.AsChecker(b.c)
	if !found {
		t.Fatal("no checker")
	}
	errs := errors.Join(check.Check(t.Context(), []string{"group=restart", "group=nope"})...)
	refused(t, errs, "setting validate", "setting reload", `no rule for group "nope"`)
	if n := strings.Count(errs.Error(), "\n"); n != 2 {
		t.Errorf("%v", errs)
	}
}

func TestStateIsOneSmallDocument(t *testing.T) {
	b := newBench(t, connectors.Settings{"template": ini})
	for i := range 5 {
		ok(t, b.grant("ops", fmt.Sprint("u", i)))
	}
	raw, err := os.ReadFile(b.c.(*connector).statePath())
	ok(t, err)
	var st state
	ok(t, json.Unmarshal(raw, &st))
	if len(st.Versions) > 2 {
		t.Errorf("%d versions are kept", len(st.Versions))
	}
}

func TestGrantsOfAnotherFormAreRefused(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "csv"})
	for _, e := range []string{"", "role=x", "group=x role=y", `group="x"`} {
		refused(t, b.c.Grant(t.Context(), grants.Grant{Target: "t", Account: "a", Entitlement: e}, time.Time{}), "entitlement")
	}
}

// A reconciler must start, for all of its targets, also while somebody else works on
// this one's file.
func TestOpenDoesNotWaitForAnotherWriterForEver(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "htgroup", "timeout": "50ms", "reload": script(t, "exit 0")})
	unlock, err := b.c.(*connector).lock(t.Context())
	ok(t, err)
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := (Driver{}).Open(ctx, "t", b.settings); err != nil {
		t.Fatal(err)
	}
}
