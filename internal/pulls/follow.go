package pulls

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
)

// handOver is how long after the merge of an emergency's pull request the intake
// has time to take the request over. Then the use ends in any case.
const handOver = 10 * time.Minute

// follow looks after every use of break-glass: what happened to its pull request
// ends it, and reviews close it.
func (p *pass) follow(ctx context.Context) error {
	var errs *multierror.Error
	for _, u := range p.uses {
		if err := p.followOne(ctx, u); err != nil {
			errs = multierror.Append(errs, fmt.Errorf("emergency of pull request %d: %w", u.Pull, err))
		}
	}
	return errs.ErrorOrNil()
}

func (p *pass) followOne(ctx context.Context, u *use) error {
	if u.over(p.cfg.Now()) && !u.ReviewedAt.IsZero() {
		return nil // only its worker has something left to do
	}
	pull, err := p.cfg.Forge.Pull(ctx, u.Pull)
	if errors.Is(err, forge.ErrNotFound) {
		if u.over(p.cfg.Now()) {
			return nil
		}
		return p.end(ctx, u, "its pull request is gone")
	}
	if err != nil {
		return err
	}
	p.shut[u.Pull] = pull.State != "open"
	pushes, err := forge.HeadPushes(ctx, p.cfg.Forge, pull)
	if err != nil {
		return err
	}
	moved, err := p.cfg.Forge.BaseChanged(ctx, u.Pull)
	if err != nil {
		return err
	}
	if !u.over(p.cfg.Now()) {
		why, err := p.broken(ctx, u, pull, pushes, moved)
		if err != nil {
			return err
		}
		if why != "" {
			if err := p.end(ctx, u, why); err != nil {
				return err
			}
		}
	}
	if u.ReviewedAt.IsZero() {
		return p.review(ctx, u, pull, pushes)
	}
	return nil
}

// broken says what about the pull request ends its use; empty: nothing.
func (p *pass) broken(ctx context.Context, u *use, pull forge.PullRequest, pushes []forge.Push, moved time.Time) (string, error) {
	switch {
	case pull.BaseRepoID != p.present.Repo:
		return "its pull request belongs to another repository", nil
	case pull.HeadSHA != u.Head:
		return "another commit was pushed to its pull request", nil
	case pull.BaseRef != p.cfg.Branch, !moved.IsZero():
		return "its pull request was pointed at another branch", nil
	}
	for _, push := range pushes {
		// A deletion of the branch after the merge is tidying up.
		if push.Kind != forge.PushDelete && push.At.After(pull.CreatedAt) {
			return "its pull request was pushed to", nil
		}
	}
	switch {
	case !pull.MergedAt.IsZero():
		return p.merged(ctx, u, pull)
	case pull.State != "open":
		return "its pull request was closed", nil
	}
	return "", nil
}

// merged hands a use over to the request on the branch, which holds the same window
// if it was approved, and can be taken away there.
func (p *pass) merged(ctx context.Context, u *use, pull forge.PullRequest) (string, error) {
	rows, err := p.cfg.Ledger.RequestByPath(ctx, u.Path)
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		var rec policy.Record
		if err := json.Unmarshal(row.Body, &rec); err != nil {
			return "", fmt.Errorf("ledger row of %s: %w", row.ID, err)
		}
		for _, v := range rec.Versions {
			if v.Evidence == nil || v.Evidence.Pull == nil || v.Evidence.Pull.Number != u.Pull || v.Verdict == nil || !v.Verdict.Final {
				continue
			}
			if v.Verdict.Proven {
				return "its pull request was merged, and the request on the branch takes over", nil
			}
			return "its pull request was merged without the approvals that it needs", nil
		}
	}
	if p.cfg.Now().Sub(pull.MergedAt) > handOver {
		return "its pull request was merged, and nothing on the branch proves the request", nil
	}
	p.again(blur)
	return "", nil
}

// review notes a review that closes the use: whoever may approve such a request
// looked at it and approved, before or after the fact.
func (p *pass) review(ctx context.Context, u *use, pull forge.PullRequest, pushes []forge.Push) error {
	request := u.request()
	if request == nil {
		return errors.New("its request cannot be read any more")
	}
	reviews, err := p.cfg.Forge.Reviews(ctx, u.Pull)
	if err != nil {
		return err
	}
	v := policy.JudgeReview(policy.ReviewJudgement{
		Request: request, Pull: pull, Head: u.Head, HeadPushes: pushes, Reviews: reviews,
		Trusted: p.present.Trusted, Rules: p.present.Rules, Host: p.cfg.Host, ForgeType: p.cfg.ForgeType, Others: p.others(u.Pull),
	})
	if !v.Proven {
		return nil
	}
	u.ReviewedAt, u.Reviewers = p.cfg.Now(), v.Approvers
	p.forget(u.Pull)
	p.forgetRefused()
	p.cfg.Log.Info("a use of break-glass was reviewed", "pull", u.Pull, "subject", u.Subject, "by", u.Reviewers)
	return p.put(ctx, u, ledger.EventEmergencyReviewed, "break-glass was reviewed by "+strings.Join(u.Reviewers, ", "))
}
