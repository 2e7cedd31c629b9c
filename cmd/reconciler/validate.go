package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/all"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

type validation struct {
	Path     string           `json:"path"`
	OK       bool             `json:"ok"`
	Problems []schema.Problem `json:"problems"`
	Requests int              `json:"requests"`
	Roles    int              `json:"roles"`
	People   int              `json:"people"`
	Groups   int              `json:"groups"`
	Targets  int              `json:"targets"`
	Rules    int              `json:"rules"`
}

func (a *app) validateCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate [PATH]",
		Short: "Check an access repository; what CI runs",
		Long: `Check every file of an access repository, offline: schema, references, names,
limits, ticket form, requesters, ceilings, approver counts, rules and their tests.
Every problem is printed as file:line:column: what is wrong; what is allowed.

With GITHUB_ACTIONS=true it also prints annotations and writes a job summary.`,
		Example: `  reconciler validate
  reconciler validate ./access-repo -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := pathArg(args)
			v, err := validateTree(path)
			if err != nil {
				return err
			}
			if err := a.print(v, func(w io.Writer) error { return a.validationTable(w, v) }); err != nil {
				return err
			}
			if on, _ := a.env("GITHUB_ACTIONS"); on == "true" {
				if err := a.annotate(v); err != nil {
					return err
				}
			}
			if !v.OK {
				return errNotFine
			}
			return nil
		},
	}
	a.outputFlag(cmd)
	return cmd
}

func pathArg(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return "."
}

// registry lists the connectors of this build.
func registry() (*connectors.Registry, error) { return connectors.NewRegistry(all.Drivers()...) }

// loadTree reads an access repository from disk.
func loadTree(path string) (*schema.Tree, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("access repository: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory; name the top of the access repository", path)
	}
	return schema.LoadFS(os.DirFS(path)), nil
}

func validateTree(path string) (validation, error) {
	tree, err := loadTree(path)
	if err != nil {
		return validation{}, err
	}
	reg, err := registry()
	if err != nil {
		return validation{}, err
	}
	v := validation{
		Path: path, Problems: append(slices.Clone(tree.Problems), policy.Validate(tree, daemon.Canonical(reg))...),
		Requests: len(tree.Requests), Roles: len(tree.Roles), People: len(tree.People), Groups: len(tree.Groups), Targets: len(tree.Targets),
	}
	for _, p := range tree.Policies {
		v.Rules += len(p.Rules)
	}
	slices.SortFunc(v.Problems, schema.Problem.Compare)
	v.Problems = slices.CompactFunc(v.Problems, func(x, y schema.Problem) bool { return x == y })
	v.OK = !slices.ContainsFunc(v.Problems, func(p schema.Problem) bool { return !p.Warning })
	if v.OK && v.Requests+v.Roles+v.People+v.Groups+v.Targets == 0 {
		return v, fmt.Errorf("%s holds no document of %s; name the top of the access repository", path, schema.APIVersion)
	}
	return v, nil
}

func (a *app) validationTable(w io.Writer, v validation) error {
	for _, p := range v.Problems {
		mark := a.colour("31", "error")
		if p.Warning {
			mark = a.colour("33", "warning")
		}
		fmt.Fprintf(w, "%s: %s\n", safe(p.Error()), mark)
	}
	state := a.colour("32", "valid")
	if !v.OK {
		state = a.colour("31", fmt.Sprintf("%d problems", len(v.Problems)))
	}
	_, err := fmt.Fprintf(w, "%s: %s (%d requests, %d roles, %d people, %d groups, %d targets, %d rules)\n",
		v.Path, state, v.Requests, v.Roles, v.People, v.Groups, v.Targets, v.Rules)
	return err
}

// annotate prints workflow commands and writes the job summary. Text from the
// repository is escaped as the runner's documentation asks.
func (a *app) annotate(v validation) error {
	value := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, p := range v.Problems {
		level := "error"
		if p.Warning {
			level = "warning"
		}
		fmt.Fprintf(a.err, "::%s file=%s,line=%d,col=%d::%s\n", level, property.Replace(p.Pos.File), max(p.Pos.Line, 1), max(p.Pos.Column, 1), value.Replace(p.Message))
	}
	file, ok := a.env("GITHUB_STEP_SUMMARY")
	if !ok || file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the job summary: %w", err)
	}
	defer f.Close()
	fmt.Fprintf(f, "### Access repository\n\n")
	if v.OK {
		fmt.Fprintf(f, "Valid: %d requests, %d roles, %d people, %d groups, %d targets, %d rules.\n", v.Requests, v.Roles, v.People, v.Groups, v.Targets, v.Rules)
		return nil
	}
	fmt.Fprintf(f, "| place | problem |\n|---|---|\n")
	cell := strings.NewReplacer("|", "\\|", "\n", " ", "`", "'", "<", "&lt;")
	for _, p := range v.Problems {
		fmt.Fprintf(f, "| `%s:%d` | `%s` |\n", cell.Replace(p.Pos.File), p.Pos.Line, cell.Replace(p.Message))
	}
	return nil
}
