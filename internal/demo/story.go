package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

// actor is who asks for what in the story, and who approves.
type actor struct {
	asks     string // person
	approves string // person
	role     string // as YAML
	ticket   string
	shows    string // what to look at, in words
	held     func(ctx context.Context) (bool, string, error)
}

// story plays request, validation, refusal without approval, approval, merge,
// access, expiry and revert pull request. It fails at the first step that is not
// seen.
func (d *Demo) story(ctx context.Context) error {
	cast := actor{asks: "frank", approves: "grace", role: "{role: bastion-access, params: {group: read-logs}}", ticket: "OPS-101", shows: "the bastion's sudo rules", held: d.inSudoers}
	if d.db != nil {
		cast = actor{asks: "alice", approves: "bob", role: "orders-db-writer", ticket: "INC-4211", shows: "role membership in PostgreSQL", held: d.db.member}
	}
	steps := []struct {
		title string
		play  func(context.Context, *actor) error
	}{
		{"A request, validated before anybody looks at it", d.validation},
		{"Merged without an approval: refused", d.refusal},
		{"Asked again, approved, merged: access", d.access},
		{"The window closes: the access is gone", d.expiry},
		{"The clean-up pull request", d.revert},
	}
	for i, s := range steps {
		fmt.Fprintf(d.o.Out, "\n%d. %s\n", i+1, s.title)
		if err := s.play(ctx, &cast); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, s.title, err)
		}
		if err := d.pause(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintln(d.o.Out, "\nThat was the whole way: file, review, access, end, clean-up.")
	return nil
}

func (d *Demo) say(format string, args ...any) {
	fmt.Fprintf(d.o.Out, "   "+format+"\n", args...)
}

func (d *Demo) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d.o.Pace):
		return nil
	}
}

// nextSecond waits for the forge's clock, which counts whole seconds: what
// happens in the same second as a push or a merge does not count as after it.
func (d *Demo) nextSecond(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(time.Now().Truncate(time.Second).Add(time.Second + 20*time.Millisecond))):
		return nil
	}
}

// seen waits until something is true; the story must not hang.
func (d *Demo) seen(ctx context.Context, what string, limit time.Duration, look func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		ok, err := look()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s was not seen within %s; the reconciler's log is in %s", what, limit, d.o.Dir)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *Demo) file(a *actor, n int) string {
	return fmt.Sprintf("requests/2026/%s-%s-%d.yaml", a.asks, strings.ToLower(a.ticket), n)
}

func (d *Demo) request(a *actor, ticket string) string {
	if ticket != "" {
		ticket = "ticket: " + ticket + "\n"
	}
	return fmt.Sprintf(`# yaml-language-server: $schema=https://tenure.dev/schema/v1/AccessRequest.json
apiVersion: tenure.dev/v1
kind: AccessRequest
subject: %s
roles: [%s]
reason: The import job is stuck and its logs have to be read
%sduration: %s
`, a.asks, a.role, ticket, schema.FormatDuration(d.o.Window))
}

// ask clones the repository with plain git, writes the request on a branch,
// pushes it and opens the pull request.
func (d *Demo) ask(ctx context.Context, a *actor, n int, ticket string) (number int, clone string, err error) {
	login := d.login(a.asks)
	clone = filepath.Join(d.o.Dir, fmt.Sprintf("clone-%s-%d", a.asks, n))
	if err := d.git(ctx, login, "", "clone", "-q", d.base+"/"+repoName+".git", clone); err != nil {
		return 0, "", err
	}
	file := d.file(a, n)
	if err := os.MkdirAll(filepath.Dir(filepath.Join(clone, file)), 0o755); err != nil {
		return 0, "", err
	}
	if err := os.WriteFile(filepath.Join(clone, file), []byte(d.request(a, ticket)), 0o644); err != nil {
		return 0, "", err
	}
	branch := fmt.Sprintf("%s-asks-%d", a.asks, n)
	for _, args := range [][]string{
		{"checkout", "-q", "-b", branch},
		{"add", "."},
		{"-c", "user.name=" + a.asks, "-c", "user.email=" + a.asks + "@example.com", "commit", "-q", "-m", "Ask for access"},
		{"push", "-q", "origin", branch},
	} {
		if err := d.git(ctx, login, clone, args...); err != nil {
			return 0, "", err
		}
	}
	number, err = d.hub.OpenPull(repoName, login, minihub.PullRequest{Title: "Access for " + a.asks, Head: branch})
	d.say("%s pushes %s and opens %s/%s/pull/%d", a.asks, file, d.base, repoName, number)
	return number, clone, err
}

func (d *Demo) validation(ctx context.Context, a *actor) error {
	_, clone, err := d.ask(ctx, a, 1, "")
	if err != nil {
		return err
	}
	problems, err := d.o.Validate(clone)
	if err != nil {
		return err
	}
	if len(problems) == 0 {
		return errors.New("a request without a ticket was found valid")
	}
	d.say("reconciler validate says: %s", problems[0])
	file := filepath.Join(clone, d.file(a, 1))
	if err := os.WriteFile(file, []byte(d.request(a, a.ticket)), 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"-c", "user.name=" + a.asks, "-c", "user.email=" + a.asks + "@example.com", "commit", "-q", "-a", "-m", "Name the ticket"},
		{"push", "-q"},
	} {
		if args[0] == "push" {
			args = append(args, "origin", "HEAD")
		}
		if err := d.git(ctx, d.login(a.asks), clone, args...); err != nil {
			return err
		}
	}
	if problems, err = d.o.Validate(clone); err != nil || len(problems) > 0 {
		return errors.Join(err, fmt.Errorf("the corrected request is not valid: %v", problems))
	}
	d.say("with the ticket added, it is valid")
	return nil
}

func (d *Demo) refusal(ctx context.Context, a *actor) error {
	login := d.login(a.asks)
	if err := d.hub.Approve(repoName, 1, login); err == nil {
		return errors.New("the forge let the author approve")
	} else {
		d.say("%s tries to approve it alone; the forge answers: %s", a.asks, reason(err))
	}
	if _, err := d.hub.Merge(repoName, 1, d.login("olivia"), "merge"); err != nil {
		return err
	}
	d.say("olivia is an administrator and merges it past the branch protection")
	var missing string
	err := d.seen(ctx, "the refusal", 30*time.Second, func() (bool, error) {
		v, err := d.verdict(ctx, d.file(a, 1))
		if err != nil || v == nil {
			return false, err
		}
		for _, c := range v.Checks {
			if !c.OK && (missing == "" || strings.HasPrefix(c.Rule, "approval")) {
				missing = c.Detail
			}
		}
		return v.Final && !v.Proven, nil
	})
	if err != nil {
		return err
	}
	if held, _, err := a.held(ctx); err != nil || held {
		return errors.Join(err, errors.New("access was granted without an approval"))
	}
	d.say("the file is on the branch, and nothing is granted: %s", missing)
	return nil
}

// verdict returns the judgement of a file's newest version; nil: not yet.
func (d *Demo) verdict(ctx context.Context, path string) (*policy.Verdict, error) {
	rows, err := d.daemon.Ledger.RequestByPath(ctx, path)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var rec policy.Record
	if err := json.Unmarshal(rows[0].Body, &rec); err != nil {
		return nil, err
	}
	return rec.Versions[len(rec.Versions)-1].Verdict, nil
}

func (d *Demo) access(ctx context.Context, a *actor) error {
	number, _, err := d.ask(ctx, a, 2, a.ticket)
	if err != nil {
		return err
	}
	if err := errors.Join(d.pause(ctx), d.nextSecond(ctx)); err != nil {
		return err
	}
	if err := d.hub.Approve(repoName, number, d.login(a.approves)); err != nil {
		return err
	}
	d.say("%s approves", a.approves)
	if err := d.nextSecond(ctx); err != nil {
		return err
	}
	before := d.show(ctx, a)
	merged := time.Now()
	if _, err := d.hub.Merge(repoName, number, d.login(a.approves), "squash"); err != nil {
		return err
	}
	d.say("%s merges; until now %s: %s", a.approves, a.shows, before)
	if err := d.seen(ctx, "the access", 30*time.Second, func() (bool, error) {
		held, _, err := a.held(ctx)
		return held, err
	}); err != nil {
		return err
	}
	d.say("%s after the merge, %s: %s", time.Since(merged).Round(10*time.Millisecond), a.shows, d.show(ctx, a))
	return nil
}

func (d *Demo) show(ctx context.Context, a *actor) string {
	_, text, err := a.held(ctx)
	if err != nil {
		return err.Error()
	}
	return text
}

func (d *Demo) expiry(ctx context.Context, a *actor) error {
	holds, err := d.daemon.Ledger.Holds(ctx, "")
	if err != nil {
		return err
	}
	if len(holds) == 0 {
		return errors.New("the ledger holds nothing")
	}
	until := holds[0].Until
	d.say("the window closes at %s; nobody has to do anything", until.Format("15:04:05.000"))
	if err := d.seen(ctx, "the end of the access", d.o.Window+30*time.Second, func() (bool, error) {
		held, _, err := a.held(ctx)
		return !held, err
	}); err != nil {
		return err
	}
	now := time.Now()
	if now.Before(until) {
		return errors.New("the access ended before its window")
	}
	d.say("gone %s after the end (looked at every 50ms): %s", now.Sub(until).Round(time.Millisecond), d.show(ctx, a))
	return nil
}

func (d *Demo) revert(ctx context.Context, a *actor) error {
	var row ledger.Revert
	if err := d.seen(ctx, "the revert pull request", time.Minute, func() (bool, error) {
		rows, err := d.daemon.Ledger.Reverts(ctx, "open")
		if err != nil || len(rows) == 0 {
			return false, err
		}
		row = rows[0]
		return true, nil
	}); err != nil {
		return err
	}
	d.say("the reconciler opens %s, which removes %s", row.URL, strings.Join(row.Paths, ", "))
	if err := d.pause(ctx); err != nil {
		return err
	}
	if err := d.hub.Approve(repoName, row.Number, d.login(a.approves)); err != nil {
		return err
	}
	if _, err := d.hub.Merge(repoName, row.Number, d.login(a.approves), "squash"); err != nil {
		return err
	}
	if err := d.seen(ctx, "the removal of the file", 30*time.Second, func() (bool, error) {
		rows, err := d.daemon.Ledger.RequestByPath(ctx, d.file(a, 2))
		return len(rows) > 0 && !rows[0].Live, err
	}); err != nil {
		return err
	}
	d.say("%s approves and merges it; the file is gone, its history stays", a.approves)
	if err := d.daemon.Ledger.Verify(ctx); err != nil {
		return err
	}
	d.say("the chain of events is unbroken; a copy is in %s", filepath.Join(d.o.Dir, "evidence.jsonl"))
	return nil
}

// inSudoers looks at the file that the target's system reads.
func (d *Demo) inSudoers(context.Context) (bool, string, error) {
	text, err := os.ReadFile(filepath.Join(d.o.Dir, "targets", "sudoers"))
	if errors.Is(err, os.ErrNotExist) {
		return false, "no rule for " + d.people["frank"].AccountOn("bastion-sudo"), nil
	}
	if err != nil {
		return false, "", err
	}
	account := d.people["frank"].AccountOn("bastion-sudo")
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, account+" ") {
			return true, strings.TrimSpace(line), nil
		}
	}
	return false, "no rule for " + account, nil
}
