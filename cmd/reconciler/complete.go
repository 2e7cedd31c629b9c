package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/schema"
)

// What a shell completes. It reads files only, and offers nothing where they
// cannot be read: a completion has nobody to tell about errors.

// completeTargets offers the configured targets.
func (a *app) completeTargets(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cfg, err := config.Load(a.configFile, a.env)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.Sorted(maps.Keys(cfg.Targets)), cobra.ShellCompDirectiveNoFileComp
}

// completeRoles offers the roles of a checkout, with what they are for.
func completeRoles(repo *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var out []string
		for name, r := range checkout(*repo).Roles {
			if !slices.Contains(args, name) {
				out = append(out, name+"\t"+safe(r.Description))
			}
		}
		slices.Sort(out)
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeSubjects offers the active people and the groups of a checkout.
func completeSubjects(repo *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		tree := checkout(*repo)
		out := slices.Collect(maps.Keys(tree.Groups))
		for name, p := range tree.People {
			if p.Active {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeRequests offers the request files of a checkout: one, or many.
func completeRequests(repo *string, many bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !many {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for path := range checkout(*repo).Requests {
			if !slices.Contains(args, path) {
				out = append(out, path)
			}
		}
		slices.Sort(out)
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeParams offers NAME=VALUE for the parameters of the roles given so far.
func completeParams(repo *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		tree := checkout(*repo)
		var out []string
		for _, name := range args {
			role := tree.Roles[name]
			if role == nil {
				continue
			}
			for key, p := range role.Params {
				for _, v := range p.Enum {
					out = append(out, key+"="+v)
				}
			}
		}
		slices.Sort(out)
		return slices.Compact(out), cobra.ShellCompDirectiveNoFileComp
	}
}

// checkout reads the access repository around a directory: from there, the nearest
// directory upwards that holds .git, else the directory itself.
func checkout(dir string) *schema.Tree {
	if abs, err := filepath.Abs(dir); err == nil {
		for up := abs; ; up = filepath.Dir(up) {
			if _, err := os.Lstat(filepath.Join(up, ".git")); err == nil {
				return schema.LoadFS(os.DirFS(up))
			}
			if filepath.Dir(up) == up {
				break
			}
		}
	}
	return schema.LoadFS(os.DirFS(dir))
}

// completeDirectories offers directories for [PATH].
func completeDirectories(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}
