package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/propose"
	"github.com/tenure-dev/tenure/schema"
)

func (a *app) revokeCmd() *cobra.Command {
	var o proposing
	cmd := &cobra.Command{
		Use:   "revoke FILE...",
		Short: "End access early: delete request files and open the pull request",
		Long: `Delete request files in one commit, and open its pull request. Taking away needs
no approval: the access of these requests ends when the pull request is merged,
unless another request holds the same. If that cannot wait for a merge, pause
the target, so that nothing is granted again, and take the access away there.

FILE is named from here or from the top of the repository. Only requests are
deleted; for roles, people and other files use Git as for any change.` + proposingHelp,
		Example: `  reconciler revoke requests/2026/alice-orders-db-writer-inc-4211.yaml
  reconciler revoke requests/2026/bob-*.yaml --dry-run`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, fmt.Errorf("FILE is missing"))
			}
			return nil
		},
		ValidArgsFunction: completeRequests(&o.repo, true),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.revoke(cmd.Context(), o, args)
		},
	}
	a.proposingFlags(cmd, &o)
	return cmd
}

func (a *app) revoke(ctx context.Context, o proposing, files []string) error {
	w, err := a.workspace(ctx, o)
	if err != nil {
		return err
	}
	var paths []string
	for _, f := range files {
		path, err := w.find(o, f)
		if err != nil {
			return err
		}
		if !w.onlyRequests(path) {
			return notFine{fmt.Errorf("%s holds no access request; revoke deletes requests only", path)}
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	out := proposed{Action: "revoke", Files: paths, title: "Revoke " + paths[0], body: "Taking away needs no approval: the access ends at the merge.\n"}
	words := []string{"revoke", paths[0]}
	if more := len(paths) - 1; more > 0 {
		out.title += fmt.Sprintf(" and %d more", more)
		out.body = "- " + strings.Join(paths, "\n- ") + "\n\n" + out.body
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	if o.name == "" {
		o.name = branchFor(words...)
	}
	out.note("Taking away needs no approval: access ends when the pull request is merged.")
	if left := w.with("", nil, paths...); len(left.Requests) == 0 && len(w.tree.Requests) > 0 {
		out.note("No request is left then, which could be an accident: the reconciler waits for `reconciler confirm` of that merge. Access still ends at its time.")
	}
	return a.bring(ctx, o, w, propose.Change{Remove: paths}, out)
}

// onlyRequests reports whether a file holds nothing that is known to be something
// else. One that cannot be read may be deleted: that only takes away.
func (w *workspace) onlyRequests(path string) bool {
	for _, f := range w.files {
		if f.Path != path {
			continue
		}
		return !slices.ContainsFunc(f.Docs, func(d any) bool { _, ok := d.(*schema.AccessRequest); return !ok })
	}
	return false
}
