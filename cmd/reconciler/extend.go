package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/draft"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/propose"
	"github.com/tenure-dev/tenure/schema"
)

type extendOptions struct {
	proposing
	by, until, reviewBy string
}

func (a *app) extendCmd() *cobra.Command {
	var o extendOptions
	cmd := &cobra.Command{
		Use:   "extend FILE",
		Short: "Ask for a later end: change the file and open the pull request",
		Long: `Move the end of a request that is in force: change just that value in its file,
check the result as validate does, say who can approve it, and open its pull
request.

An extension needs the approvals that the request needed. Until it is approved
and merged the old end holds; merged before it, access goes on without a gap.
What has ended never comes back: ask again with request.

FILE is named from here or from the top of the repository, and is taken as the
remote's branch has it.` + proposingHelp,
		Example: `  reconciler extend requests/2026/alice-orders-db-writer-inc-4211.yaml --by 2h
  reconciler extend requests/2026/bob-audit.yaml --until 2026-12-01T18:00:00Z
  reconciler extend requests/2026/orders-exporter-standing.yaml --review-by 2027-02-01`,
		Args:              arguments("FILE"),
		ValidArgsFunction: completeRequests(&o.repo, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.extend(cmd.Context(), o, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.by, "by", "", "how much longer, such as 2h")
	f.StringVar(&o.until, "until", "", "the new end (RFC 3339)")
	f.StringVar(&o.reviewBy, "review-by", "", "the day of the next review, of standing access")
	cmd.MarkFlagsMutuallyExclusive("by", "until", "review-by")
	a.proposingFlags(cmd, &o.proposing)
	return cmd
}

func (o *extendOptions) extension() (draft.Extension, error) {
	var x draft.Extension
	var err error
	switch {
	case o.by != "":
		if x.By, err = schema.ParseDuration(o.by); err != nil {
			err = fmt.Errorf("--by %q: %w", o.by, err)
		}
	case o.until != "":
		x.Until, err = timeFlag("--until", o.until)
	case o.reviewBy != "":
		x.ReviewBy, err = dayFlag("--review-by", o.reviewBy)
	default:
		err = errors.New("say how much longer: give --by, --until or --review-by")
	}
	return x, err
}

func (a *app) extend(ctx context.Context, o extendOptions, file string) error {
	x, err := o.extension()
	if err != nil {
		return err
	}
	w, err := a.workspace(ctx, o.proposing)
	if err != nil {
		return err
	}
	path, err := w.find(o.proposing, file)
	if err != nil {
		return err
	}
	now := a.now()
	e, err := draft.Extend(path, w.text[path], x, now)
	if err != nil {
		return notFine{err}
	}
	tree := w.with(path, e.Text)
	if err := a.validated(tree, path); err != nil {
		return err
	}
	if o.name == "" {
		o.name = branchFor("extend", path, e.New)
	}
	out := proposed{
		Action: "extend", Files: []string{path}, Content: string(e.Text),
		title: fmt.Sprintf("Extend %s: %s %s", path, e.Field, e.New),
		body:  fmt.Sprintf("%s changes from %s to %s.\n", e.Field, e.Old, e.New),
	}
	author := ""
	if w.me != nil {
		author = w.me.Name
	}
	out.Needs = policy.WhoCan(tree, e.Request, author, now)
	end := "the old end"
	if !e.OldEnd.IsZero() {
		end += ", " + stamp(e.OldEnd) + ","
	}
	out.note("%s changes from %s to %s. It needs approval as the request did; until it is approved and merged, %s holds.", e.Field, e.Old, e.New, end)
	if e.OldEnd.IsZero() {
		out.note("The end counts from the first merge of the file. If it has passed by then, the request has ended and stays so.")
	}
	return a.bring(ctx, o.proposing, w, propose.Change{Write: map[string][]byte{path: e.Text}}, out)
}
