// Command testreport reads `go test -json` and prints what a person wants to see:
// the closing line of every package, the full output of what failed, and at the
// end a list of what was left out and why. With -matrix it then prints which cases
// of their suite the connectors passed.
//
// It exits with 1 when something failed, and with -require-all also when a test
// was left out for another reason than that it "does not apply" to this machine.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	all := flag.Bool("require-all", false, "a test that was left out is a failure")
	table := flag.String("matrix", "", "print what each connector passed, from this `file`")
	flag.Parse()
	ok, err := report(os.Stdin, os.Stdout, *all)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if *table != "" {
		if err := matrix(*table, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "testreport:", err)
			ok = false
		}
	}
	if !ok {
		os.Exit(1)
	}
}

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Output      string
	FailedBuild string
}

// doesNotApply starts the reason of a skip that no installation could cure.
const doesNotApply = "does not apply"

type key struct{ pkg, test string }

type state struct {
	out                    io.Writer
	output                 map[key][]string
	passed, failed, leftOK int
	left                   []string
	bad                    bool // a package failed or did not build
}

// report copies r to w in readable form and says whether all is well.
func report(r io.Reader, w io.Writer, requireAll bool) (ok bool, err error) {
	s := &state{out: w, output: map[key][]string{}}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, err
		}
	}
	return s.summary(requireAll), nil
}

func (s *state) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		fmt.Fprint(s.out, line) // not an event: an error of the go command itself
		return
	}
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "build-fail":
		s.bad = true
	case "output":
		if e.Test == "" {
			s.packageOutput(e.Output)
			return
		}
		s.output[k] = append(s.output[k], e.Output)
	case "pass":
		if e.Test != "" {
			s.passed++
			delete(s.output, k)
		}
	case "skip":
		if e.Test != "" {
			s.skip(k)
		}
	case "fail":
		if e.Test == "" {
			s.bad = true
			s.unfinished(e.Package)
			return
		}
		s.failed++
		s.print(k)
	}
}

// packageOutput prints a package's own lines: its closing line, and what was
// written outside of any test.
func (s *state) packageOutput(text string) {
	if text != "PASS\n" && !strings.HasPrefix(text, "testing: warning: no tests to run") {
		fmt.Fprint(s.out, text)
	}
}

func (s *state) print(k key) {
	for _, text := range s.output[k] {
		if !strings.HasPrefix(text, "=== ") {
			fmt.Fprint(s.out, text)
		}
	}
	delete(s.output, k)
}

// unfinished prints the tests that a panic or a time limit cut off.
func (s *state) unfinished(pkg string) {
	var rest []key
	for k := range s.output {
		if k.pkg == pkg {
			rest = append(rest, k)
		}
	}
	slices.SortFunc(rest, func(a, b key) int { return strings.Compare(a.test, b.test) })
	for _, k := range rest {
		fmt.Fprintf(s.out, "--- not finished: %s\n", k.test)
		s.print(k)
	}
}

func (s *state) skip(k key) {
	reason := "no reason given"
	for _, text := range s.output[k] {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "=== ") || strings.HasPrefix(text, "--- ") || text == "" {
			continue
		}
		reason = text
		if place, rest, found := strings.Cut(text, ": "); found && strings.Contains(place, ".go:") {
			reason = rest
		}
	}
	delete(s.output, k)
	if strings.HasPrefix(reason, doesNotApply) {
		s.leftOK++
	}
	s.left = append(s.left, fmt.Sprintf("%s %s: %s", k.pkg, k.test, reason))
}

func (s *state) summary(requireAll bool) bool {
	slices.Sort(s.left)
	fmt.Fprintf(s.out, "\n%d tests passed, %d failed, %d left out\n", s.passed, s.failed, len(s.left))
	if len(s.left) > 0 {
		fmt.Fprintln(s.out, "left out:")
		for _, l := range s.left {
			fmt.Fprintln(s.out, "  "+l)
		}
	} else {
		fmt.Fprintln(s.out, "left out: nothing")
	}
	switch {
	case s.failed > 0 || s.bad:
		fmt.Fprintln(s.out, "FAIL")
		return false
	case requireAll && len(s.left) > s.leftOK:
		fmt.Fprintln(s.out, "FAIL: tests were left out, and REQUIRE_SERVERS=1 allows none")
		return false
	case s.passed == 0:
		fmt.Fprintln(s.out, "FAIL: no test ran")
		return false
	}
	fmt.Fprintln(s.out, "ok")
	return true
}
