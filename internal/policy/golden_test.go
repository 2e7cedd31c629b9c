package policy

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

var update = flag.Bool("update", false, "write the golden files")

// The checks are what `explain` prints; every word is read by somebody who wants
// to know what is missing.
func TestGoldenChecks(t *testing.T) {
	cases := map[string]func() []grants.Check{
		"granted": func() []grants.Check {
			j := good()
			guard(&j, "role.labels.env == 'prod'", "request.ticket != ''")
			j.Trusted.Roles["writer"].Require.Ticket = "^INC-[0-9]+$"
			return Judge(j).Checks
		},
		"missing": func() []grants.Check {
			j := good()
			j.Request = ask("alice", "writer", "deployer")
			j.Request.Subjects = []string{"alice", "erin"}
			j.Request.Duration = 6 * time.Hour
			j.Trusted.Roles["writer"].Approvals = append(j.Trusted.Roles["writer"].Approvals,
				schema.Approval{From: []string{"security", schema.SubjectManager}, Count: 2, When: "request.duration > duration('4h')"})
			guard(&j, "role.labels.env == 'prod'", "request.ticket.startsWith('CHG-')")
			j.Evidence.HeadPushes = []forge.Push{
				{Actor: aliceID, At: clock("08:30"), Ref: "access", After: "1111", Kind: forge.PushCreate},
				push(carolID, "09:30", testHead),
			}
			dismissed := approval(3, daveID, "10:10")
			dismissed.State = forge.ReviewDismissed
			changes := approval(4, user("frank", 9), "10:20")
			changes.State = forge.ReviewChangesRequested
			late := approval(6, erinID, "11:30")
			j.Evidence.Reviews = []forge.Review{approval(1, bobID, "09:10"), approval(2, carolID, "10:00"), dismissed, changes,
				approval(5, user("stranger", 77), "10:30"), late}
			return Judge(j).Checks
		},
		"direct-push": func() []grants.Check {
			j := good()
			j.Evidence.Pull = nil
			j.Evidence.Problem = "commit cccccccccccc was pushed to main directly: no pull request brought it"
			return Judge(j).Checks
		},
		"laundered": func() []grants.Check {
			j := good()
			j.Laundered = true
			return Judge(j).Checks
		},
		"unproven-edit": func() []grants.Check {
			l := newLife()
			l.version(hours(4), clock("11:00"), true)
			edit := ask("alice", "writer", "deployer")
			l.version(edit, clock("12:00"), false)
			l.in.Tree.Roles["writer"].MaxDuration = 2 * time.Hour
			return l.decide().Checks
		},
		"in-force-narrowed": func() []grants.Check {
			l := newLife()
			l.version(hours(4), clock("11:00"), true)
			l.in.Tree.People["alice"].Accounts = map[string]string{"orders-db": "alice2"}
			return l.decide().Checks
		},
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			got := lines(make())
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
