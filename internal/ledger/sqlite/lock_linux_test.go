package sqlite_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/ledger/sqlite"
)

// A child that was forked and has not yet become its own program still has every
// file of ours open. The copied descriptor here stands for it.
func TestCloseGivesTheLockBackAlthoughAChildHasTheFileOpen(t *testing.T) {
	u := backend().NewURL(t)
	l, err := sqlite.Open(t.Context(), u, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	copied := 0
	for _, e := range open {
		var fd int
		link, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil || link != strings.TrimPrefix(u, "sqlite://")+".lock" {
			continue
		}
		child, err := syscall.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(child)
		copied++
	}
	if copied != 1 {
		t.Fatalf("%d descriptors of the lock, want 1", copied)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := sqlite.Open(t.Context(), u, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
