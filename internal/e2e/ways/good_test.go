package ways_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/pgtest"
	"github.com/tenure-dev/tenure/internal/revert"
)

func TestAnApprovedRequestIsGrantedAndEndsToTheSecond(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	merged := s.Now()
	s.Pass()
	s.Granted(asked)
	s.Expect("bastion", "ops,alice")
	if got := s.Holds("bastion")[0].Until; !got.Equal(merged.Add(time.Hour)) {
		t.Errorf("held until %s, want an hour after the merge at %s", got, merged)
	}
	s.Advance(time.Hour - time.Second)
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Second)
	s.Pass()
	s.Expect("bastion")
}

func TestEveryWayToMergeGrants(t *testing.T) {
	for _, method := range []string{"merge", "squash", "rebase"} {
		t.Run(method, func(t *testing.T) {
			s := begin(t, stage.Options{})
			n := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask("duration: 2h"))})
			s.Push("alice", stage.Change{Branch: "ask", Write: map[string]string{"README.md": "Hello\n"}})
			s.Push("alice", stage.Change{Branch: "ask", Write: file(ask())})
			s.Push("bob", stage.Change{Write: map[string]string{"notes.txt": "main goes on\n"}})
			s.Approve(n, "carol")
			s.MergeBy(n, "dave", method)
			s.Pass()
			s.Granted(asked)
			s.Expect("bastion", "ops,alice")
			s.Advance(time.Hour)
			s.Pass()
			s.Expect("bastion")
		})
	}
}

func TestAMergeQueueGrantsEachOfItsPullRequests(t *testing.T) {
	s := begin(t, stage.Options{})
	one := s.Ask("alice", file(ask()))
	two := s.Ask("bob", map[string]string{"requests/bob.yaml": stage.Request("bob", "ops", "duration: 1h")})
	bad := s.Ask("mallory", map[string]string{"requests/mallory.yaml": stage.Request("mallory", "ops", "duration: 1h")})
	s.Approve(one, "carol")
	s.Approve(two, "dave")
	s.Second()
	must(t, s.Hub.QueueMerge(stage.Repo, one, bad, two))
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob")
	s.Denied("requests/mallory.yaml", "missing: 1 of leads")
}

func TestAPullRequestFromAForkGrants(t *testing.T) {
	s := begin(t, stage.Options{})
	n, _ := forked(s)
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	s.Expect("bastion", "ops,alice")
}

func TestARenamedAccountIsStillThePerson(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask()))
	s.Approve(n, "carol")
	s.Merge(n)
	must(t, s.Hub.RenameUser(stage.Login("carol"), "carol-new"))
	s.Pass()
	s.Expect("bastion", "ops,alice")
}

func TestAFreshApprovalAfterADismissalGrants(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	s.Approve(n, "carol")
	s.Push("alice", stage.Change{Branch: "ask", Write: file(ask())})
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	s.Expect("bastion", "ops,alice")
}

func TestAnApprovedExtensionRenewsWithoutAGap(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	merged := s.Now()
	s.Pass()
	s.Advance(30 * time.Minute)
	s.Grant("alice", asked, ask("duration: 3h"))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	if h := s.Holds("bastion")[0]; !h.Until.Equal(merged.Add(3 * time.Hour)) {
		t.Errorf("held until %s, want three hours after the first merge at %s", h.Until, merged)
	}
	s.Clock.Set(merged.Add(time.Hour))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	if got := s.Events("revoke.intended"); len(got) != 0 {
		t.Errorf("the extension took the access away for a while: %+v", got)
	}
	s.Clock.Set(merged.Add(3 * time.Hour))
	s.Pass()
	s.Expect("bastion")
}

func TestDeletingTheFileByADirectPushEndsTheAccess(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("bob", stage.Change{Remove: []string{asked}})
	s.Pass()
	s.Expect("bastion")
}

func TestDeletingTheFileByAPullRequestEndsTheAccess(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Merge(s.Propose("alice", stage.Change{Remove: []string{asked}}))
	s.Pass()
	s.Expect("bastion")
}

func TestABotMayTakeAccessAway(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Hub.AddBot("helper[bot]")
	must(t, s.Hub.SetPermission(stage.Repo, "helper[bot]", minihub.Write))
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Merge(s.Propose("helper[bot]", stage.Change{Remove: []string{asked}}))
	s.Pass()
	s.Expect("bastion")
}

func TestDeactivatingAPersonEndsWhatTheyHold(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, stage.Request("alice, bob", "ops", long))
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob")
	n := s.Ask("bob", map[string]string{"people/alice.yaml": stage.Person("alice", "active: false")})
	s.Approve(n, "erin")
	s.Merge(n)
	s.Pass()
	s.Expect("bastion", "ops,bob")
}

func TestAScheduleHoldsInItsOccurrencesOnly(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, stage.Request("alice", "shift",
		`schedule: {cron: "0 10 * * *", timezone: Europe/Berlin, duration: 2h}`, "expiresAt: 2026-03-04T00:00:00Z"))
	at := func(stamp string, rows ...string) {
		t.Helper()
		when, err := time.Parse(time.DateTime, stamp)
		must(t, err)
		s.Clock.Set(when)
		s.Pass()
		s.Expect("bastion", rows...)
	}
	s.Pass() // merged inside the first occurrence, which began at 09:00 UTC
	s.Expect("bastion", "shift,alice")
	at("2026-03-02 10:59:59", "shift,alice")
	at("2026-03-02 11:00:00")
	at("2026-03-03 08:59:59")
	at("2026-03-03 09:00:00", "shift,alice")
	s.Restart()
	at("2026-03-03 10:59:59", "shift,alice")
	at("2026-03-03 11:00:00")
	at("2026-03-04 00:00:00")
	if row, _ := s.Row(asked); row.EndedAt.IsZero() {
		t.Error("the request is over and has not ended")
	}
	at("2026-03-04 09:30:00")
}

func TestOverlappingRequestsEndWithTheLast(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Grant("alice", "requests/alice-2.yaml", ask("duration: 4h"))
	merged := s.Now()
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion", "ops,alice")
	if row, _ := s.Row(asked); row.EndedAt.IsZero() {
		t.Error("the first request is over and has not ended")
	}
	s.Push("alice", stage.Change{Remove: []string{asked}})
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Clock.Set(merged.Add(4 * time.Hour))
	s.Pass()
	s.Expect("bastion")
	if got := s.Events("revoke.intended"); len(got) != 1 {
		t.Errorf("revoked %d times, want once", len(got))
	}
}

func TestARequestForTwoPeopleIsGrantedWhole(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, stage.Request("alice, bob", "ops", "duration: 1h"))
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
}

func TestARequestForSomebodyWhoMayNotHoldItIsRefusedWhole(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, stage.Request("alice, zoe", "ops", long))
	denied(s, "zoe may not ask for ops")
}

func TestARoleSpansTwoTargets(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, stage.Request("alice", "release", "duration: 1h"))
	s.Pass()
	s.Expect("bastion", "deploy,alice")
	s.Expect("wiki", "release,alice")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
	s.Expect("wiki")
}

func TestAccessFromBeforeIsLeftAlone(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Place("bastion", "ops,alice", "ops,olga")
	s.Grant("alice", asked, ask())
	s.Pass()
	s.Advance(time.Hour)
	s.Pass()
	s.Pass()
	s.Lists("bastion", "ops,alice", "ops,olga")
	if h := s.Holds("bastion"); len(h) != 0 {
		t.Errorf("the ledger holds %+v", h)
	}
}

func TestAWindowOfTheFutureOpensAndClosesToTheSecond(t *testing.T) {
	s := begin(t, stage.Options{})
	opens := stage.DefaultStart.Add(3 * time.Hour)
	s.Grant("alice", asked, ask("startsAt: "+opens.Format(time.RFC3339), "expiresAt: "+opens.Add(time.Hour).Format(time.RFC3339)))
	s.Pass()
	s.Granted(asked)
	s.Expect("bastion")
	s.Restart()
	for _, step := range []struct {
		at   time.Time
		rows []string
	}{
		{opens.Add(-time.Second), nil},
		{opens, []string{"ops,alice"}},
		{opens.Add(time.Hour - time.Second), []string{"ops,alice"}},
		{opens.Add(time.Hour), nil},
	} {
		s.Clock.Set(step.at)
		s.Pass()
		s.Expect("bastion", step.rows...)
	}
}

func TestTheSameOnAPostgreSQLLedger(t *testing.T) {
	server := pgtest.Start(t)
	s := begin(t, stage.Options{Ledger: server.CreateDatabase(t, "tenure"), Reverts: "{group: 5m, merge: auto}"})
	s.Push("mallory", stage.Change{Write: map[string]string{"requests/mallory.yaml": stage.Request("mallory", "ops", long)}})
	s.Grant("alice", asked, ask())
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Denied("requests/mallory.yaml", "pushed directly")
	s.Restart()
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
	s.Jobs("the merged revert pull request", inState(revert.StateMerged))
	s.Pass()
	if row, _ := s.Row(asked); row.Live || row.EndedAt.IsZero() {
		t.Errorf("the request has not ended: %+v", row)
	}
}

func TestAPathCanBeAskedForAgainOnceItsFileIsGone(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Pass()
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
	s.Push("alice", stage.Change{Remove: []string{asked}})
	s.Grant("alice", asked, ask())
	again := s.Now()
	s.Pass()
	s.Expect("bastion", "ops,alice")
	if got := s.Holds("bastion")[0].Until; !got.Equal(again.Add(time.Hour)) {
		t.Errorf("held until %s, want an hour after the second merge at %s", got, again)
	}
}

func TestAnApprovedRequestIsReplacedByAnotherFileInOneChange(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", "requests/first.yaml", ask())
	s.Pass()
	n := s.Propose("alice", stage.Change{Remove: []string{"requests/first.yaml"}, Write: file(ask(long))})
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	s.Granted(asked)
	s.Expect("bastion", "ops,alice")
}

func TestWhatWasRefusedForItsRenameIsGrantedAfterItsOwnDeletion(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: map[string]string{smuggled: ask(long)}})
	s.Push("bob", stage.Change{Remove: []string{smuggled}})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Granted(asked)
	s.Expect("bastion", "ops,alice")
}

// A rebase puts every commit of a pull request on the branch. What one of them
// shortens, and a later one lengthens, was never short on the branch.
func TestAnApprovedRebaseThatShortensOnTheWayExtends(t *testing.T) {
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("down=%t", down), func(t *testing.T) {
			s := begin(t, stage.Options{})
			s.Grant("alice", asked, ask("duration: 3h"))
			merged := s.Now()
			s.Pass()
			s.Advance(time.Hour)
			s.Pass()
			n := s.Propose("alice", stage.Change{Branch: "longer", Write: file(ask("duration: 30m"))})
			s.Push("alice", stage.Change{Branch: "longer", Write: file(ask("duration: 10m"))})
			s.Push("alice", stage.Change{Branch: "longer", Write: file(ask("duration: 5h"))})
			s.Approve(n, "carol")
			s.MergeBy(n, "erin", "rebase")
			if down {
				s.Hub.Fail(func(r *http.Request) *minihub.Failure {
					if strings.HasPrefix(r.URL.Path, "/api/") {
						return &minihub.Failure{Status: http.StatusServiceUnavailable}
					}
					return nil
				})
				if err := s.TryPass(); err != nil {
					t.Log(err) // which is what it should say
				}
				s.Expect("bastion", "ops,alice")
				s.Hub.Fail(nil)
				s.Restart()
				s.Advance(10 * time.Minute)
			}
			s.Pass()
			s.Granted(asked)
			s.Expect("bastion", "ops,alice")
			if got := s.Holds("bastion")[0].Until; !got.Equal(merged.Add(5 * time.Hour)) {
				t.Errorf("held until %s, want five hours after the first merge at %s", got, merged)
			}
			if got := s.Events("revoke.intended", "request.ended"); len(got) != 0 {
				t.Errorf("the step on the way took something away: %+v", got)
			}
			s.Clock.Set(merged.Add(5 * time.Hour))
			s.Pass()
			s.Expect("bastion")
		})
	}
}

func TestAShorteningThatStoodOnTheBranchEndsTheRequest(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask("duration: 3h"))
	s.Pass()
	s.Advance(time.Hour)
	s.Push("alice", stage.Change{Write: file(ask("duration: 30m"))})
	s.Grant("alice", asked, ask("duration: 5h")) // of another change, in the same look
	s.Pass()
	s.Expect("bastion")
	s.Pass()
	if row, _ := s.Row(asked); row.EndedAt.IsZero() {
		t.Error("the request is over and has not ended")
	}
}
