package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	var settings string
	cmd := &cobra.Command{
		Use:   "validate [PATH]",
		Short: "Check an access repository; what CI runs",
		Long: `Check every file of an access repository, offline: schema, references, names,
limits, ticket form, requesters, ceilings, approver counts, rules and their tests.
Every problem is printed as file:line:column: what is wrong; what is allowed.

With --settings it also checks the settings of the targets in a reconciler.yaml,
without the environment and the files that its values come from.

With GITHUB_ACTIONS=true it also prints annotations and writes a job summary.`,
		Example: `  reconciler validate
  reconciler validate ./access-repo -o json
  reconciler validate --settings /etc/tenure/reconciler.yaml`,
		Args: arguments("[PATH]"),
		RunE: func(_ *cobra.Command, args []string) error {
			path := pathArg(args)
			v, err := validateTree(path)
			if err != nil {
				return err
			}
			if settings != "" {
				if err := v.addSettings(settings); err != nil {
					return err
				}
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
	cmd.Flags().StringVar(&settings, "settings", "", "also check the targets' settings in this reconciler.yaml")
	_ = cmd.MarkFlagFilename("settings", "yaml", "yml")
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
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no directory %s; name the top of the access repository", path)
	}
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
		Path: path, Problems: problems(tree, reg),
		Requests: len(tree.Requests), Roles: len(tree.Roles), People: len(tree.People), Groups: len(tree.Groups), Targets: len(tree.Targets),
	}
	for _, p := range tree.Policies {
		v.Rules += len(p.Rules)
	}
	v.OK = !slices.ContainsFunc(v.Problems, func(p schema.Problem) bool { return !p.Warning })
	if v.OK && v.Requests+v.Roles+v.People+v.Groups+v.Targets == 0 {
		return v, fmt.Errorf("%s holds no document of %s; name the top of the access repository", path, schema.APIVersion)
	}
	return v, nil
}

// addSettings adds what is wrong with the targets' settings in a reconciler.yaml.
func (v *validation) addSettings(file string) error {
	reg, err := registry()
	if err != nil {
		return err
	}
	more, err := settingsProblems(file, reg)
	if err != nil {
		return fmt.Errorf("settings of the targets: %w", err)
	}
	v.Problems = append(v.Problems, more...)
	v.OK = v.OK && len(more) == 0
	return nil
}

// problems is everything that can be known to be wrong offline, in the order of the
// files; never nil.
func problems(tree *schema.Tree, reg *connectors.Registry) []schema.Problem {
	out := append([]schema.Problem{}, tree.Problems...)
	out = append(out, policy.Validate(tree, daemon.Canonical(reg))...)
	out = append(out, misdescribed(tree, reg)...)
	for _, t := range tree.Targets {
		if _, err := reg.Lookup(t.Connector); err != nil {
			out = append(out, schema.Problem{Pos: t.Pos, Message: fmt.Sprintf("target %s: %v", t.Name, err)})
		}
	}
	slices.SortFunc(out, schema.Problem.Compare)
	return slices.CompactFunc(out, func(x, y schema.Problem) bool { return x == y })
}

func (a *app) validationTable(w io.Writer, v validation) error {
	errs, warnings := 0, 0
	for _, p := range v.Problems {
		place, message, colour := fmt.Sprintf("%s:%d:%d:", p.Pos.File, p.Pos.Line, p.Pos.Column), p.Message, red
		if errs++; p.Warning {
			errs, warnings = errs-1, warnings+1
			message, colour = "warning: "+message, yellow
		}
		fmt.Fprintln(w, a.tint(w, colour, inert(place)), inert(message))
	}
	state := a.tint(w, green, "valid")
	if !v.OK {
		state = a.tint(w, red, count(errs, "problem", "problems"))
	}
	if warnings > 0 {
		state += ", " + a.tint(w, yellow, count(warnings, "warning", "warnings"))
	}
	_, err := fmt.Fprintf(w, "%s: %s (%s)\n", safe(v.Path), state, v.contents())
	return err
}

// inert is safe text that a CI runner does not take for a command of its own,
// whatever a file is called: those begin a line with two colons, or hold ##[.
func inert(s string) string {
	s = strings.ReplaceAll(safe(s), "##[", "## [")
	if strings.HasPrefix(strings.TrimSpace(s), ":") {
		s = "./" + s
	}
	return s
}

// contents counts the documents.
func (v validation) contents() string {
	return strings.Join([]string{
		count(v.Requests, "request", "requests"), count(v.Roles, "role", "roles"), count(v.People, "person", "people"),
		count(v.Groups, "group", "groups"), count(v.Targets, "target", "targets"), count(v.Rules, "rule", "rules"),
	}, ", ")
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
		fmt.Fprintf(f, "Valid: %s.\n", v.contents())
	}
	if len(v.Problems) == 0 {
		return nil
	}
	fmt.Fprintf(f, "| place | problem |\n|---|---|\n")
	cell := strings.NewReplacer("|", "\\|", "`", "'")
	for _, p := range v.Problems {
		fmt.Fprintf(f, "| `%s:%d` | `%s` |\n", cell.Replace(safe(p.Pos.File)), p.Pos.Line, cell.Replace(safe(p.Message)))
	}
	return nil
}
