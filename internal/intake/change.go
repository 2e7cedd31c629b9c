package intake

import (
	"context"
	"fmt"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
)

// changeJudgement is what judging any change by its pull request begins with, and
// the configuration that was in force before that pull request. States are those
// that are not in the ledger yet.
func (in *Intake) changeJudgement(ctx context.Context, e *forge.Evidence, states []ledger.ConfigState) (policy.TrustJudgement, map[string]string, error) {
	j := policy.TrustJudgement{Evidence: *e, Host: in.cfg.Host, ForgeType: in.cfg.ForgeType, ApprovalsValid: in.cfg.ApprovalsValid}
	if e.Before == "" || e.Problem != "" {
		return j, nil, nil // the evidence speaks for itself
	}
	files, err := in.stateAt(ctx, e.Before, states)
	if err != nil {
		return j, nil, err
	}
	j.Trusted, _, err = in.trees.get(files)
	return j, files, err
}

// judgeChange judges one change of the configuration by the state before its pull
// request.
func (in *Intake) judgeChange(ctx context.Context, e *forge.Evidence, r *run, laundered bool, states []ledger.ConfigState) (policy.Verdict, error) {
	j, before, err := in.changeJudgement(ctx, e, states)
	if err != nil {
		return policy.Verdict{}, err
	}
	j.Laundered, j.Group, j.Count = laundered, in.cfg.TrustGroup, in.cfg.TrustCount
	if blob := e.Introduction.Blob; j.Trusted != nil && blob != "" && r.stood[e.Introduction.Path] == "" {
		if j.Hidden, err = in.hides(ctx, r, before, blob); err != nil {
			return policy.Verdict{}, err
		}
	}
	return in.judgeTrust(j), nil
}

// stateAt returns the configuration in force at a commit: from the ledger, or from
// the states that are about to be written.
func (in *Intake) stateAt(ctx context.Context, commit string, states []ledger.ConfigState) (map[string]string, error) {
	s, ok, err := in.cfg.Ledger.ConfigState(ctx, commit)
	if err != nil {
		return nil, fmt.Errorf("read the trusted state at %s: %w", commit, err)
	}
	if ok {
		return s.Files, nil
	}
	for _, s := range states {
		if s.Commit == commit {
			return s.Files, nil
		}
	}
	return nil, fmt.Errorf("the trusted state at %s is not known: it lies before trust.from, was never taken in, or waits for its own proof", commit)
}
