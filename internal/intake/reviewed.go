package intake

import (
	"context"
	"fmt"
	"strings"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

// maxReviewed bounds how many files of one commit are looked up on the forge.
const maxReviewed = 500

// Reviewed reports whether everything that a commit changed in documents came by a
// pull request that somebody else approved, and by whom. An error means that the
// forge could not tell yet.
func (in *Intake) Reviewed(ctx context.Context, commit string) (ok bool, by string, err error) {
	if err := in.begin(ctx); err != nil {
		return false, "", err
	}
	if err := in.pin(ctx); err != nil {
		return false, "", err
	}
	changes, err := in.cfg.Source.Changes(commit)
	if err != nil {
		return false, "", fmt.Errorf("changes of %s: %w", commit, err)
	}
	looked := 0
	for _, c := range changes {
		if !schema.IsDocument(c.Path) {
			continue
		}
		if looked++; looked > maxReviewed {
			return false, "", nil
		}
		e, err := in.cfg.Forge.Evidence(ctx, in.repoID, forge.Introduction{Path: c.Path, Blob: blobOf(c.New), Commit: commit})
		if err != nil {
			return false, "", err
		}
		v, err := in.judgeRemoval(ctx, e)
		switch {
		case err != nil:
			return false, "", err
		case !v.Final:
			return false, "", fmt.Errorf("the evidence for %s is not complete yet", c.Path)
		case !v.Proven:
			return false, "", nil
		}
		by = fmt.Sprintf("pull request #%d, approved by %s", e.Pull.Number, strings.Join(v.Approvers, ", "))
	}
	return looked > 0, by, nil
}

func (in *Intake) judgeRemoval(ctx context.Context, e forge.Evidence) (policy.Verdict, error) {
	j := policy.TrustJudgement{Evidence: e, Host: in.cfg.Host, ForgeType: in.cfg.ForgeType, ApprovalsValid: in.cfg.ApprovalsValid}
	if e.Before != "" && e.Problem == "" {
		state, ok, err := in.cfg.Ledger.ConfigState(ctx, e.Before)
		if err != nil {
			return policy.Verdict{}, fmt.Errorf("read the trusted state at %s: %w", e.Before, err)
		}
		if !ok {
			return policy.Verdict{}, fmt.Errorf("the trusted state at %s is not known yet", e.Before)
		}
		if j.Trusted, _, err = in.trees.get(state.Files); err != nil {
			return policy.Verdict{}, err
		}
	}
	return policy.JudgeRemoval(j), nil
}
