package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

type policyReport struct {
	Path     string              `json:"path"`
	OK       bool                `json:"ok"`
	Passed   int                 `json:"passed"`
	Failed   int                 `json:"failed"`
	Tests    []policy.TestResult `json:"tests"`
	Problems []schema.Problem    `json:"problems"` // of the files that hold the rules
}

func (a *app) policyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "policy COMMAND",
		Short:   "Work on the rules: run their tests",
		Long:    "Work on the rules that the policies of an access repository hold.",
		Example: "  reconciler policy test",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.policyTestCmd())
	return cmd
}

func (a *app) policyTestCmd() *cobra.Command {
	var only string
	cmd := &cobra.Command{
		Use:   "test [PATH]",
		Short: "Run the tests that are written beside the rules",
		Long: `Run the tests of all policies of an access repository against all of its rules,
offline. Each test is a request and what the rules must say: allow or deny. A
test is printed with its result, and with the rules that deny and why. Only
rules are looked at, not limits or approvals; those are what validate checks.

Exit code 1: a test fails, cannot be run, or is in a file that cannot be read;
or a rule is not valid; or --run matches none. No test at all is fine.`,
		Example: `  reconciler policy test
  reconciler policy test ./access-repo --run 'ticket'
  reconciler policy test -o json`,
		Args:              arguments("[PATH]"),
		ValidArgsFunction: completeDirectories,
		RunE: func(_ *cobra.Command, args []string) error {
			match, err := regexp.Compile(only)
			if err != nil {
				return fmt.Errorf("--run %q is not a regular expression: %w", only, err)
			}
			r, err := testPolicies(pathArg(args), match)
			if err != nil {
				return err
			}
			if err := a.print(r, func(w io.Writer) error { return a.policyTable(w, r, only) }); err != nil {
				return err
			}
			if !r.OK {
				return errNotFine
			}
			return nil
		},
	}
	a.outputFlag(cmd)
	cmd.Flags().StringVar(&only, "run", "", "only tests whose name matches this regular expression")
	return cmd
}

func testPolicies(path string, match *regexp.Regexp) (policyReport, error) {
	tree, err := loadTree(path)
	if err != nil {
		return policyReport{}, err
	}
	r := policyReport{Path: path, Tests: []policy.TestResult{}, Problems: unreadPolicies(path, tree)}
	_, invalid := policy.Compile(tree)
	r.Problems = append(r.Problems, invalid...)
	for _, t := range policy.RunTests(tree) {
		if !match.MatchString(t.Name) {
			continue
		}
		if r.Tests = append(r.Tests, t); t.OK {
			r.Passed++
		} else {
			r.Failed++
		}
	}
	r.OK = r.Failed == 0 && len(r.Problems) == 0 && (len(r.Tests) > 0 || match.String() == "")
	return r, nil
}

// kindPolicy finds a document that means to be a policy, in text that need not be
// valid.
var kindPolicy = regexp.MustCompile(`\bkind['"]?\s*:\s*['"]?Policy\b`)

// unreadPolicies returns what is wrong with the files that seem to hold a policy
// and are left out of the tree: their tests do not run, which must not pass for
// tests that hold.
func unreadPolicies(path string, tree *schema.Tree) []schema.Problem {
	out := []schema.Problem{}
	for _, p := range tree.Problems {
		if p.Warning || slices.ContainsFunc(tree.Policies, func(q *schema.Policy) bool { return q.Pos.File == p.Pos.File }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(path, filepath.FromSlash(p.Pos.File)))
		if err != nil || kindPolicy.Match(text) {
			out = append(out, p)
		}
	}
	return out
}

func (a *app) policyTable(w io.Writer, r policyReport, only string) error {
	for _, p := range r.Problems {
		fmt.Fprintln(w, a.tint(w, red, inert(fmt.Sprintf("%s:%d:%d:", p.Pos.File, p.Pos.Line, p.Pos.Column))), inert(p.Message))
	}
	for _, t := range r.Tests {
		word, colour := "ok  ", green
		if !t.OK {
			word, colour = "FAIL", red
		}
		place := fmt.Sprintf("%s:%d:%d:", t.Pos.File, t.Pos.Line, t.Pos.Column)
		fmt.Fprintf(w, "%s %s %s\n", a.tint(w, colour, word), inert(place), safe(t.Name))
		switch {
		case t.Got == "":
			fmt.Fprintf(w, "     cannot be run: %s\n", safe(t.Detail))
		case t.OK && t.Got == "allow":
		case !t.OK && t.Got == "allow":
			fmt.Fprintf(w, "     expects deny, but no rule denies\n")
		case !t.OK && t.Expect == "allow":
			fmt.Fprintf(w, "     expects allow\n")
		case !t.OK:
			fmt.Fprintf(w, "     expects deny, but only by a rule that can be evaluated\n")
		}
		for _, d := range t.Denials {
			fmt.Fprintf(w, "     denied by %s\n", safe(d.String()))
		}
	}
	switch {
	case len(r.Tests) > 0:
		_, err := fmt.Fprintf(w, "%s: %d passed, %d failed\n", safe(r.Path), r.Passed, r.Failed)
		return err
	case only != "":
		_, err := fmt.Fprintf(w, "%s: no test of a policy matches --run %s\n", safe(r.Path), safe(only))
		return err
	}
	_, err := fmt.Fprintf(w, "%s: no policy has tests; write them under `tests:` beside the rules\n", safe(r.Path))
	return err
}
