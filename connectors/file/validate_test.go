package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

// guarded is a bench with a real validating command, which refuses every file with a
// line that starts with "broken", and logs each run to the file that it returns.
func guarded(t *testing.T) (b *bench, runs func() int) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "runs")
	b = newBench(t, connectors.Settings{"format": "htgroup", "validate": script(t,
		`echo x >> '`+log+`'
case "$1" in */.managed.tenure-*.tmp);; *) echo "not a new file: $1" >&2; exit 8;; esac
if grep -n '^broken' "$1" >&2; then exit 1; fi`)})
	runs = func() int { c, _ := os.ReadFile(log); _ = os.Remove(log); return strings.Count(string(c), "x") }
	return b, runs
}

func checked(t *testing.T, b *bench) error {
	t.Helper()
	c, found := connectors.AsChecker(b.c)
	if !found {
		t.Fatal("no checker")
	}
	return errors.Join(c.Check(t.Context(), nil)...)
}

func TestABrokenLineByAnotherHandKeepsNobodysAccess(t *testing.T) {
	b, _ := guarded(t)
	ok(t, b.grant("ops", "alice"))
	ok(t, b.grant("ops", "bob"))
	ok(t, checked(t, b))
	b.write("broken line\n# BEGIN tenure\nops: alice bob\n# END tenure\n")

	ok(t, b.revoke("ops", "alice"))
	b.want("broken line\n# BEGIN tenure\nops: bob\n# END tenure\n")
	if got := b.held("ops"); got != "ops:bob" {
		t.Errorf("held: %s", got)
	}
	// It is not silent, and grants stay closed.
	refused(t, checked(t, b), b.path, "setting validate refuses the file as it stands", "1:broken line")
	refused(t, b.grant("ops", "carol"), "new file was refused", "the file as it stands", "repair", "1:broken line")
	b.want("broken line\n# BEGIN tenure\nops: bob\n# END tenure\n")

	b.write("repaired: x\n# BEGIN tenure\nops: bob\n# END tenure\n")
	ok(t, checked(t, b))
	ok(t, b.grant("ops", "carol"))
	if got := b.held("ops"); got != "ops:bob ops:carol" {
		t.Errorf("held: %s", got)
	}
}

func TestRevokesInABrokenFileAreOneWriteWhateverElseIsAsked(t *testing.T) {
	b, runs := guarded(t)
	broken := "broken line\n# BEGIN tenure\nops: alice bob carol\n# END tenure\n"
	batch, _ := connectors.AsBatcher(b.c)
	revokes := []connectors.Act{{Grant: gr("ops", "alice"), Revoke: true}, {Grant: gr("ops", "bob"), Revoke: true}}

	b.write(broken)
	for _, err := range batch.Apply(t.Context(), revokes) {
		ok(t, err)
	}
	b.want("broken line\n# BEGIN tenure\nops: carol\n# END tenure\n")
	if n := runs(); n != 2 { // the new content, the old one
		t.Errorf("the command ran %d times", n)
	}

	b.write(broken)
	errs := batch.Apply(t.Context(), append([]connectors.Act{{Grant: gr("ops", "dave")}}, revokes...))
	refused(t, errs[0], "new file was refused", "1:broken line")
	ok(t, errors.Join(errs[1:]...))
	b.want("broken line\n# BEGIN tenure\nops: carol\n# END tenure\n")
	if n := runs(); n != 6 { // all, the revokes, the grant
		t.Errorf("the command ran %d times", n)
	}
}

func TestARevokeIsOnlyConfirmedIfTheBrokenFileLacksIt(t *testing.T) {
	b, _ := guarded(t)
	b.write("broken line\nops: alice\n# BEGIN tenure\nops: alice bob\n# END tenure\n")
	batch, _ := connectors.AsBatcher(b.c)
	errs := batch.Apply(t.Context(), []connectors.Act{
		{Grant: gr("ops", "alice"), Revoke: true}, {Grant: gr("ops", "bob"), Revoke: true}})
	refused(t, errs[0], "line 2", "by hand")
	ok(t, errs[1])
	b.want("broken line\nops: alice\n")
	if got := b.held("ops"); got != "ops:alice" {
		t.Errorf("held: %s", got)
	}
	// Nor if the file that was written states it for whatever reason.
	acts := []connectors.Act{{Grant: gr("ops", "alice"), Revoke: true}, {Grant: gr("ops", "bob"), Revoke: true}}
	errs = make([]error, 2)
	ok(t, b.c.(*connector).readBack(acts, []int{0, 1}, errs))
	refused(t, errs[0], "still gives it")
	ok(t, errs[1])
}

// The command has the last word as long as it takes the file in place.
func TestARevokeThatMakesAValidFileInvalidIsRefused(t *testing.T) {
	b := newBench(t, connectors.Settings{"format": "htgroup",
		"validate": script(t, `grep -q alice "$1" || { echo "nobody is left" >&2; exit 1; }`)})
	ok(t, b.grant("ops", "alice"))
	ok(t, b.grant("ops", "bob"))
	batch, _ := connectors.AsBatcher(b.c)
	errs := batch.Apply(t.Context(), []connectors.Act{
		{Grant: gr("ops", "alice"), Revoke: true}, {Grant: gr("ops", "bob"), Revoke: true}})
	refused(t, errs[0], "old one stays", "nobody is left")
	if !strings.HasSuffix(errs[0].Error(), "nobody is left") {
		t.Errorf("a valid file is called broken: %v", errs[0])
	}
	ok(t, errs[1])
	b.want("# BEGIN tenure\nops: alice\n# END tenure\n")
}

func TestACommandThatCannotRunKeepsNobodysAccess(t *testing.T) {
	for want, command := range map[string][]any{
		"no-such-command": {"/nowhere/no-such-command", "{}"},
		"ended after":     script(t, "sleep 60"),
	} {
		b := newBench(t, connectors.Settings{"format": "htgroup"})
		ok(t, b.grant("ops", "alice"))
		ok(t, b.grant("ops", "bob"))
		b.settings["validate"] = command
		b.reopen()
		// Two runs of a command that hangs must fit into the time of one act.
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		err := b.c.Revoke(ctx, gr("ops", "alice"))
		cancel()
		ok(t, err)
		b.want("# BEGIN tenure\nops: bob\n# END tenure\n")
		b.settings["timeout"] = "50ms"
		b.reopen()
		refused(t, b.grant("ops", "carol"), want)
		refused(t, checked(t, b), want)
	}
}

func TestARevokeThatIsCalledOffIsNotWrittenUnchecked(t *testing.T) {
	b, _ := guarded(t)
	ok(t, b.grant("ops", "alice"))
	content := "broken line\n# BEGIN tenure\nops: alice\n# END tenure\n"
	b.write(content)
	started := b.path + ".started"
	b.settings["validate"] = script(t, `touch '`+started+`'; sleep 60`)
	b.reopen()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() { done <- b.c.Revoke(ctx, gr("ops", "alice")) }()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if _, err := os.Stat(started); err == nil {
			break
		}
		<-time.After(5 * time.Millisecond) // a real process has to start
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	b.want(content)
}
