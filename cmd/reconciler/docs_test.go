package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// commandsPage is docs/commands.md: the help of every command, in the order in
// which the program lists them.
func commandsPage(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	out.WriteString("<!-- Made by `go test ./cmd/reconciler -run TestCommandsPage -update`; do not edit. -->\n\n# Commands\n\nWhat `reconciler help COMMAND` prints.\n")
	a := testApp(&bytes.Buffer{}, &bytes.Buffer{})
	root := a.root()
	root.InitDefaultHelpCmd()
	for _, c := range everyCommand(root) {
		if !c.IsAvailableCommand() && c != root && c.Name() != "help" {
			continue
		}
		var text bytes.Buffer
		c.SetOut(&text)
		c.InitDefaultHelpFlag()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		out.WriteString("\n## " + c.CommandPath() + "\n\n```text\n" + strings.TrimSpace(text.String()) + "\n```\n")
	}
	return out.String()
}

// everyCommand returns a command and all below it, in the order of the help.
func everyCommand(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		out = append(out, everyCommand(sub)...)
	}
	return out
}

func testApp(out, errOut *bytes.Buffer) *app {
	return &app{out: out, err: errOut, env: func(string) (string, bool) { return "", false }, now: fixedNow}
}

func fixedNow() time.Time { return time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC) }

func TestCommandsPageIsWhatHelpPrints(t *testing.T) {
	t.Parallel()
	const file = "../../docs/commands.md"
	want := commandsPage(t)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the commands print; run: go test ./cmd/reconciler -run TestCommandsPage -update", file)
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	root := testApp(&bytes.Buffer{}, &bytes.Buffer{}).root()
	root.InitDefaultHelpCmd()
	for _, c := range everyCommand(root) {
		name := c.CommandPath()
		switch {
		case c.Example == "":
			t.Errorf("%s has no example", name)
		case c.Long == "":
			t.Errorf("%s has no description", name)
		case c.Short == "" || strings.HasSuffix(c.Short, "."):
			t.Errorf("%s: %q is not a short description", name, c.Short)
		case c.Args == nil:
			t.Errorf("%s takes any arguments", name)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 85 {
				t.Errorf("%s: a line of the description is too long for a terminal: %q", name, line)
			}
		}
		for line := range strings.Lines(c.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: the example %q is not indented", name, line)
			}
		}
	}
}
