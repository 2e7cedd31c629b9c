package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// openTerminal returns a real pseudo-terminal and what was shown on it so far.
func openTerminal(t *testing.T) (tty *os.File, shown func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("open a pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	conn, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var ctlErr error
	if err := conn.Control(func(fd uintptr) {
		if ctlErr = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); ctlErr == nil {
			n, ctlErr = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || ctlErr != nil {
		t.Fatal(err, ctlErr)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&got, master) // ends with an error when the last tty is closed
	}()
	return tty, func() string {
		_ = tty.Close()
		<-done
		return strings.ReplaceAll(got.String(), "\r\n", "\n")
	}
}

func someStatus() status {
	hold := grants.Hold{Item: grants.Item{Grant: grants.Grant{Target: "orders-db", Account: "alice", Entitlement: "role=orders_rw"}, Subject: "alice"}, State: grants.StateHeld,
		Until: fixedNow().Add(4 * time.Hour), Holders: []grants.Holder{{Path: "requests/alice.yaml"}}}
	late := hold
	late.Subject, late.Target, late.Until, late.LastError = "bob", "billing", fixedNow().Add(-time.Minute), "no \x1b[31mroute\nto host"
	return status{At: fixedNow(), Holds: []grants.Hold{hold, late}, Overdue: 1,
		Drift: []ledger.Drift{{Grant: grants.Grant{Target: "orders-db", Account: "eve", Entitlement: "role=orders_rw"}, Since: fixedNow()}}}
}

func TestStatusOnATerminalHasAHeaderColumnsAndColour(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"colour": {nil, "" +
			"SUBJECT  TARGET     ACCOUNT  ENTITLEMENT     UNTIL                 LEFT    REQUEST              STATE\n" +
			"alice    orders-db  alice    role=orders_rw  2026-11-25T00:00:00Z  4h0m0s  requests/alice.yaml  held\n" +
			"bob      billing    alice    role=orders_rw  2026-11-24T19:59:00Z  -1m0s   requests/alice.yaml  \x1b[31moverdue\x1b[0m: no ·[31mroute·to host\n"},
		"NO_COLOR": {map[string]string{"NO_COLOR": "1"}, "" +
			"SUBJECT  TARGET     ACCOUNT  ENTITLEMENT     UNTIL                 LEFT    REQUEST              STATE\n" +
			"alice    orders-db  alice    role=orders_rw  2026-11-25T00:00:00Z  4h0m0s  requests/alice.yaml  held\n" +
			"bob      billing    alice    role=orders_rw  2026-11-24T19:59:00Z  -1m0s   requests/alice.yaml  overdue: no ·[31mroute·to host\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tty, shown := openTerminal(t)
			var errOut bytes.Buffer
			a := testApp(&bytes.Buffer{}, &errOut)
			a.out = tty
			a.env = func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }
			if err := a.statusTable(a.out, someStatus()); err != nil {
				t.Fatal(err)
			}
			if got := shown(); got != c.want {
				t.Errorf("got\n%q, want\n%q", got, c.want)
			}
			// What goes elsewhere than the terminal has no colour.
			if got, want := errOut.String(), "drift: orders-db: role=orders_rw for eve (since 2026-11-24T20:00:00Z)\n"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestStatusInAPipeHasTabsOnly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := testApp(&out, &bytes.Buffer{})
	if err := a.statusTable(&out, someStatus()); err != nil {
		t.Fatal(err)
	}
	want := "alice\torders-db\talice\trole=orders_rw\t2026-11-25T00:00:00Z\t4h0m0s\trequests/alice.yaml\theld\n" +
		"bob\tbilling\talice\trole=orders_rw\t2026-11-24T19:59:00Z\t-1m0s\trequests/alice.yaml\toverdue: no ·[31mroute·to host\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestErrorsAreRedOnATerminal(t *testing.T) {
	t.Parallel()
	tty, shown := openTerminal(t)
	if code := run(t.Context(), []string{"schema", "nothing"}, strings.NewReader(""), io.Discard, tty); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	if got := shown(); !strings.HasPrefix(got, "\x1b[31merror:\x1b[0m unknown kind \"nothing\"") && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		t.Errorf("got %q", got)
	}
}
