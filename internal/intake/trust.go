package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/source"
	"github.com/tenure-dev/tenure/schema"
)

// unsettled is one step of the branch whose configuration is not in force yet.
// Steps are settled in order: each is judged by the state that those before it
// left. A step without paths waits for its turn only.
type unsettled struct {
	step     step
	broken   []string                   // commits folded into it
	paths    []string                   // of the step's changes, those of the configuration
	evidence map[string]*forge.Evidence // by path, as far as it was read
	attempts int
	retryAt  time.Time
}

// unproven is why a change of the configuration waits.
const unproven = "the change is not in force yet: it waits until its approval by the trust group is proven"

// queue takes note of a step. It is not queued, and its state is known at once, when
// nothing in it, and nothing before it, has to be trusted first.
func (in *Intake) queue(v *view, s step, broken []string, b *ledger.IntakeBatch) (queued bool) {
	u := &unsettled{step: s, broken: broken, paths: in.configured(v, s), evidence: map[string]*forge.Evidence{}}
	if len(u.paths) == 0 && len(v.queue) == 0 {
		b.States = append(b.States, states(v, u)...)
		return false
	}
	for _, path := range u.paths {
		in.fault(v, ledger.NotInForce{Path: path, Commit: s.changes[path].commit, Why: unproven, Waits: ledger.Trusted})
	}
	v.queue = append(v.queue, u)
	// A commit that came before the branch was moved back may come again.
	b.Forget = append(append(b.Forget, broken...), s.commit)
	return true
}

// states are those of a step that is settled: those folded into it have the
// configuration of before.
func states(v *view, u *unsettled) []ledger.ConfigState {
	var out []ledger.ConfigState
	for _, c := range append(slices.Clone(u.broken), u.step.commit) {
		out = append(out, ledger.ConfigState{Commit: c, Files: v.frozen(), Replace: true})
	}
	return out
}

// configured returns the paths of a step that change the configuration, sorted.
// Broken files change nothing: their last good version stays.
func (in *Intake) configured(v *view, s step) []string {
	known := func(path string) bool {
		_, ok := v.config[path]
		return ok || slices.ContainsFunc(v.queue, func(u *unsettled) bool { return slices.Contains(u.paths, path) })
	}
	var out []string
	for _, path := range slices.Sorted(maps.Keys(s.changes)) {
		c := s.changes[path]
		if c.entry == nil {
			if known(path) {
				out = append(out, path)
			}
			continue
		}
		if !schema.IsDocument(path) {
			continue
		}
		if f := in.files.entry(*c.entry); !f.Broken() && (requestOf(f) == nil || known(path)) {
			out = append(out, path)
		}
	}
	return out
}

// settle brings into force, in order, what is trusted of the steps that wait, and
// passes over what is not. It stops at a step of which the forge cannot tell yet.
func (in *Intake) settle(ctx context.Context, v *view, b *ledger.IntakeBatch, repoErr error) (moved bool, err error) {
	confirmed, err := in.confirmed(ctx)
	if err != nil {
		return false, err
	}
	for len(v.queue) > 0 {
		u := v.queue[0]
		now := in.cfg.Now()
		if u.retryAt.After(now) {
			return moved, nil
		}
		trusted, wait := in.trusted(ctx, v, u, b, repoErr, confirmed)
		if wait != nil {
			u.attempts++
			u.retryAt = now.Add(min(5*time.Second<<min(u.attempts-1, 7), 10*time.Minute))
			for _, path := range u.paths {
				if f, listed := v.broken[path]; listed && f.Waits == ledger.Trusted {
					f.Why = unproven + "; " + wait.Error()
					v.broken[path] = f
				}
			}
			in.cfg.Log.Warn("configuration not in force yet", "commit", u.step.commit, "why", wait, "retry", u.retryAt)
			return moved, nil
		}
		if why := in.emptied(v, trusted); why != "" && !confirmed.of(ledger.Emptied, u.step.commit) {
			for path, c := range trusted.changes {
				in.fault(v, ledger.NotInForce{Path: path, Commit: c.commit, Why: why})
			}
			trusted.changes = nil
		}
		after := states(v, u)
		in.enforce(v, trusted)
		after[len(after)-1].Files = v.frozen()
		b.States = append(b.States, after...)
		b.Spent = append(b.Spent, confirmed.spentBy(u)...)
		v.queue = v.queue[1:]
		moved = true
	}
	return moved, nil
}

// trusted returns the part of a step that is trusted, or why that cannot be told
// yet. What an operator confirmed is trusted, and so is a return to the bytes in
// force.
func (in *Intake) trusted(ctx context.Context, v *view, u *unsettled, b *ledger.IntakeBatch, repoErr error, confirmed words) (step, error) {
	out := step{commit: u.step.commit, changes: map[string]change{}}
	var ask []string
	for _, path := range u.paths {
		c := u.step.changes[path]
		switch blob, inForce := v.config[path]; {
		case in.takesAway(c) && !inForce, !in.takesAway(c) && inForce && blob == c.entry.Blob:
			delete(v.broken, path) // nothing changes
		case confirmed.of(ledger.Trusted, c.commit):
			out.changes[path] = c
		default:
			ask = append(ask, path)
		}
	}
	if len(ask) > 0 && repoErr != nil {
		return out, repoErr
	}
	if err := in.gather(ctx, u, ask); err != nil {
		return out, err
	}
	var events []ledger.Event
	refused := map[string]ledger.NotInForce{}
	for _, path := range ask {
		c, e := u.step.changes[path], u.evidence[path]
		old := blobOf(c.old)
		var r *run
		if e.Before != "" { // a rebase brings a file in several steps; reviewers saw the whole
			var err error
			if r, err = in.runOf(e.Before, c.commit); err != nil {
				return out, err
			}
			old = r.stood[path]
		}
		verdict, err := in.judgeChange(ctx, e, r, old != v.config[path], b.States)
		if err != nil {
			return out, err
		}
		if !verdict.Final {
			delete(u.evidence, path) // to be read again
			return out, fmt.Errorf("the evidence for %s is not complete yet", path)
		}
		if verdict.Proven {
			out.changes[path] = c
		} else {
			refused[path] = ledger.NotInForce{Path: path, Commit: c.commit, Pull: pullOf(e), Why: denial(verdict.Checks)}
		}
		data, _ := json.Marshal(map[string]any{"introduction": e.Introduction, "trusted": verdict.Proven, "author": verdict.Author, "approvers": verdict.Approvers, "checks": verdict.Checks, "evidence": e})
		events = append(events, ledger.Event{At: in.cfg.Now(), Kind: ledger.EventTrusted, Data: data})
	}
	for path, f := range refused {
		in.cfg.Log.Error("configuration not trusted: what was in force stays", "file", path, "commit", f.Commit, "pull", f.Pull, "why", f.Why)
		f.Why = "the change is not trusted, so what was in force stays: " + f.Why
		in.fault(v, f)
	}
	b.Events = append(b.Events, events...)
	return out, nil
}

// takesAway reports whether a change leaves no configuration at its path.
func (in *Intake) takesAway(c change) bool {
	return c.entry == nil || requestOf(in.files.entry(*c.entry)) != nil
}

func blobOf(e *source.Entry) string {
	if e == nil {
		return ""
	}
	return e.Blob
}

// gather reads the evidence that is still missing. What was read stays read.
func (in *Intake) gather(ctx context.Context, u *unsettled, paths []string) error {
	var mu sync.Mutex // guards u.evidence and errs
	var errs []error
	var wg sync.WaitGroup
	slots := make(chan struct{}, forgeCalls)
	for _, path := range paths {
		mu.Lock()
		known, stop := u.evidence[path] != nil, len(errs) > 0
		mu.Unlock()
		if stop {
			break
		}
		if known {
			continue
		}
		c := u.step.changes[path]
		intro := forge.Introduction{Path: path, Blob: blobOf(c.entry), Commit: c.commit}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			e, err := in.cfg.Forge.Evidence(ctx, in.repoID, intro)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			u.evidence[path] = &e
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// denial is what denies, in one line.
func denial(checks []grants.Check) string {
	var out []string
	for _, c := range checks {
		if !c.OK && c.Rule != "review" {
			out = append(out, c.Detail)
		}
	}
	return strings.Join(out, "; ")
}

// enforce brings trusted changes of the configuration into force.
func (in *Intake) enforce(v *view, s step) {
	if len(s.changes) == 0 {
		return
	}
	var files []*schema.File
	for path, c := range s.changes {
		if c.entry != nil && schema.IsDocument(path) {
			files = append(files, in.files.entry(*c.entry))
		}
	}
	claims := in.claims(v.config, files)
	claims.giveUp(s)
	for _, path := range s.paths() {
		c := s.changes[path]
		if in.takesAway(c) {
			delete(v.broken, path)
			claims.release(path, v.config[path])
			delete(v.config, path)
			continue
		}
		f := in.files.entry(*c.entry)
		if why := claims.clash(path, f); why != "" {
			in.fault(v, ledger.NotInForce{Path: path, Commit: c.commit, Why: why})
			continue
		}
		delete(v.broken, path)
		claims.release(path, v.config[path])
		v.config[path] = c.entry.Blob
		claims.take(path, f)
	}
}

// only returns the part of a step at some paths.
func (s step) only(paths []string) step {
	out := step{commit: s.commit, changes: map[string]change{}}
	for _, p := range paths {
		out.changes[p] = s.changes[p]
	}
	return out
}

// resettle finds, after a restart, the last commit whose state is known, and
// queues what came after it.
func (in *Intake) resettle(ctx context.Context, v *view) error {
	commits, err := in.cfg.Source.FirstParents(in.cfg.TrustFrom, v.head)
	if err != nil {
		return fmt.Errorf("find the configuration in force at %s: %w", v.head, err)
	}
	commits = append([]string{in.cfg.TrustFrom}, commits...)
	i := len(commits) - 1
	for ; i >= 0; i-- {
		state, ok, err := in.cfg.Ledger.ConfigState(ctx, commits[i])
		if err != nil {
			return fmt.Errorf("read the configuration in force: %w", err)
		}
		if ok {
			v.config = maps.Clone(state.Files)
			break
		}
	}
	if i < 0 {
		return fmt.Errorf("the ledger does not know which configuration is in force at %s; restore it from a backup", v.head)
	}
	v.queue = nil
	for _, commit := range commits[i+1:] {
		changes, err := in.cfg.Source.Changes(commit)
		if err != nil {
			return fmt.Errorf("changes of %s: %w", commit, err)
		}
		s := step{commit: commit, changes: map[string]change{}}
		for _, c := range changes {
			s.changes[c.Path] = change{commit, c.New, c.Old}
		}
		v.queue = append(v.queue, &unsettled{step: s, paths: in.configured(v, s), evidence: map[string]*forge.Evidence{}})
	}
	v.unsettled = false
	return in.files.failed()
}
