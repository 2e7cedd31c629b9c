package demo_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/all"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/demo"
	"github.com/tenure-dev/tenure/internal/pgtest"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// screen is what the reader of the demo sees.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newScreen() *screen { return &screen{more: make(chan struct{}, 1)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await returns when the text was printed.
func (s *screen) await(t *testing.T, text string) {
	t.Helper()
	for late := time.After(time.Minute); !strings.Contains(s.String(), text); {
		select {
		case <-s.more:
		case <-late:
			t.Fatalf("%q was not printed:\n%s", text, s)
		}
	}
}

func options(t *testing.T, out *screen) demo.Options {
	t.Helper()
	reg, err := connectors.NewRegistry(all.Drivers()...)
	if err != nil {
		t.Fatal(err)
	}
	return demo.Options{
		Out: out, Dir: t.TempDir(), Window: 2 * time.Second, Registry: reg, Version: "test",
		Validate: func(dir string) (out []string, err error) {
			tree := schema.LoadFS(os.DirFS(dir))
			for _, p := range append(tree.Problems, policy.Validate(tree, daemon.Canonical(reg))...) {
				if !p.Warning {
					out = append(out, p.Error())
				}
			}
			return out, nil
		},
	}
}

func wantInOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, p := range parts {
		_, after, ok := strings.Cut(rest, p)
		if !ok {
			t.Fatalf("%q is missing, or not in its place:\n%s", p, text)
		}
		rest = after
	}
}

func TestTheStoryIsPlayedToItsEnd(t *testing.T) {
	t.Parallel()
	out := newScreen()
	o := options(t, out)
	o.Once = true
	if err := demo.Run(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantInOrder(t, out.String(),
		"/acme/access/pulls\n",
		"1. ", "frank pushes requests/2026/frank-ops-101-1.yaml", "needs a ticket", "it is valid",
		"2. ", "Can not approve your own pull request", "nothing is granted: role bastion-access: missing: 1 of platform-leads",
		"3. ", "grace approves", "no rule for frank.ops", "frank.ops ALL=(root) NOPASSWD: /usr/bin/journalctl",
		"4. ", "after the end", "no rule for frank.ops",
		"5. ", "/pull/3, which removes requests/2026/frank-ops-101-2.yaml", "the chain of events is unbroken",
		"That was the whole way",
	)
	if text, err := os.ReadFile(filepath.Join(o.Dir, "reconciler.log")); err != nil || strings.Contains(string(text), "ghp_") {
		t.Errorf("the reconciler's log is missing, or holds a token: %v", err)
	}
}

func TestTheStoryIsPlayedWithPostgreSQL(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	out := newScreen()
	o := options(t, out)
	o.Once, o.Postgres = true, server.DSN("postgres")
	if err := demo.Run(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantInOrder(t, out.String(),
		"3. ", "bob approves", "alice is not a member of orders_rw", "alice is a member of orders_rw",
		"4. ", "after the end", "alice is not a member of orders_rw",
		"That was the whole way",
	)
}

func TestAnInterruptEndsTheDemoCleanly(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]string{"after the story": "Ctrl-C", "in the story": "2. Merged without"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newScreen()
			o := options(t, out)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			ended := make(chan error, 1)
			go func() { ended <- demo.Run(ctx, o) }()
			out.await(t, at)
			interrupt()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("interrupted: %v\n%s", err, out)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("it did not end:\n%s", out)
			}
			if !strings.Contains(out.String(), "Stopped. The files stay in "+o.Dir) {
				t.Errorf("it does not say that it stopped:\n%s", out)
			}
			if strings.Contains(out.String(), "context canceled") {
				t.Errorf("it prints how it was interrupted:\n%s", out)
			}
		})
	}
}

func TestAnInterruptedStoryIsNotASuccess(t *testing.T) {
	t.Parallel()
	out := newScreen()
	o := options(t, out)
	o.Once = true
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan error, 1)
	go func() { ended <- demo.Run(ctx, o) }()
	out.await(t, "1. ")
	interrupt()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
}

func TestTheDemoRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	secret := "postgres://admin:hunter2@127.0.0.1:1/postgres?connect_timeout=1"
	for name, c := range map[string]struct {
		set  func(*demo.Options)
		want string
	}{
		"an address that others can reach": {func(o *demo.Options) { o.Listen = "0.0.0.0:0" }, "loopback interface only"},
		"a name instead of an address":     {func(o *demo.Options) { o.Listen = "localhost:0" }, "loopback interface only"},
		"a directory that is in use":       {func(o *demo.Options) { o.Dir = full }, "is not empty"},
		"a database that is not there":     {func(o *demo.Options) { o.Postgres = secret }, "--postgres: could not connect"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newScreen()
			o := options(t, out)
			c.set(&o)
			err := demo.Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error()+out.String(), "hunter2") {
				t.Errorf("the password is printed: %v\n%s", err, out)
			}
		})
	}
}
