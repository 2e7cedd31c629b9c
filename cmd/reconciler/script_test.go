package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script and docs/commands.md")

// TestMain lets the test binary stand in for the program: inside the scripts
// `reconciler` is run, with its exit code, working directory and environment.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"reconciler": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
			stop()
			os.Exit(code)
		},
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "SUDO_USER"} {
				e.Setenv(name, "")
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"await": await,
			"tidy":  tidy,
			"forge": forgeCommand,

			"extract-yaml": extractYAML,
			"replace":      replace,
			"append":       appendLine,
		},
	})
}

// exits CODE PROGRAM ARG...: the program ends with exactly that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, args[1:]); got != want {
		ts.Fatalf("%s ended with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func exitCode(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	ts.Fatalf("%v", err)
	return -1
}

// await FILE TEXT PROGRAM ARG...: the program is run again until the file or its
// stdout holds the text. It is for what a window's end has to bring about.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: await stdout|FILE TEXT PROGRAM [ARG...]")
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		exitCode(ts, args[2:])
		if strings.Contains(ts.ReadFile(args[0]), args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q was not seen in %s", args[1], args[0])
		}
		<-time.After(100 * time.Millisecond)
	}
}

var volatile = []struct {
	is *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)`), "TIME"},
	{regexp.MustCompile(`\b\d{8}T\d{6}Z\b`), "KEY"},
	{regexp.MustCompile(`\b[0-9a-f]{40}\b`), "HASH"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "HASH12"},
	{regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+s\b`), "DURATION"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST"},
}

// tidy stdout|stderr|FILE OUT: writes the file to OUT, with everything that
// differs from run to run replaced by its name.
func tidy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tidy stdout|stderr|FILE OUT")
	}
	text := strings.ReplaceAll(ts.ReadFile(args[0]), ts.Getenv("WORK"), "$WORK")
	for _, v := range volatile {
		text = v.is.ReplaceAllString(text, v.as)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

// extract-yaml README OUT: writes the first YAML block of a Markdown file.
func extractYAML(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: extract-yaml README OUT")
	}
	_, rest, ok := strings.Cut(ts.ReadFile(args[0]), "```yaml\n")
	text, _, end := strings.Cut(rest, "```")
	if !ok || !end {
		ts.Fatalf("%s holds no YAML block", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

// replace OLD NEW FILE: in all places.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	text := strings.ReplaceAll(ts.ReadFile(args[2]), args[0], args[1])
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text), 0o600))
}

// append FILE LINE.
func appendLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: append FILE LINE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile(args[0])+args[1]+"\n"), 0o600))
}
