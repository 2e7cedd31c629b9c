package file

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
)

// share is a bench whose directory can be taken away and leave an empty one in its
// place, as a share leaves its mount point.
func share(t *testing.T, s connectors.Settings) (b *bench, mount, unmount func()) {
	t.Helper()
	b = newBench(t, s)
	dir := filepath.Dir(b.path)
	away := dir + ".away"
	t.Cleanup(func() { _ = os.RemoveAll(away) })
	unmount = func() {
		ok(t, os.Rename(dir, away))
		ok(t, os.Mkdir(dir, 0o700))
	}
	mount = func() {
		ok(t, os.RemoveAll(dir))
		ok(t, os.Rename(away, dir))
	}
	return b, mount, unmount
}

// absent asserts that nothing is said of the file and that nothing makes one.
func absent(t *testing.T, b *bench, group, word string) {
	t.Helper()
	refused(t, b.revoke(group, "bob"), b.path, word, "mount or restore it", "make an empty file")
	refused(t, b.grant(group, "carol"), b.path, word)
	_, err := b.c.Observe(b.t.Context(), []string{gr(group, "").Entitlement})
	refused(t, err, b.path, word, "mount or restore it")
	batch, _ := connectors.AsBatcher(b.c)
	for _, err := range batch.Apply(t.Context(), []connectors.Act{
		{Grant: gr(group, "bob"), Revoke: true}, {Grant: gr(group, "carol")}}) {
		refused(t, err, word)
	}
	check, _ := connectors.AsChecker(b.c)
	if errs := check.Check(t.Context(), nil); len(errs) != 1 {
		t.Errorf("check: %v", errs)
	}
	if _, err := os.Lstat(b.path); !os.IsNotExist(err) {
		t.Errorf("a file was made: %v", err)
	}
}

func everyFormat() map[string]connectors.Settings {
	all := map[string]connectors.Settings{"template": {"template": ini}}
	for _, f := range formats {
		all[f.name] = maps.Clone(f.settings)
	}
	return all
}

func groupOf(format string) string {
	for _, f := range formats {
		if f.name == format {
			return f.group
		}
	}
	return "ops"
}

func TestAShareThatIsNotMountedDoesNotCountAsEmpty(t *testing.T) {
	for name, s := range everyFormat() {
		t.Run(name, func(t *testing.T) {
			group := groupOf(name)
			s["mustExist"] = true
			b, mount, unmount := share(t, s)
			absent(t, b, group, "mustExist") // also at the first start
			b.write("")
			ok(t, b.grant(group, "bob"))
			unmount()
			absent(t, b, group, "mustExist")
			b.reopen()
			absent(t, b, group, "mustExist")
			mount()
			if got := b.held(group); got != group+":bob" {
				t.Errorf("held when the share is back: %q", got)
			}
			ok(t, b.revoke(group, "bob"))
			if got := b.held(group); got != "" {
				t.Errorf("held after the revoke: %q", got)
			}
		})
	}
}

func TestAFileThatWasThereCannotBecomeAnEmptyOneByVanishing(t *testing.T) {
	for name, s := range everyFormat() {
		t.Run(name, func(t *testing.T) {
			group := groupOf(name)
			b, mount, unmount := share(t, s)
			ok(t, b.revoke(group, "bob")) // the first start: there never was a file
			if got := b.held(group); got != "" {
				t.Errorf("no file states %q", got)
			}
			ok(t, b.revoke(group, "bob"))
			ok(t, b.grant(group, "bob")) // seen because it was written
			unmount()
			absent(t, b, group, "was there before")
			mount()
			b.reopen()
			if got := b.held(group); got != group+":bob" { // seen because it was read
				t.Errorf("held when the share is back: %q", got)
			}
			unmount()
			absent(t, b, group, "was there before")
			mount()
			ok(t, b.revoke(group, "bob"))
			if got := b.held(group); got != "" {
				t.Errorf("held after the revoke: %q", got)
			}
		})
	}
}

func TestAFileThatWasDeletedOnPurposeIsReplacedByAnEmptyOneOrARestart(t *testing.T) {
	for name, s := range everyFormat() {
		t.Run(name, func(t *testing.T) {
			group := groupOf(name)
			b := newBench(t, s)
			for _, recover := range []func(){func() { b.write("") }, b.reopen} {
				ok(t, b.grant(group, "bob"))
				ok(t, os.Remove(b.path))
				absent(t, b, group, "was there before")
				recover()
				if got := b.held(group); got != "" {
					t.Errorf("held: %q", got)
				}
				ok(t, b.revoke(group, "bob"))
				ok(t, b.grant(group, "carol"))
				if got := b.held(group); got != group+":carol" {
					t.Errorf("held: %q", got)
				}
				ok(t, b.revoke(group, "carol"))
			}
		})
	}
}

// A reload that is owed must not be settled with a directory that has no file.
func TestAnOwedReloadWaitsForTheFile(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	b := newBench(t, connectors.Settings{"format": "lines", "group": "vip", "mustExist": true,
		"reload": script(t, `test ! -e '`+broken+`'`)})
	b.write("")
	ok(t, b.grant("vip", "bob"))
	ok(t, os.WriteFile(broken, nil, 0o600))
	refused(t, b.revoke("vip", "bob"), "reload failed")
	ok(t, os.Remove(broken))
	ok(t, os.Rename(b.path, b.path+".away"))
	b.reopen()
	if st, err := b.c.(*connector).readState(); err != nil || !st.ReloadOwed {
		t.Errorf("%+v, %v", st, err)
	}
	ok(t, os.Rename(b.path+".away", b.path))
	if got := b.held("vip"); got != "vip:bob" {
		t.Errorf("held before the reload: %q", got)
	}
	b.reopen()
	if got := b.held("vip"); got != "" {
		t.Errorf("held: %q", got)
	}
}
