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
		j, _, err := in.changeJudgement(ctx, &e, nil)
		if err != nil {
			return false, "", err
		}
		switch v := policy.JudgeRemoval(j); {
		case !v.Final:
			return false, "", fmt.Errorf("the evidence for %s is not complete yet", c.Path)
		case !v.Proven:
			return false, "", nil
		default:
			by = fmt.Sprintf("pull request #%d, approved by %s", e.Pull.Number, strings.Join(v.Approvers, ", "))
		}
	}
	return looked > 0, by, nil
}
