package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

type explanation struct {
	Path     string                  `json:"path"`
	State    string                  `json:"state"`
	Decision *grants.Decision        `json:"decision,omitempty"`
	Record   *policy.Record          `json:"record,omitempty"`
	Holds    []grants.Hold           `json:"holds,omitempty"`
	Needs    []policy.NeededApproval `json:"needs,omitempty"`
	Problems []schema.Problem        `json:"problems,omitempty"`
	// InForce is the blob that is in force as configuration at this path.
	InForce string `json:"inForce,omitempty"`
	// NotInForce says why what stands on the branch is not in force.
	NotInForce *ledger.NotInForce `json:"notInForce,omitempty"`
	// Emergencies are the uses of break-glass that asked with this file.
	Emergencies []emergency `json:"emergencies,omitempty"`
}

func (a *app) explainCmd() *cobra.Command {
	var repo string
	cmd := &cobra.Command{
		Use:   "explain FILE",
		Short: "Why a request is or is not granted, or a file in force",
		Long: `Explain one request file: each version of its bytes with the blob, the commit
and the pull request that brought it, every review and why it counts or not,
every rule and its result, the window, and what is held because of it. Of a
role, group, person, target or policy: whether it is in force as it stands on
the branch, and if not, since when, by which change, and what is missing.

FILE is the path inside the access repository. The answer comes from the ledger;
for a file that the reconciler has not seen, --repo names a checkout, and the
answer says what the request would need.

Exit code 1: the request is not granted, or the file is not in force.`,
		Example: `  reconciler explain requests/2026/alice-orders-incident.yaml
  reconciler explain --repo . requests/2026/alice-orders-incident.yaml`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := a.explain(cmd.Context(), repo, args[0])
			if err != nil {
				return err
			}
			if err := a.print(e, func(w io.Writer) error { return a.explainText(w, e) }); err != nil {
				return err
			}
			running := slices.ContainsFunc(e.Emergencies, func(use emergency) bool { return use.State == "running" })
			granted := e.Decision != nil && e.Decision.Granted || e.Decision == nil && e.State == "in force"
			if !running && !granted {
				return errNotFine
			}
			return nil
		},
	}
	a.configFlag(cmd)
	a.outputFlag(cmd)
	cmd.Flags().StringVar(&repo, "repo", "", "a checkout of the access repository: explain from the files alone")
	return cmd
}

func (a *app) explain(ctx context.Context, repo, file string) (explanation, error) {
	if repo != "" {
		return a.explainFile(repo, file)
	}
	e := explanation{Path: path.Clean(filepath.ToSlash(file))}
	_, led, err := a.readLedger(ctx)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return e, fmt.Errorf("%w; or name a checkout with --repo", err)
		}
		return e, err
	}
	defer led.Close()
	if e.Emergencies, err = readEmergencies(ctx, led, a.now(), func(r ledger.Request) bool { return r.Path == e.Path }); err != nil {
		return e, err
	}
	rows, err := led.RequestByPath(ctx, e.Path)
	if err != nil {
		return e, err
	}
	known, err := e.standing(ctx, led)
	if err != nil {
		return e, err
	}
	if known && (len(rows) == 0 || !rows[0].Live && e.InForce != "") {
		return e, nil
	}
	if len(rows) == 0 && len(e.Emergencies) > 0 {
		e.State = "an emergency; its pull request is not merged"
		return e, nil
	}
	if len(rows) == 0 {
		return e, notFine{fmt.Errorf("the reconciler has not seen a document at %s; paths are relative to the top of the access repository, and a file counts once it is merged and valid (`reconciler explain --repo DIR` looks at a checkout instead)", e.Path)}
	}
	row := rows[0]
	e.State = requestState(row, a.now()).State
	if !row.Live && row.EndedAt.IsZero() {
		e.State = "removed"
	}
	e.Decision = &row.Decision
	e.Record = new(policy.Record)
	if err := json.Unmarshal(row.Body, e.Record); err != nil {
		return e, fmt.Errorf("ledger row of %s: %w", row.ID, err)
	}
	holds, err := led.Holds(ctx, "")
	if err != nil {
		return e, err
	}
	for _, h := range holds {
		for _, r := range h.Holders {
			if r.Request == row.ID {
				e.Holds = append(e.Holds, h)
			}
		}
	}
	return e, nil
}

// explainFile says what a request on disk would need.
func (a *app) explainFile(repo, file string) (explanation, error) {
	rel := filepath.ToSlash(file)
	if _, err := os.Stat(filepath.Join(repo, file)); err != nil {
		r, relErr := filepath.Rel(repo, file)
		if relErr != nil || strings.HasPrefix(r, "..") {
			return explanation{}, fmt.Errorf("%s is not in %s", file, repo)
		}
		rel = filepath.ToSlash(r)
	}
	e := explanation{Path: path.Clean(rel), State: "not on the branch"}
	tree, err := loadTree(repo)
	if err != nil {
		return e, err
	}
	reg, err := registry()
	if err != nil {
		return e, err
	}
	for _, p := range problems(tree, reg) {
		if p.Pos.File == e.Path {
			e.Problems = append(e.Problems, p)
		}
	}
	request := tree.Requests[e.Path]
	if request == nil {
		if len(e.Problems) > 0 {
			return e, nil
		}
		return e, fmt.Errorf("%s holds no access request", e.Path)
	}
	e.Needs = policy.WhoCan(tree, request, "", a.now())
	return e, nil
}

func (a *app) explainText(w io.Writer, e explanation) error {
	fmt.Fprintf(w, "%s: %s\n", safe(e.Path), a.tint(w, stateColour(e.State), e.State))
	for _, p := range e.Problems {
		fmt.Fprintf(w, "  %s %s\n", a.mark(false), safe(p.Error()))
	}
	for _, use := range e.Emergencies {
		fmt.Fprint(w, "  ")
		a.emergencyLine(w, use)
		a.checks(w, "    ", use.Checks)
	}
	for _, n := range e.Needs {
		fmt.Fprintf(w, "  role %s needs %d of %s", n.Role, n.Count, strings.Join(n.From, ", "))
		if n.When != "" {
			fmt.Fprintf(w, " when %s", safe(n.When))
		}
		fmt.Fprintf(w, "; who can give it: %s\n", strings.Join(n.People, ", "))
		if n.Reason != "" {
			fmt.Fprintf(w, "    %s\n", safe(n.Reason))
		}
	}
	a.standingText(w, e)
	if e.Record != nil {
		for i, v := range e.Record.Versions {
			a.explainVersion(w, i+1, v)
		}
		if e.Record.GoneIn != "" {
			fmt.Fprintf(w, "  removed from the branch in commit %.12s\n", e.Record.GoneIn)
		}
	}
	if d := e.Decision; d != nil {
		verdict := "not granted"
		if d.Granted {
			verdict = "granted"
		}
		fmt.Fprintf(w, "  decision: %s\n", verdict)
		for i, t := range d.Terms {
			fmt.Fprintf(w, "  window%s: %s to %s%s\n", ordinal(i, len(d.Terms)), stamp(t.Span.From), stamp(t.Span.Until), recurring(t.Schedule))
		}
		a.checks(w, "    ", ownChecks(e))
		for _, r := range d.Removals {
			fmt.Fprintf(w, "  lost %s: %s in commit %.12s\n", safe(r.Grant.String()), r.Cause, r.Commit)
		}
		if !d.EndedAt.IsZero() {
			fmt.Fprintf(w, "  ended for good at %s\n", stamp(d.EndedAt))
		}
	}
	for _, h := range e.Holds {
		fmt.Fprintf(w, "  holds %s until %s (%s)\n", safe(h.Grant.String()), stamp(h.Until), h.State)
	}
	if next := e.next(); next != "" {
		fmt.Fprintf(w, "  next: %s\n", next)
	}
	return nil
}

// next says what has to be done for the access, if anything can be.
func (e explanation) next() string {
	switch e.State {
	case "waiting":
		return "nothing has to be done; the forge is asked again by itself"
	case "ended", "removed":
		return "what has ended never comes back; ask again with a new file"
	case "not granted":
		return "no approval counts after the merge; remove this file, then ask again in a new one and have it approved before it is merged"
	case "not on the branch":
		if len(e.Problems) > 0 {
			return "mend the file, then run `reconciler validate`"
		}
		return "open a pull request, and have it approved before it is merged"
	}
	return ""
}

func (a *app) explainVersion(w io.Writer, n int, v policy.Version) {
	fmt.Fprintf(w, "  version %d: blob %.12s in commit %.12s\n", n, v.Blob, v.Commit)
	if ev := v.Evidence; ev != nil && ev.Pull != nil {
		p := ev.Pull
		fmt.Fprintf(w, "    pull request #%d by %s (%d), head %.12s, merged %s\n    %s\n", p.Number, safe(p.Author.Login), p.Author.ID, p.HeadSHA, stamp(p.MergedAt), safe(p.URL))
	}
	switch {
	case v.Broken:
		fmt.Fprintf(w, "    %s not a valid request: %s\n", a.mark(false), safe(v.Problem))
	case v.Verdict == nil && v.Problem != "":
		fmt.Fprintf(w, "    %s waiting: %s (tried %s, again at %s)\n", a.mark(false), safe(v.Problem), count(v.Attempts, "time", "times"), stamp(v.RetryAt))
	case v.Verdict == nil:
		fmt.Fprintf(w, "    waiting for the forge's evidence\n")
	default:
		a.checks(w, "    ", v.Verdict.Checks)
	}
}

// ownChecks returns the decision's checks that no version has shown already.
func ownChecks(e explanation) []grants.Check {
	shown := map[grants.Check]bool{}
	if e.Record != nil {
		for _, v := range e.Record.Versions {
			if v.Verdict != nil {
				for _, c := range v.Verdict.Checks {
					shown[c] = true
				}
			}
		}
	}
	var own []grants.Check
	for _, c := range e.Decision.Checks {
		if !shown[c] {
			own = append(own, c)
		}
	}
	return own
}

func (a *app) checks(w io.Writer, indent string, checks []grants.Check) {
	for _, c := range checks {
		fmt.Fprintf(w, "%s%s %s: %s\n", indent, a.mark(c.OK), c.Rule, safe(c.Detail))
	}
}

func (a *app) mark(ok bool) string {
	if ok {
		return a.tint(a.out, green, "✓")
	}
	return a.tint(a.out, red, "✗")
}

func stateColour(state string) string {
	switch state {
	case "in force":
		return green
	case "ended", "removed", "waiting":
		return yellow
	}
	return red
}

func ordinal(i, n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" %d of %d, all must allow", i+1, n)
}

func recurring(s *grants.Schedule) string {
	if s == nil {
		return ""
	}
	zone := s.Timezone
	if zone == "" {
		zone = "UTC"
	}
	return fmt.Sprintf(", each %q in %s for %s", s.Cron, zone, s.Duration.Round(time.Second))
}
