package pulls

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

// emergency grants what a new pull request asks for at once, where its roles allow
// that.
func (p *pass) emergency(ctx context.Context, s *subject) error {
	p.mu.Lock() // one at a time: each counts for the limits of the next
	defer p.mu.Unlock()
	if s.emergency = p.find(s.pull.Number); s.emergency != nil {
		return nil // it had its use: see follow
	}
	if len(s.files) != 1 {
		return nil
	}
	file := s.files[0]
	request := file.request()
	if request == nil || !request.Emergency {
		return nil
	}
	switch {
	case p.had[s.pull.Number]:
		s.refused = []string{"this pull request had its use of break-glass already"}
		return nil
	case p.present.Diverged:
		s.refused = []string{"the branch was rewritten; nothing is granted until an operator confirms it"}
		return nil
	}
	if _, stands := p.present.Files[file.Path]; stands { // since the pull request branched off
		s.refused = []string{fmt.Sprintf("%s is on the branch already; an emergency adds a new file", file.Path)}
		return nil
	}
	v := policy.JudgeEmergency(p.judgement(s, request))
	switch {
	case !v.Granted:
		s.refused = failures(v.Checks)
		if !v.Final {
			s.unsettled = true
			p.again(blur)
		}
		return nil
	case !p.cfg.Now().Before(v.Window.Until):
		s.refused = []string{fmt.Sprintf("its window closed at %s, before it was seen", stamp(v.Window.Until))}
		return nil
	}
	// The list of changed files may be of a newer head than the one that was listed,
	// and it does not tell a plain file from a link.
	switch blob, err := p.cfg.Forge.BlobAt(ctx, s.pull.HeadSHA, file.Path); {
	case err != nil && !errors.Is(err, forge.ErrNotFound):
		return err
	case blob != file.Blob:
		s.refused = []string{fmt.Sprintf("the file at the head %s is not the one that was read", abbrev(s.pull.HeadSHA))}
		s.unsettled = true
		p.again(blur)
		return nil
	}
	u := &use{Use: Use{
		Pull: s.pull.Number, URL: s.pull.URL, Path: file.Path, Blob: file.Blob, Head: s.pull.HeadSHA,
		Subject: v.Subject, Text: string(file.text), ReviewBy: v.ReviewBy,
	}}
	for _, r := range request.Roles {
		if !slices.Contains(u.Roles, r.Role) {
			u.Roles = append(u.Roles, r.Role)
		}
	}
	u.row = ledger.Request{ID: ledger.EmergencyID(u.Pull), Path: u.Path, Pull: u.Pull, Decision: grants.Decision{
		Request: ledger.EmergencyID(u.Pull), Path: u.Path, Blob: u.Blob, Author: v.Subject, Reason: request.Reason, Ticket: request.Ticket,
		Granted: true, Terms: []grants.Terms{{Span: v.Window, Items: v.Items}}, Checks: v.Checks,
	}}
	reason := fmt.Sprintf("break-glass: %s holds %s until %s; a review is due by %s", u.Subject, strings.Join(u.Roles, ", "), stamp(v.Window.Until), stamp(u.ReviewBy))
	if err := p.put(ctx, u, ledger.EventEmergency, reason); err != nil {
		return err
	}
	p.uses = append(p.uses, u)
	s.emergency, p.res.Changed = u, true
	p.cfg.Log.Warn("break-glass: access is given before anybody approved", "pull", u.Pull, "subject", u.Subject, "roles", u.Roles, "until", v.Window.Until, "review by", u.ReviewBy)
	return nil
}

func (p *pass) judgement(s *subject, request *schema.AccessRequest) policy.EmergencyJudgement {
	files := make([]forge.FileChange, len(s.files))
	for i, f := range s.files {
		files[i] = f.FileChange
	}
	return policy.EmergencyJudgement{
		Request: request, Pull: s.pull, Files: files, HeadPushes: s.pushes, BaseChange: s.baseChange,
		RepositoryID: p.present.Repo, WatchedRef: p.cfg.Branch, Trusted: p.present.Trusted, Branch: p.present.Branch, Rules: p.present.Rules,
		Host: p.cfg.Host, ForgeType: p.cfg.ForgeType, Canonical: p.cfg.Canonical,
		Others: p.others(s.pull.Number), Unreviewed: p.unreviewed(s.pull.Number), ReadAt: p.repo.Now,
	}
}

// narrow ends running uses that the present state no longer allows. It asks nobody.
func (p *pass) narrow(ctx context.Context) error {
	var errs *multierror.Error
	for _, u := range p.uses {
		if u.over(p.cfg.Now()) {
			continue
		}
		if why := policy.NarrowEmergency(u.row.Decision, p.present.Trusted, p.present.Branch, p.cfg.Canonical); why != "" {
			errs = multierror.Append(errs, p.end(ctx, u, why))
		}
	}
	return errs.ErrorOrNil()
}

// end closes a use's window now.
func (p *pass) end(ctx context.Context, u *use, why string) error {
	now := p.cfg.Now()
	u.row.Decision.EndedAt, u.EndedBy = now, why
	for _, it := range u.row.Decision.Allowed() {
		u.row.Decision.Removals = append(u.row.Decision.Removals, grants.Removal{Grant: it.Grant, Cause: grants.CauseExpired, At: now})
	}
	if err := p.put(ctx, u, ledger.EventEmergencyEnded, "break-glass ends: "+why); err != nil {
		return err
	}
	p.res.Changed = true
	p.forget(u.Pull)
	p.forgetRefused()
	p.cfg.Log.Warn("break-glass ends before its window closed", "pull", u.Pull, "subject", u.Subject, "why", why)
	return nil
}

// forget has a pull request looked at again in this pass.
func (p *pass) forget(pull int) { delete(p.seen, pull) }

// forgetRefused has those looked at again that asked for break-glass in vain: what
// stood in the way may be gone.
func (p *pass) forgetRefused() {
	maps.DeleteFunc(p.seen, func(_ int, g glance) bool { return g.refused })
}

// again asks for another look before the next poll.
func (p *pass) again(in time.Duration) {
	at := p.cfg.Now().Add(in)
	if p.res.RetryAt.IsZero() || at.Before(p.res.RetryAt) {
		p.res.RetryAt = at
	}
}

// count says how the uses stand.
func (p *pass) count() {
	now := p.cfg.Now()
	for _, u := range p.uses {
		if !u.over(now) {
			p.res.Running++
		}
		if u.ReviewedAt.IsZero() {
			p.res.Due++
			if !now.Before(u.ReviewBy) {
				p.res.Late++
			}
		}
	}
}

// remind tells people once of a review that was not given in time, and lets go of
// uses that are over and reviewed.
func (p *pass) remind(ctx context.Context) error {
	var errs *multierror.Error
	for _, u := range p.uses {
		switch {
		case u.ReviewedAt.IsZero() && !u.Reminded && !p.cfg.Now().Before(u.ReviewBy):
			u.Reminded = true
			p.forget(u.Pull)
			errs = multierror.Append(errs, p.put(ctx, u, ledger.EventEmergencyLate,
				fmt.Sprintf("the review of break-glass by %s for %s was due at %s", u.Subject, strings.Join(u.Roles, ", "), stamp(u.ReviewBy))))
			p.cfg.Log.Error("the review of a use of break-glass is overdue", "pull", u.Pull, "subject", u.Subject, "due", u.ReviewBy)
		case !u.ReviewedAt.IsZero() && !u.row.EndedAt.IsZero():
			errs = multierror.Append(errs, p.put(ctx, u, "", ""))
		}
	}
	return errs.ErrorOrNil()
}

// failures lists what stands in the way.
func failures(checks []grants.Check) []string {
	var out []string
	for _, c := range checks {
		if !c.OK && c.Rule != "review" {
			out = append(out, c.Detail)
		}
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
