package e2e_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/minihub"
)

// TestFromEmergencyToMembership measures break-glass: from the moment that a pull
// request is opened to the membership in a real database. One stage is told by a
// webhook and polls so rarely that nothing else can have told it; the other polls.
func TestFromEmergencyToMembership(t *testing.T) {
	for name, o := range map[string]stage.Options{
		"webhook (poll 10m)": {Webhook: true, Poll: "10m"},
		"poll 1s":            {},
	} {
		t.Run(name, func(t *testing.T) {
			people := []string{"alice", "bob", "dave", "frank", "mallory"}
			s, server := ordersStage(t, people, o)
			admin := pgConnect(t, server.DSN(""))
			pgUntil(t, "the first look at the branch", func() (bool, error) { return s.Daemon.Status() != nil, nil })
			var lags []time.Duration
			for i, p := range people {
				branch := s.Branch(p)
				s.Push(p, stage.Change{Branch: branch, Write: map[string]string{
					"requests/" + p + ".yaml": stage.Request(p, "orders", "duration: 1h", "emergency: true"),
				}})
				// Spread over the second, so that a poll is met at every phase.
				s.Second()
				<-time.After(time.Duration(i) * time.Second / time.Duration(len(people)))
				begun := time.Now()
				if _, err := s.Hub.OpenPull(stage.Repo, stage.Login(p), minihub.PullRequest{Title: "Urgent", Head: branch}); err != nil {
					t.Fatal(err)
				}
				lags = append(lags, waitRole(t, admin, p, true).Sub(begun))
			}
			slices.Sort(lags)
			t.Logf("emergency to membership, %s: %s", name, lagLine(lags))
			if worst := lags[len(lags)-1]; worst > pgPatience {
				t.Fatalf("it took %s", worst)
			}
		})
	}
}
