package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// run is one run of the connectors' suite: a line of the file that the tests write.
type run struct {
	Connector string
	Results   []struct{ Case, Outcome, Reason string }
}

// cell is what became of a case in all runs of one connector.
type cell struct {
	failed, passed bool
	reasons        []string // why it does not apply; of a case that no run could pass
}

// matrix prints connector × case as a table, with the reasons why a case does not
// apply below it. A case that one run of a connector passes and another leaves out is
// passed.
func matrix(file string, w io.Writer) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("no connector was tested: %w", err)
	}
	cells := map[string]map[string]*cell{}
	var cases []string
	for line := range bytes.Lines(data) {
		var r run
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if cells[r.Connector] == nil {
			cells[r.Connector] = map[string]*cell{}
		}
		for _, res := range r.Results {
			if !slices.Contains(cases, res.Case) {
				cases = append(cases, res.Case)
			}
			c := cells[r.Connector][res.Case]
			if c == nil {
				c = &cell{}
				cells[r.Connector][res.Case] = c
			}
			switch res.Outcome {
			case "pass":
				c.passed = true
			case "n/a":
				if !slices.Contains(c.reasons, res.Reason) {
					c.reasons = append(c.reasons, res.Reason)
				}
			default:
				c.failed = true
			}
		}
	}
	table(w, slices.Sorted(maps.Keys(cells)), cases, cells)
	return nil
}

func table(w io.Writer, names, cases []string, cells map[string]map[string]*cell) {
	var notes []string
	fmt.Fprintf(w, "\n| case | %s |\n|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, what := range cases {
		row := []string{what}
		for _, name := range names {
			row = append(row, cells[name][what].text(name, &notes))
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprintln(w)
	for i, n := range notes {
		fmt.Fprintf(w, "[%d] %s\n", i+1, n)
	}
}

// text is the cell's word; a reason becomes a note.
func (c *cell) text(name string, notes *[]string) string {
	switch {
	case c == nil:
		return "not run"
	case c.failed:
		return "FAIL"
	case c.passed:
		return "pass"
	}
	note := name + ": " + strings.Join(c.reasons, "; ")
	i := slices.Index(*notes, note)
	if i < 0 {
		*notes, i = append(*notes, note), len(*notes)
	}
	return fmt.Sprintf("n/a [%d]", i+1)
}
