package main

import (
	"encoding/json"
	"errors"
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
	a.output = "table"
	cmd.Flags().VarP((*format)(&a.output), "output", "o", "output format: table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// format is an output format, checked before the command does anything.
type format string

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "format" }
func (f *format) Set(s string) error {
	if s != "table" && s != "json" && s != "yaml" {
		return errors.New("allowed are table, json and yaml")
	}
	*f = format(s)
	return nil
}

// configFlag adds --config to a command.
func (a *app) configFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.configFile, "config", "c", "reconciler.yaml", "the reconciler's configuration")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// people reports whether the output is for people rather than for programs.
func (a *app) people() bool { return a.output == "table" }

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
	}
	return table(a.out)
}

// table aligns rows under a header; without rows it writes nothing. In a pipe
// there is no header and tabs part the columns, so that cut and awk work.
func (a *app) table(w io.Writer, header []string, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	if !terminal(w) {
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

// terminal reports whether people look at what is written to w.
func terminal(w io.Writer) bool {
	if f, ok := w.(*os.File); ok {
		return term.IsTerminal(int(f.Fd()))
	}
	return false
}

// The colours of ANSI terminals.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

// tint colours text that is written to w, if w is a terminal and NO_COLOR is not
// set.
func (a *app) tint(w io.Writer, code, text string) string {
	if off, _ := a.env("NO_COLOR"); off != "" || !terminal(w) {
		return text
	}
	if kind, _ := a.env("TERM"); kind == "dumb" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
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
