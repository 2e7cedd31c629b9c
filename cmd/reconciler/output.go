package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"gopkg.in/yaml.v3"
)

// outputFlag adds -o to a command.
func (a *app) outputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.output, "output", "o", "table", "output format: table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// configFlag adds --config to a command.
func (a *app) configFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.configFile, "config", "c", "reconciler.yaml", "the reconciler's configuration")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// print writes v as JSON or YAML, or calls table for people.
func (a *app) print(v any, table func(w io.Writer) error) error {
	switch a.output {
	case "json":
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	case "yaml":
		// By way of JSON, so that both have the same keys.
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		var plain any
		if err := yaml.Unmarshal(raw, &plain); err != nil {
			return err
		}
		return yaml.NewEncoder(a.out).Encode(plain)
	case "table", "":
		return table(a.out)
	}
	return fmt.Errorf("unknown output format %q (allowed: table, json, yaml)", a.output)
}

// table aligns rows under a header. In a pipe the columns are tabs, so that cut
// and awk work.
func (a *app) table(w io.Writer, header []string, rows [][]string) error {
	if !a.terminal() {
		for _, r := range rows {
			if _, err := fmt.Fprintln(w, strings.Join(r, "\t")); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(header, "\t"))
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

// terminal reports whether people look at the output.
func (a *app) terminal() bool {
	if f, ok := a.out.(*os.File); ok {
		return term.IsTerminal(int(f.Fd()))
	}
	return false
}

// colour wraps text in an ANSI colour on a terminal, unless NO_COLOR is set.
func (a *app) colour(code, text string) string {
	if _, off := a.env("NO_COLOR"); off || !a.terminal() {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// safe makes text from outside harmless on a terminal.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}
