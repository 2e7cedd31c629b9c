package evidence_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/evidence"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/sqlite"
)

func open(t *testing.T) *ledger.Ledger {
	t.Helper()
	led, err := sqlite.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "ledger.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = led.Close() })
	return led
}

// say writes an event that any operator's word causes.
func say(t *testing.T, led *ledger.Ledger, words ...string) {
	t.Helper()
	for _, w := range words {
		if err := led.ConfirmRemovals(t.Context(), w, "olivia"); err != nil {
			t.Fatal(err)
		}
	}
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func verify(t *testing.T, file string) (int64, error) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return evidence.Verify(f)
}

func TestOnlyNewEventsAreAppended(t *testing.T) {
	led, file := open(t), filepath.Join(t.TempDir(), "evidence.jsonl")
	say(t, led, "a", "b")
	for range 2 {
		if err := evidence.Append(t.Context(), file, led); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(lines(t, file)); n != 2 {
		t.Fatalf("%d lines, want 2", n)
	}
	say(t, led, "c")
	if err := evidence.Append(t.Context(), file, led); err != nil {
		t.Fatal(err)
	}
	if n, err := verify(t, file); n != 3 || err != nil {
		t.Errorf("verified %d events: %v", n, err)
	}
}

func TestALineThatACrashCutOffIsWrittenAgain(t *testing.T) {
	led, file := open(t), filepath.Join(t.TempDir(), "evidence.jsonl")
	say(t, led, "a", "b")
	if err := evidence.Append(t.Context(), file, led); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(file)
	if err := os.WriteFile(file, text[:len(text)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := evidence.Append(t.Context(), file, led); err != nil {
		t.Fatal(err)
	}
	if n, err := verify(t, file); n != 2 || err != nil {
		t.Errorf("verified %d events: %v", n, err)
	}
}

func TestAChangedCopyIsNoticed(t *testing.T) {
	led, file := open(t), filepath.Join(t.TempDir(), "evidence.jsonl")
	say(t, led, "a", "b", "c")
	if err := evidence.Append(t.Context(), file, led); err != nil {
		t.Fatal(err)
	}
	all := lines(t, file)
	for name, text := range map[string]string{
		"an entry is edited":   strings.Join(all, "\n") + "\n",
		"an entry is left out": all[0] + "\n" + all[2] + "\n",
		"entries are swapped":  all[1] + "\n" + all[0] + "\n" + all[2] + "\n",
	} {
		if name == "an entry is edited" {
			text = strings.Replace(text, "olivia", "mallory", 1)
		}
		if _, err := evidence.Verify(strings.NewReader(text)); err == nil {
			t.Errorf("%s, and it still verifies", name)
		}
	}
}

func TestALedgerThatWentBackIsNoticed(t *testing.T) {
	led, file := open(t), filepath.Join(t.TempDir(), "evidence.jsonl")
	say(t, led, "a", "b", "c")
	if err := evidence.Append(t.Context(), file, led); err != nil {
		t.Fatal(err)
	}
	older := open(t)
	say(t, older, "a")
	if err := evidence.Append(t.Context(), file, older); !errors.Is(err, evidence.ErrWentBack) {
		t.Errorf("got %v", err)
	}
	if n := len(lines(t, file)); n != 3 {
		t.Errorf("%d lines are left of 3", n)
	}
}

func TestAppendEndsWithItsContext(t *testing.T) {
	led, file := open(t), filepath.Join(t.TempDir(), "evidence.jsonl")
	say(t, led, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := evidence.Append(ctx, file, led); err == nil {
		t.Error("no error")
	}
}
