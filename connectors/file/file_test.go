package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is one managed file in a directory of its own.
type bench struct {
	t        *testing.T
	path     string
	settings connectors.Settings
	c        connectors.Connector
}

func newBench(t *testing.T, s connectors.Settings) *bench {
	t.Helper()
	b := &bench{t: t, path: filepath.Join(t.TempDir(), "managed"), settings: s}
	s["path"] = b.path
	b.reopen()
	return b
}

func (b *bench) reopen() {
	b.t.Helper()
	c, err := Driver{}.Open(b.t.Context(), "t", b.settings)
	if err != nil {
		b.t.Fatal(err)
	}
	b.c = c
}

func (b *bench) write(content string) {
	b.t.Helper()
	if err := os.WriteFile(b.path, []byte(content), 0o640); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) want(content string) {
	b.t.Helper()
	got, err := os.ReadFile(b.path)
	if err != nil || string(got) != content {
		b.t.Errorf("file is:\n%s\nwant:\n%s\n%v", got, content, err)
	}
}

func gr(group, account string) grants.Grant {
	return grants.Grant{Target: "t", Account: account, Entitlement: connectors.Format(map[string]string{"group": group})}
}

func (b *bench) grant(group, account string) error {
	return b.c.Grant(b.t.Context(), gr(group, account), time.Time{})
}

func (b *bench) revoke(group, account string) error {
	return b.c.Revoke(b.t.Context(), gr(group, account))
}

// held is what Observe says, as "group:account group:account".
func (b *bench) held(groups ...string) string {
	b.t.Helper()
	var scope []string
	for _, g := range groups {
		scope = append(scope, gr(g, "").Entitlement)
	}
	found, err := b.c.Observe(b.t.Context(), scope)
	if err != nil {
		return "error: " + err.Error()
	}
	var out []string
	for _, g := range found {
		p, err := pairOf(g)
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, p.Group+":"+p.Account)
	}
	return strings.Join(out, " ")
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

var sudoRules = map[string]any{"restart": "ALL=(root)  NOPASSWD: /bin/systemctl restart app", "logs": "ALL=(root) /bin/journalctl"}

// formats are the built-in ones with foreign content, and what it becomes when bob
// is granted; foreign accounts are mallory's.
var formats = []struct {
	name            string
	settings        connectors.Settings
	group           string
	foreign, with   string
	foreignAccounts string
}{
	{"sudoers", connectors.Settings{"format": "sudoers", "rules": sudoRules}, "restart",
		"Defaults env_reset\nmallory, eve\tALL=(root) NOPASSWD: /bin/systemctl  restart app # since 2019\nroot ALL=(ALL) ALL\n",
		"Defaults env_reset\nmallory, eve\tALL=(root) NOPASSWD: /bin/systemctl  restart app # since 2019\nroot ALL=(ALL) ALL\n# BEGIN tenure\n# tenure: group=restart rule=\"ALL=(root) NOPASSWD: /bin/systemctl restart app\"\nbob ALL=(root) NOPASSWD: /bin/systemctl restart app\n# END tenure\n",
		"restart:eve restart:mallory"},
	{"htgroup", connectors.Settings{"format": "htgroup"}, "ops",
		"# people\r\nops: mallory 'eve two'\r\nother:x", "# people\r\nops: mallory 'eve two'\r\nother:x\n# BEGIN tenure\nops: bob\n# END tenure\n",
		"ops:eve two ops:mallory"},
	{"authorized_principals", connectors.Settings{"format": "authorized_principals", "group": "deploy"}, "deploy",
		"# deploy\nfrom=\"10.0.0.0/8\" mallory\n", "# deploy\nfrom=\"10.0.0.0/8\" mallory\n# BEGIN tenure\nbob\n# END tenure\n",
		"deploy:mallory"},
	{"lines", connectors.Settings{"format": "lines", "group": "vip"}, "vip",
		"mallory\n\n# note\n", "mallory\n\n# note\n# BEGIN tenure\nbob\n# END tenure\n", "vip:mallory"},
	{"csv", connectors.Settings{"format": "csv"}, "ops",
		"group,account\n\"ops\",\"mallory\"\r\nx,y\n", "group,account\n\"ops\",\"mallory\"\r\nx,y\nops,bob\n", "ops:mallory"},
	{"json", connectors.Settings{"format": "json"}, "ops",
		"{\n  \"empty\": [],\n  \"ops\": [\n    \"mallory\"\n  ]\n}\n", "{\n  \"empty\": [],\n  \"ops\": [\n    \"bob\",\n    \"mallory\"\n  ]\n}\n", "ops:mallory"},
}

func TestForeignEntriesAreSeenAndSurvive(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			b := newBench(t, f.settings)
			b.write(f.foreign)
			if got := b.held(f.group); got != f.foreignAccounts {
				t.Errorf("held: %s", got)
			}
			ok(t, b.grant(f.group, "bob"))
			b.want(f.with)
			ok(t, b.grant(f.group, "bob"))
			b.want(f.with)
			ok(t, b.grant(f.group, "mallory")) // there already: not ours
			b.want(f.with)
			ok(t, b.revoke(f.group, "bob"))
			want := f.foreign
			if !strings.HasSuffix(want, "\n") {
				want += "\n"
			}
			b.want(want)
			ok(t, b.revoke(f.group, "bob"))
			ok(t, b.revoke(f.group, "never-was"))
			b.want(want)
			if got := b.held(f.group); got != f.foreignAccounts {
				t.Errorf("held afterwards: %s", got)
			}
			if got := b.held("quite-another"); got != "" {
				t.Errorf("out of scope: %s", got)
			}
		})
	}
}

func TestLinesOutsideTheBlockAreNotRevokedSilently(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "htgroup"})
	b.write("ops: bob\n")
	refused(t, b.revoke("ops", "bob"), "line 1", "by hand")
	b.want("ops: bob\n")
}

func TestEditsInsideTheBlockAreSeenAndKept(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "lines", "group": "vip"})
	ok(t, b.grant("vip", "bob"))
	b.write("# BEGIN tenure\nbob\nmallory\n# a note\n# END tenure\ntail\n")
	if got := b.held("vip"); got != "vip:bob vip:mallory vip:tail" {
		t.Errorf("held: %s", got)
	}
	ok(t, b.grant("vip", "carol"))
	b.want("# BEGIN tenure\nbob\ncarol\nmallory\n# a note\n# END tenure\ntail\n")
}

func TestDamagedMarksStopEverything(t *testing.T) {
	for _, content := range []string{
		"# BEGIN tenure\nbob\n", "# END tenure\n", "# BEGIN tenure\n# END tenure\n# BEGIN tenure\n# END tenure\n",
		"# BEGIN tenure\n# BEGIN tenure\n# END tenure\n", "# BEGIN tenure\n# END tenure\n# END tenure\n",
	} {
		b := newBench(t, connectors.Settings{"format": "lines", "group": "vip"})
		b.write(content)
		if got := b.held("vip"); !strings.HasPrefix(got, "error: t: observe: ") || !strings.Contains(got, "line ") {
			t.Errorf("%q: %s", content, got)
		}
		refused(t, b.grant("vip", "alice"), "line ")
		b.want(content)
	}
}

func TestABackslashBeforeTheBlockCannotSwallowIt(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "htgroup"})
	b.write("x: y \\\n")
	ok(t, b.grant("ops", "bob"))
	b.want("x: y \\\n\n# BEGIN tenure\nops: bob\n# END tenure\n")
	ok(t, b.grant("ops", "carol"))
	b.want("x: y \\\n\n# BEGIN tenure\nops: bob carol\n# END tenure\n")
}

func TestAChangedRuleIsRewrittenAndStaysVisibleUntilThen(t *testing.T) {
	s := connectors.Settings{"format": "sudoers", "rules": map[string]any{"logs": "ALL=(root) /bin/journalctl"}}
	b := newBench(t, s)
	ok(t, b.grant("logs", "bob"))
	s["rules"] = map[string]any{"logs": "ALL=(root) /bin/journalctl -u app"}
	b.reopen()
	if got := b.held("logs"); got != "logs:bob" {
		t.Errorf("held under the old rule: %s", got)
	}
	ok(t, b.grant("logs", "bob"))
	b.want("# BEGIN tenure\n# tenure: group=logs rule=\"ALL=(root) /bin/journalctl -u app\"\nbob ALL=(root) /bin/journalctl -u app\n# END tenure\n")
	s["rules"] = map[string]any{"other": "ALL=(root) /bin/true"}
	b.reopen()
	if got := b.held("logs"); got != "logs:bob" {
		t.Errorf("held under a rule that was taken away: %s", got)
	}
	ok(t, b.revoke("logs", "bob"))
	b.want("")
}

func TestARuleByAnotherHandInsideTheBlockStaysAsItIs(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "sudoers", "rules": sudoRules})
	ok(t, b.grant("logs", "bob"))
	ours, err := os.ReadFile(b.path)
	ok(t, err)
	odd := "mallory ALL=(ALL) ALL\nmallory ALL=(root)  /bin/journalctl\n"
	b.write(strings.Replace(string(ours), "# END", odd+"# END", 1))
	if got := b.held("logs", "restart"); got != "logs:bob logs:mallory" {
		t.Errorf("held: %s", got)
	}
	refused(t, b.revoke("logs", "mallory"), "line 5", "did not write")
	ok(t, b.revoke("logs", "bob"))
	b.want("# BEGIN tenure\n" + odd + "# END tenure\n")
}

func TestNamesThatWouldMeanSomethingElseAreRefused(t *testing.T) {
	for format, names := range map[string][]string{
		"sudoers":               {"ALL", "ADMINS", "Defaults", "User_Alias", "%wheel", "#0", "+netgroup", "a b", "a,b", "a=b", "!a", "a:b", "a\nb", "a\\", "@include", `"a"`, "", "größe"},
		"htgroup":               {"a b", "a:b", "#a", `"a"`, "'a'", `a\`, "a\nb", "a\tb", "", strings.Repeat("x", 1001)},
		"authorized_principals": {"a b", "a,b", "#a", `a"b`, "a\nb", ""},
		"lines":                 {"#a", "a\nb", "a\rb", " a", "a\u2028b", `a\`, "", "# END tenure"},
		"csv":                   {"a,b", `a"b`, "a\nb", "=1+1", "@x", "-a", "+a", ""},
		"json":                  {"a\nb", "a\x00", "\xff", ""},
	} {
		for _, f := range formats {
			if f.name != format {
				continue
			}
			b := newBench(t, f.settings)
			for _, n := range names {
				if err := b.grant(f.group, n); err == nil {
					t.Errorf("%s: account %+q was accepted", format, n)
				}
			}
			if _, err := os.Stat(b.path); !os.IsNotExist(err) {
				t.Errorf("%s: a refused name made a file: %v", format, err)
			}
		}
	}
}

func TestBatchIsOneWriteAndBadItemsDoNotStopIt(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "htgroup"})
	log := b.path + ".log"
	b.settings["reload"] = []any{"/bin/sh", "-c", "echo x >> " + log}
	b.reopen()
	batch, found := connectors.AsBatcher(b.c)
	if !found {
		t.Fatal("not a batcher")
	}
	var acts []connectors.Act
	for i := range 1000 {
		acts = append(acts, connectors.Act{Grant: gr("ops", fmt.Sprintf("user-%03d", i))})
	}
	acts[500].Grant.Account = "bad name"
	for i, err := range batch.Apply(t.Context(), acts) {
		if (err != nil) != (i == 500) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := len(strings.Fields(b.held("ops"))); n != 999 {
		t.Errorf("%d hold it", n)
	}
	if got, _ := os.ReadFile(log); string(got) != "x\n" {
		t.Errorf("reloads: %q", got)
	}
	content, _ := os.ReadFile(b.path)
	for _, l := range strings.Split(string(content), "\n") {
		if len(l) > htgroupLine {
			t.Errorf("a line of %d bytes", len(l))
		}
	}
}

func TestModeAndOwnerAreKeptOrSet(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "lines", "group": "vip"})
	b.write("x\n")
	ok(t, os.Chmod(b.path, 0o604))
	root := os.Getuid() == 0
	if root {
		ok(t, os.Chown(b.path, 12, 34))
	}
	ok(t, b.grant("vip", "bob"))
	st, err := os.Stat(b.path)
	ok(t, err)
	uid, gid, _ := ownerOf(st)
	if st.Mode() != 0o604 || root && (uid != 12 || gid != 34) {
		t.Errorf("%v %d:%d", st.Mode(), uid, gid)
	}
	b.settings["mode"] = "0600"
	if root {
		b.settings["owner"] = "root:1"
	}
	b.reopen()
	ok(t, b.grant("vip", "carol"))
	st, err = os.Stat(b.path)
	ok(t, err)
	uid, gid, _ = ownerOf(st)
	if st.Mode() != 0o600 || root && (uid != 0 || gid != 1) {
		t.Errorf("%v %d:%d", st.Mode(), uid, gid)
	}
}

func TestSymlinksAndOtherNonFilesAreRefused(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "lines", "group": "vip"})
	victim := b.path + ".victim"
	ok(t, os.WriteFile(victim, []byte("keep\n"), 0o600))
	ok(t, os.Symlink(victim, b.path))
	refused(t, b.grant("vip", "bob"), "symbolic link")
	if got := b.held("vip"); !strings.Contains(got, "symbolic link") {
		t.Error(got)
	}
	ok(t, os.Remove(b.path))
	ok(t, os.Mkdir(b.path, 0o700))
	refused(t, b.grant("vip", "bob"), "not a regular file")
}

func TestALockedFileIsWaitedForAsLongAsTheContextLasts(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "lines", "group": "vip"})
	unlock, err := b.c.(*connector).lock(t.Context())
	ok(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	err = b.c.Grant(ctx, gr("vip", "bob"), time.Time{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	unlock()
	ok(t, b.grant("vip", "bob"))
}

func TestStaleTemporaryFilesAreRemoved(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "lines", "group": "vip"})
	stale := filepath.Join(filepath.Dir(b.path), ".managed.tenure-123.tmp")
	ok(t, os.WriteFile(stale, nil, 0o600))
	ok(t, b.grant("vip", "bob"))
	entries, err := os.ReadDir(filepath.Dir(b.path))
	ok(t, err)
	for _, e := range entries {
		if e.Name() != "managed" && e.Name() != ".managed.tenure.lock" {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}
