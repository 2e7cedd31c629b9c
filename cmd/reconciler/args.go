package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// arguments checks the number of arguments against their names as the usage line
// writes them: NAME has to be given, [NAME] may be.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		for i, n := range names {
			if i >= len(args) && !strings.HasPrefix(n, "[") {
				return usage(cmd, fmt.Errorf("%s is missing", n))
			}
		}
		if len(args) > len(names) {
			return usage(cmd, fmt.Errorf("unexpected argument %q", args[len(names)]))
		}
		return nil
	}
}

// usage adds where to look to an error of the command line.
func usage(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())
}

// subcommand refuses what is no command, and names the nearest one.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	if n := nearest(args[0], names); n != "" {
		return fmt.Errorf("unknown command %q; did you mean %q?", args[0], n)
	}
	return usage(cmd, fmt.Errorf("unknown command %q", args[0]))
}

// flagError is called when a flag cannot be read. Before the first command that
// is known, an unknown command is what the reader has to hear about.
func flagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); !cmd.HasParent() && len(args) > 0 {
		return subcommand(cmd, args)
	}
	return usage(cmd, err)
}

// nearest returns the known word that differs least from word, or "": in case
// only, by what follows, or by at most two letters.
func nearest(word string, known []string) string {
	word = strings.ToLower(word)
	best, least := "", 3
	for _, k := range known {
		low := strings.ToLower(k)
		d := distance(word, low)
		if len(word) >= 3 && strings.HasPrefix(low, word) {
			d = min(d, 1)
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of letters to add, take away or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := slices.Clone(row)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
		}
		row = next
	}
	return row[len(b)]
}
