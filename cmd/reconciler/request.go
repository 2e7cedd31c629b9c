package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/draft"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/propose"
	"github.com/tenure-dev/tenure/schema"
)

type requestOptions struct {
	proposing
	subjects, params                  []string
	reason, ticket, path              string
	duration, until, starts, reviewBy string
	cron, timezone                    string
	emergency                         bool
}

func (a *app) requestCmd() *cobra.Command {
	var o requestOptions
	cmd := &cobra.Command{
		Use:   "request [ROLE...]",
		Short: "Ask for access: write the file and open the pull request",
		Long: `Write an access request, check it as validate does against what the remote's
branch holds now, say who can approve it, and open its pull request.

It is for you, whose address git has (user.email), unless --for names somebody
else. Access is for a time: --duration from the merge (or from --starts),
--until a time, --schedule with --duration for each occurrence and --until for
the whole, or --review-by for standing access where the role allows it. Without
a ROLE you are asked for what is needed, on a terminal.

With --emergency access begins as soon as the pull request is open, without an
approval, for no longer than the role allows; everybody is told, and a review is
due. It is for yourself only, and must be opened with your own account.` + proposingHelp,
		Example: `  reconciler request
  reconciler request orders-db-writer --duration 4h --ticket INC-4211 \
    --reason "Refund job is stuck; rows need fixing by hand"
  reconciler request namespace-admin --param namespace=orders --until 2026-11-25T00:00:00Z --reason "Move the queue"
  reconciler request bastion-access --schedule "0 9 * * MON-FRI" --timezone Europe/Berlin \
    --duration 8h --until 2026-12-31T00:00:00Z --reason "On-site week"
  reconciler request orders-db-writer --emergency --duration 1h --ticket INC-4212 --reason "Orders are down"`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeRoles(&o.repo),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.request(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.subjects, "for", nil, "who gets access: people or groups (default: you)")
	f.StringVarP(&o.reason, "reason", "r", "", "why, in a sentence")
	f.StringVarP(&o.ticket, "ticket", "t", "", "the ticket that this is about")
	f.StringArrayVarP(&o.params, "param", "p", nil, "NAME=VALUE: a parameter of the roles that have it")
	f.StringVarP(&o.duration, "duration", "d", "", "how long, such as 30m, 4h or 7d")
	f.StringVar(&o.until, "until", "", "when it ends (RFC 3339)")
	f.StringVar(&o.starts, "starts", "", "when it begins (RFC 3339; default: at the merge)")
	f.StringVar(&o.reviewBy, "review-by", "", "standing access: the day by which it is looked at again")
	f.StringVar(&o.cron, "schedule", "", "recurring access: minute hour day-of-month month day-of-week")
	f.StringVar(&o.timezone, "timezone", "", "of --schedule, such as Europe/Berlin (default: UTC)")
	f.BoolVar(&o.emergency, "emergency", false, "break-glass: access begins before anybody approves")
	f.StringVar(&o.path, "path", "", "the file's path in the repository (default: requests/YEAR/SUBJECT-ROLE-TICKET.yaml)")
	a.proposingFlags(cmd, &o.proposing)
	for flag, offer := range map[string]cobra.CompletionFunc{
		"for": completeSubjects(&o.repo), "param": completeParams(&o.repo),
		"duration": cobra.FixedCompletions([]string{"30m", "1h", "4h", "8h", "1d"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder),
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, offer)
	}
	return cmd
}

func (a *app) request(ctx context.Context, o requestOptions, roleNames []string) error {
	w, err := a.workspace(ctx, o.proposing)
	if err != nil {
		return err
	}
	if len(o.subjects) == 0 {
		if w.me == nil {
			return fmt.Errorf("no active person has the address that git has (user.email is %q); name the subject with --for", safe(w.git.Email(ctx)))
		}
		o.subjects = []string{w.me.Name}
	}
	if len(roleNames) == 0 {
		if !a.interactive() {
			return errors.New("ROLE is missing; see `reconciler request --help`")
		}
		if roleNames, err = newAsker(a.in, a.err).request(w.tree, &o); err != nil {
			return err
		}
	}
	r, err := o.document(w.tree, roleNames)
	if err != nil {
		return err
	}
	if err := checkEmergency(w, r); err != nil {
		return err
	}
	now := a.now()
	if o.path == "" {
		o.path = draft.PathFor(r, now, w.there)
	} else if w.there(o.path) {
		return notFine{fmt.Errorf("branch %s has %s already; a request needs a new file, and extend changes the end of one", o.branch, safe(o.path))}
	}
	if !schema.IsDocument(o.path) {
		return fmt.Errorf("--path %s is not read: it must end in .yaml, below directories that do not begin with a dot", safe(o.path))
	}
	text, err := draft.Compose(r)
	if err != nil {
		return err
	}
	tree := w.with(o.path, text)
	if err := a.validated(tree, o.path); err != nil {
		return err
	}
	if o.name == "" {
		o.name = branchFor(o.path)
	}
	out := proposed{Action: "request", Files: []string{o.path}, Content: string(text), title: requestTitle(r), body: requestBody(r)}
	author := ""
	if w.me != nil {
		author = w.me.Name
	}
	out.Needs = policy.WhoCan(tree, r, author, now)
	out.note("%s", o.next(w, r, now, &out))
	return a.bring(ctx, o.proposing, w, propose.Change{Write: map[string][]byte{o.path: text}}, out)
}

// document is the request that the flags describe.
func (o *requestOptions) document(tree *schema.Tree, roleNames []string) (*schema.AccessRequest, error) {
	r := &schema.AccessRequest{Subjects: o.subjects, Reason: o.reason, Ticket: o.ticket, Emergency: o.emergency}
	if strings.TrimSpace(o.reason) == "" {
		return nil, errors.New("--reason is missing; say in a sentence what the access is for")
	}
	var err error
	if r.Roles, err = roleUses(tree, roleNames, o.params); err != nil {
		return nil, err
	}
	if o.duration != "" {
		if r.Duration, err = schema.ParseDuration(o.duration); err != nil {
			return nil, fmt.Errorf("--duration %q: %w", o.duration, err)
		}
	}
	for _, f := range []struct {
		flag, text string
		to         *time.Time
	}{{"--until", o.until, &r.ExpiresAt}, {"--starts", o.starts, &r.StartsAt}} {
		if *f.to, err = timeFlag(f.flag, f.text); err != nil {
			return nil, err
		}
	}
	if r.ReviewBy, err = dayFlag("--review-by", o.reviewBy); err != nil {
		return nil, err
	}
	switch {
	case o.cron != "":
		if r.Duration == 0 || r.ExpiresAt.IsZero() {
			return nil, errors.New("--schedule needs --duration, of one occurrence, and --until, of the whole")
		}
		r.Schedule = &schema.Schedule{Cron: o.cron, Timezone: o.timezone, Duration: r.Duration}
		r.Duration = 0
	case o.timezone != "":
		return nil, errors.New("--timezone goes with --schedule; other times name their zone themselves")
	case r.Duration == 0 && r.ExpiresAt.IsZero() && r.ReviewBy.IsZero():
		return nil, errors.New("the end is missing; give --duration, --until, --schedule or --review-by")
	}
	return r, nil
}

// roleUses gives each parameter to the roles that have it.
func roleUses(tree *schema.Tree, names, params []string) ([]schema.RoleUse, error) {
	uses := make([]schema.RoleUse, len(names))
	for i, n := range names {
		uses[i].Role = n
	}
	for _, p := range params {
		key, value, ok := strings.Cut(p, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--param %q is not NAME=VALUE", p)
		}
		used := false
		for i := range uses {
			role := tree.Roles[uses[i].Role]
			if role == nil {
				continue
			}
			if _, has := role.Params[key]; !has {
				continue
			}
			if uses[i].Params == nil {
				uses[i].Params = map[string]string{}
			}
			if _, twice := uses[i].Params[key]; twice {
				return nil, fmt.Errorf("--param %s is given twice", key)
			}
			uses[i].Params[key], used = value, true
		}
		if !used {
			return nil, fmt.Errorf("--param %s: no role of the request has that parameter", key)
		}
	}
	return uses, nil
}

// checkEmergency refuses break-glass for somebody else: the reconciler would.
func checkEmergency(w *workspace, r *schema.AccessRequest) error {
	if !r.Emergency || w.me == nil || slices.Equal(r.Subjects, []string{w.me.Name}) {
		return nil
	}
	return fmt.Errorf("emergency access is for yourself only: git's user.email is that of %s, not of %s", w.me.Name, strings.Join(r.Subjects, ", "))
}

// next says what has to happen for the access to begin.
func (o *requestOptions) next(w *workspace, r *schema.AccessRequest, now time.Time, out *proposed) string {
	if !r.Emergency {
		return "Access begins only after this is approved and then merged; whoever opens the pull request, asks for it or pushes to it cannot approve it."
	}
	within := time.Duration(0)
	for _, u := range r.Roles {
		if role := w.tree.Roles[u.Role]; role != nil && role.Emergency != nil && (within == 0 || role.Emergency.ReviewWithin < within) {
			within = role.Emergency.ReviewWithin
		}
	}
	out.Until = now.Add(r.Duration).Truncate(time.Second)
	return fmt.Sprintf("EMERGENCY: access begins as soon as the pull request is open, and lasts %s: until %s if it is opened now. It must be opened by %s, from this repository, and change nothing else. A push to it or closing it ends the access; a merge records the review, which is due within %s. Everybody is told.",
		schema.FormatDuration(r.Duration), stamp(out.Until), strings.Join(r.Subjects, ", "), schema.FormatDuration(within))
}

func requestTitle(r *schema.AccessRequest) string {
	var roles []string
	for _, u := range r.Roles {
		roles = append(roles, u.Role)
	}
	title := fmt.Sprintf("Access for %s: %s%s", strings.Join(r.Subjects, ", "), strings.Join(roles, ", "), span(r))
	if r.Emergency {
		title = "Emergency: " + title
	}
	if cut := []rune(title); len(cut) > 200 {
		title = string(cut[:200]) + "…"
	}
	return title
}

func span(r *schema.AccessRequest) string {
	switch {
	case r.Schedule != nil:
		return fmt.Sprintf(", recurring until %s", stamp(r.ExpiresAt))
	case r.Duration > 0:
		return " for " + schema.FormatDuration(r.Duration)
	case !r.ExpiresAt.IsZero():
		return " until " + stamp(r.ExpiresAt)
	}
	return ", standing"
}

func requestBody(r *schema.AccessRequest) string {
	body := r.Reason + "\n"
	if r.Ticket != "" {
		body += "\nTicket: " + r.Ticket + "\n"
	}
	return body
}

// timeFlag reads a time with its zone; empty: none.
func timeFlag(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s %q is not a time such as 2026-11-24T20:00:00Z or 2026-11-24T21:00:00+01:00", flag, text)
	}
	return t.UTC(), nil
}

// dayFlag reads a day, which means its first second in UTC, or a time.
func dayFlag(flag, text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	t, err := timeFlag(flag, text)
	if err != nil {
		err = fmt.Errorf("%s %q is not a day such as 2027-02-01", flag, text)
	}
	return t, err
}
