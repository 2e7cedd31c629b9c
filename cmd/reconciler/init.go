package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

//go:embed all:template
var skeleton embed.FS

type initOptions struct {
	Admin    string
	Login    string
	ID       int64
	Approver string
	ALogin   string
	AID      int64
	Release  string // of this program: what CI runs
	Version  string // of the workflow that validates, and of the program that it runs
}

func (a *app) initCmd() *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init [PATH]",
		Short: "Start a new access repository",
		Long: `Write the files of a small, valid access repository: two people, their groups,
one target, one role, a guardrail, CODEOWNERS and the CI workflow.

Two people are needed, because nobody can approve their own request. The number
of an account is what approvals are matched by; find it with
  gh api users/LOGIN --jq .id

Files that are there already are never overwritten.`,
		Example: `  reconciler init ./access \
    --admin alice --admin-login alice-gh --admin-id 583231 \
    --approver bob --approver-login bob-gh --approver-id 583232`,
		Args: arguments("[PATH]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var missing []string
			for _, name := range []string{"admin", "admin-login", "admin-id", "approver", "approver-login", "approver-id"} {
				if !cmd.Flags().Changed(name) {
					missing = append(missing, "--"+name)
				}
			}
			if len(missing) > 0 { // a default number would be a stranger's account
				return usage(cmd, fmt.Errorf("missing: %s", strings.Join(missing, ", ")))
			}
			return a.initRepo(pathArg(args), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Admin, "admin", "", "name of the first person, an administrator")
	f.StringVar(&o.Login, "admin-login", "", "the admin's login on the forge")
	f.Int64Var(&o.ID, "admin-id", 0, "the admin's number on the forge")
	f.StringVar(&o.Approver, "approver", "", "name of the second person, who approves")
	f.StringVar(&o.ALogin, "approver-login", "", "the approver's login on the forge")
	f.Int64Var(&o.AID, "approver-id", 0, "the approver's number on the forge")
	return cmd
}

var (
	personName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)
	loginName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}$`)
)

func (o initOptions) check() error {
	for _, f := range [][2]string{{"--admin", o.Admin}, {"--approver", o.Approver}} {
		if !personName.MatchString(f[1]) {
			return fmt.Errorf("%s %q is not a name; use lower-case letters, digits, dots, dashes and underscores", f[0], f[1])
		}
	}
	for _, f := range [][2]string{{"--admin-login", o.Login}, {"--approver-login", o.ALogin}} {
		if !loginName.MatchString(f[1]) {
			return fmt.Errorf("%s %q is not a login; use letters, digits and dashes", f[0], f[1])
		}
	}
	switch {
	case o.Admin == o.Approver:
		return errors.New("--admin and --approver must be two people: nobody can approve their own request")
	case o.ID < 1 || o.AID < 1 || o.ID == o.AID:
		return errors.New("--admin-id and --approver-id must be two different positive numbers")
	}
	return nil
}

var releaseName = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`)

// workflowVersion is what the workflow of a new access repository names: this
// release, or the commit that this program was built from. A program that knows
// neither leaves a name that nothing has, so that it is filled in.
func workflowVersion() string {
	if releaseName.MatchString(version) {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" && fullHash.MatchString(s.Value) {
				return s.Value
			}
		}
	}
	return "vX.Y.Z"
}

func (a *app) initRepo(path string, o initOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	o.Version = workflowVersion()
	o.Release = pinned()
	var written, kept int
	err := fs.WalkDir(skeleton, "template", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := skeleton.ReadFile(name)
		if err != nil {
			return err
		}
		rel := strings.TrimSuffix(strings.TrimPrefix(name, "template/"), ".tmpl")
		rel = strings.NewReplacer("ADMIN", o.Admin, "APPROVER", o.Approver).Replace(rel)
		file := filepath.Join(path, filepath.FromSlash(rel))
		if _, err := os.Lstat(file); err == nil {
			fmt.Fprintf(a.err, "kept     %s\n", file)
			kept++
			return nil
		}
		var b strings.Builder
		// The workflow file has its own ${{ }}, so ours are << and >>.
		t, err := template.New(rel).Delims("<<", ">>").Parse(string(text))
		if err != nil {
			return err
		}
		if err := t.Execute(&b, o); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(a.err, "written  %s\n", file)
		written++
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the access repository: %w", err)
	}
	fmt.Fprintf(a.out, `%s written, %d kept. Next:

  1. reconciler validate %s
  2. commit, push, and protect the branch: one approval, no direct pushes
  3. put the commit's full hash into trust.from of reconciler.yaml (git rev-parse HEAD)
  4. reconciler doctor --config reconciler.yaml, then reconciler run --config reconciler.yaml
`, count(written, "file", "files"), kept, path)
	return nil
}
