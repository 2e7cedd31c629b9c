package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/codeowners"
)

// defaultTrustGroup is what reconciler init calls the group that decides who
// decides.
const defaultTrustGroup = "admins"

type codeownersOptions struct {
	check, write  bool
	output, group string
}

func (a *app) codeownersCmd() *cobra.Command {
	var o codeownersOptions
	cmd := &cobra.Command{
		Use:   "codeowners [PATH]",
		Short: "Make CODEOWNERS from roles, groups and requests",
		Long: `Print a CODEOWNERS file for an access repository, so that GitHub asks the right
people for their review: the trust group for all configuration and for the file
itself, those who can approve it for each request file, and everybody who can
approve some role for new requests. Who can approve a new request depends on
what is in it, which CODEOWNERS cannot see.

It asks and does not decide: whose approval counts is what the roles say, and
the reconciler reads it from GitHub by itself. GitHub reads the file from the
branch that a pull request goes to. Each new request changes what it should say,
and a request brings no other file: run --check by the clock, not on pull
requests, and write the file anew when it fails.

Only active people are named, by the login in their file; who has none is left
out with a warning. A path that CODEOWNERS cannot name exactly is an error, and
so is a file of more than 3 MB, which GitHub does not read.

GitLab reads the same form, but looks in CODEOWNERS, docs/ and .gitlab/, and
knows other logins. Gitea's patterns are regular expressions: this file does not
fit there.

Exit code 1: with --check, the file in the repository differs or is not there.`,
		Example: `  reconciler codeowners ./access-repo
  reconciler codeowners --write
  reconciler codeowners --check --trust-group admins`,
		Args:              arguments("[PATH]"),
		ValidArgsFunction: completeDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("config") && !cmd.Flags().Changed("trust-group") {
				cfg, err := a.loadConfig()
				if err != nil {
					return err
				}
				o.group = cfg.Trust.Group
			}
			return a.codeowners(pathArg(args), o)
		},
	}
	a.configFlag(cmd)
	f := cmd.Flags()
	f.Lookup("config").DefValue = ""
	f.Lookup("config").Usage = "the reconciler's configuration: read trust.group from it"
	f.BoolVar(&o.check, "check", false, "compare with the file that GitHub uses, and print the difference")
	f.BoolVar(&o.write, "write", false, "write the file that GitHub uses: "+codeowners.Places()[0]+", or where there is one")
	f.StringVar(&o.output, "output", "", "write to this file instead of printing")
	f.StringVar(&o.group, "trust-group", defaultTrustGroup, "the group that decides who decides")
	cmd.MarkFlagsMutuallyExclusive("check", "write", "output")
	return cmd
}

func (a *app) codeowners(path string, o codeownersOptions) error {
	tree, err := loadTree(path)
	if err != nil {
		return err
	}
	if len(tree.People)+len(tree.Roles) == 0 {
		return fmt.Errorf("%s holds neither people nor roles; name the top of the access repository", path)
	}
	file, err := codeowners.Generate(tree, o.group)
	if file != nil {
		for _, w := range file.Warnings {
			fmt.Fprintln(a.err, a.tint(a.err, yellow, "warning:"), safe(w))
		}
	}
	if err != nil {
		return notFine{err}
	}
	place, have, err := findCodeowners(path)
	if err != nil {
		return err
	}
	switch {
	case o.check:
		return a.checkCodeowners(filepath.Join(path, place), have, file)
	case o.write:
		if place == "" {
			place = codeowners.Places()[0]
		}
		return a.writeCodeowners(filepath.Join(path, filepath.FromSlash(place)), file)
	case o.output != "":
		return a.writeCodeowners(o.output, file)
	}
	_, err = a.out.Write(file.Bytes())
	return err
}

// findCodeowners returns the file that GitHub uses; an empty place: there is none.
func findCodeowners(path string) (place string, text []byte, err error) {
	for _, p := range codeowners.Places() {
		text, err = os.ReadFile(filepath.Join(path, filepath.FromSlash(p)))
		if err == nil {
			return filepath.FromSlash(p), text, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", nil, fmt.Errorf("read CODEOWNERS: %w", err)
		}
	}
	return "", nil, nil
}

func (a *app) checkCodeowners(name string, have []byte, want *codeowners.File) error {
	if have == nil {
		return notFine{fmt.Errorf("there is no CODEOWNERS (looked for %s); write it with `reconciler codeowners --write`", strings.Join(codeowners.Places(), ", "))}
	}
	rules, problems := codeowners.Parse(have)
	for _, p := range problems {
		fmt.Fprintf(a.out, "%s:%d: %s; GitHub skips the line\n", inert(name), p.Line, safe(p.Message))
	}
	difference := codeowners.Diff(rules, want.Rules)
	for _, line := range difference {
		colour := red
		if strings.HasPrefix(line, "+") {
			colour = green
		}
		fmt.Fprintln(a.out, a.tint(a.out, colour, safe(line)))
	}
	if len(difference)+len(problems) > 0 {
		fmt.Fprintf(a.err, "%s is not what the roles, groups and requests say; write it anew with `reconciler codeowners --write`\n", safe(name))
		return errNotFine
	}
	fmt.Fprintf(a.out, "%s: up to date\n", safe(name))
	return nil
}

func (a *app) writeCodeowners(name string, file *codeowners.File) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("write CODEOWNERS: %w", err)
	}
	if err := os.WriteFile(name, file.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write CODEOWNERS: %w", err)
	}
	fmt.Fprintf(a.err, "written  %s\n", safe(name))
	return nil
}
