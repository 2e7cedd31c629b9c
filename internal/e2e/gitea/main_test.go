package gitea_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/internal/forge/gitea/giteatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestGitea plays every scene on one server, each in a repository of its own and
// with a reconciler of its own.
func TestGitea(t *testing.T) {
	s := giteatest.Start(t)
	for name, play := range map[string]func(t *testing.T, s *giteatest.Server){
		"from asking to the merged revert":                        askedAndOver,
		"an earlier end needs no approval":                        shortened,
		"a person approves what a stranger may not":               strangersApproval,
		"break-glass begins at once and a review is noted":        reviewedEmergency,
		"closing the pull request ends break-glass":               closedEmergency,
		"a push ends break-glass":                                 pushedEmergency,
		"break-glass from a fork grants nothing":                  forkedEmergency,
		"break-glass of somebody else's grants nothing":           borrowedEmergency,
		"a webhook tells of break-glass":                          emergencyLag,
		"a group that nobody approved is not in force":            unapprovedGroup,
		"a direct push grants nothing":                            directPush,
		"a push after the approval grants nothing":                pushAfterApproval,
		"an approval of the author or after the merge is refused": refusedApprovals,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, s)
		})
	}
}
