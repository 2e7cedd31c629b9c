package ways_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/revert"
)

// standingOps lets the role ops be held without an end, for 60 days at a time.
func standingOps() map[string]string {
	return map[string]string{"roles/ops.yaml": opsRole("standing: true", "maxReview: 60d")}
}

// holding has alice in ops until a day, without an end of its own.
func holding(t *testing.T, day string) *stage.Stage {
	t.Helper()
	s := begin(t, stage.Options{Files: standingOps(), Reverts: "{group: 5m, merge: auto}"})
	s.Grant("alice", asked, ask("reviewBy: "+day))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	return s
}

func at(day string) time.Time {
	t, _ := time.Parse(time.DateOnly, day)
	return t
}

// tender is what looks after the reconciler's own pull requests, as it is assembled
// for production.
func tender(s *stage.Stage) *revert.Tender {
	s.T.Helper()
	cfg, err := config.Load(s.ConfigFile(), os.LookupEnv)
	if err != nil {
		s.T.Fatal(err)
	}
	client, err := daemon.OpenForge(cfg, s.Now)
	if err != nil {
		s.T.Fatal(err)
	}
	return &revert.Tender{
		Ledger: s.Daemon.Ledger, Forge: client, Branch: cfg.Repository.Branch, Merge: cfg.Reverts.Merge == config.MergeAuto,
		ReviewAhead: cfg.Reverts.ReviewAhead, Now: s.Now, Log: slog.New(slog.DiscardHandler),
	}
}

// recertify looks at all standing access twice, as the schedule does, and tends the
// other pull requests in between; none of it changes what is there.
func recertify(s *stage.Stage) {
	s.T.Helper()
	t := tender(s)
	for _, f := range []func(context.Context) error{t.Recertify, t.Tend, t.Recertify} {
		if err := f(context.Background()); err != nil {
			s.T.Fatal(err)
		}
	}
}

// asks returns the text of a pull request.
func asks(s *stage.Stage, n int) string {
	s.T.Helper()
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/api/v3/repos/%s/pulls/%d", s.URL, stage.Repo, n), nil)
	if err != nil {
		s.T.Fatal(err)
	}
	bot, _ := s.Hub.User(stage.Bot)
	req.Header.Set("Authorization", "Bearer "+bot.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.T.Fatal(err)
	}
	defer res.Body.Close()
	var p struct{ Body string }
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
		s.T.Fatal(err)
	}
	return p.Body
}

// said returns what was said on a pull request.
func said(s *stage.Stage, n int) string {
	s.T.Helper()
	var out []string
	list, err := s.Hub.Comments(stage.Repo, n)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, c := range list {
		out = append(out, c.Body)
	}
	return strings.Join(out, "\n")
}

// reviewOf has the review of alice's access open, thirteen days before its end.
func reviewOf(t *testing.T) (*stage.Stage, minihub.Pull) {
	t.Helper()
	s := holding(t, "2026-05-01")
	s.Clock.Set(at("2026-04-18"))
	s.Pass()
	recertify(s)
	own := bots(s)
	if len(own) != 1 || own[0].State != "open" {
		t.Fatalf("the bot's pull requests: %+v", own)
	}
	return s, own[0]
}

func TestStandingAccessEndsWhenItIsNotRenewed(t *testing.T) {
	s := holding(t, "2026-05-01")
	s.Clock.Set(at("2026-05-01").Add(-time.Second))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Clock.Set(at("2026-05-01"))
	s.Pass()
	s.Expect("bastion")
}

func TestARenewalGoesOnWithoutAGap(t *testing.T) {
	s := holding(t, "2026-05-01")
	s.Clock.Set(at("2026-04-20"))
	s.Grant("alice", asked, ask("reviewBy: 2026-06-15"))
	s.Pass()
	for _, day := range []string{"2026-05-01", "2026-06-14"} {
		s.Clock.Set(at(day))
		s.Pass()
		s.Expect("bastion", "ops,alice")
	}
	if got := s.Events(ledger.EventRevokeIntended); len(got) != 0 {
		t.Fatalf("revoked in between: %+v", got)
	}
	s.Clock.Set(at("2026-06-15"))
	s.Pass()
	s.Expect("bastion")
}

func TestARenewalFurtherAheadThanTheRoleAllowsChangesNothing(t *testing.T) {
	s := holding(t, "2026-05-01")
	s.Clock.Set(at("2026-04-20"))
	s.Grant("alice", asked, ask("reviewBy: 2026-06-21"))
	s.Pass()
	s.Says(asked, "60d")
	s.Clock.Set(at("2026-05-01"))
	s.Pass()
	s.Expect("bastion")
}

func TestAServiceAccountHoldsStandingAccess(t *testing.T) {
	files := standingOps()
	files["people/exporter.yaml"] = "apiVersion: tenure.dev/v1\nkind: Person\nname: exporter\ntype: service\nowner: leads\n"
	files["groups/engineering.yaml"] = stage.Group("engineering", "alice", "bob", "exporter")
	s := begin(t, stage.Options{Files: files})
	s.Grant("alice", asked, stage.Request("exporter", "ops", "reviewBy: 2026-05-01"))
	s.Pass()
	s.Expect("bastion", "ops,exporter")
	s.Clock.Set(at("2026-05-01"))
	s.Pass()
	s.Expect("bastion")
}

func TestAPullRequestAsksBeforeStandingAccessEnds(t *testing.T) {
	s := holding(t, "2026-05-01")
	granted := s.Events(ledger.EventGranted)[0].At
	s.Clock.Set(at("2026-04-17").Add(-time.Second))
	s.Pass()
	recertify(s)
	if own := bots(s); len(own) != 0 {
		t.Fatalf("asked too early: %+v", own)
	}
	s.Clock.Set(at("2026-04-17"))
	s.Pass()
	recertify(s)
	s.Advance(24 * time.Hour)
	recertify(s)
	own := bots(s)
	if len(own) != 1 || own[0].State != "open" {
		t.Fatalf("the bot's pull requests: %+v", own)
	}
	for _, want := range []string{
		"`requests/alice.yaml`", "`alice`", "`group=ops on bastion`", "`2026-05-01 00:00:00 UTC`", "`carol`",
		"`" + granted.UTC().Format("2006-01-02 15:04:05 UTC") + "`",
		"-reviewBy: 2026-05-01\n+reviewBy: 2026-06-15\n", "reconciler extend requests/alice.yaml --review-by 2026-06-15",
		"Something has to be repaired",
	} {
		if text := asks(s, own[0].Number); !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if row := s.Reverts(); len(row) != 1 || !strings.HasPrefix(row[0].Key, "review-") || row[0].State != revert.StateOpen {
		t.Errorf("the ledger says %+v", row)
	}
	s.Expect("bastion", "ops,alice") // asking takes nothing away
	// What it proposes is what the role allows.
	s.Grant("alice", asked, ask("reviewBy: 2026-06-15"))
	s.Pass()
	s.Clock.Set(at("2026-05-02"))
	s.Pass()
	s.Expect("bastion", "ops,alice")
}

func TestAReviewIsOverWhenTheAccessIsRenewed(t *testing.T) {
	s, p := reviewOf(t)
	s.Grant("alice", asked, ask("reviewBy: 2026-06-10"))
	s.Pass()
	recertify(s)
	if got, _ := s.Hub.Pull(stage.Repo, p.Number); got.State != "closed" || got.Merged {
		t.Fatalf("%+v", got)
	}
	if text := said(s, p.Number); !strings.Contains(text, "renewed") || !strings.Contains(text, "2026-06-10") {
		t.Errorf("it was closed with %q", text)
	}
	s.Expect("bastion", "ops,alice")
	s.Clock.Set(at("2026-05-28"))
	s.Pass()
	recertify(s)
	if own := bots(s); len(own) != 2 || own[0].State != "open" {
		t.Errorf("nobody asks before the next end: %+v", own)
	}
}

func TestMergingAReviewEndsTheAccessAtOnce(t *testing.T) {
	s, p := reviewOf(t)
	s.Merge(p.Number)
	s.Pass()
	s.Expect("bastion")
	recertify(s)
	if rows := s.Reverts(); rows[0].State != revert.StateMerged {
		t.Errorf("the ledger says %+v", rows)
	}
}

func TestAReviewThatAPersonClosedIsNotOpenedAgain(t *testing.T) {
	s, p := reviewOf(t)
	must(t, s.Hub.ClosePull(stage.Repo, p.Number, stage.Login("carol")))
	for range 3 {
		s.Advance(24 * time.Hour)
		s.Pass()
		recertify(s)
	}
	s.Restart()
	recertify(s)
	if own := bots(s); len(own) != 1 || own[0].State != "closed" {
		t.Fatalf("the bot's pull requests: %+v", own)
	}
	s.Clock.Set(at("2026-05-01"))
	s.Pass()
	s.Expect("bastion") // closing it renews nothing
}

func TestAReviewIsOverWhenTheAccessIs(t *testing.T) {
	for name, f := range map[string]struct {
		do   func(*stage.Stage)
		says string
	}{
		"it ends": {func(s *stage.Stage) { s.Clock.Set(at("2026-05-01")) }, "ended"},
		"the file is gone": {func(s *stage.Stage) {
			s.Push("bob", stage.Change{Remove: []string{asked}})
		}, "gone"},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := reviewOf(t)
			f.do(s)
			s.Pass()
			s.Expect("bastion")
			recertify(s)
			if got, _ := s.Hub.Pull(stage.Repo, p.Number); got.State != "closed" || got.Merged || !strings.Contains(said(s, p.Number), f.says) {
				t.Fatalf("%+v, closed with %q", got, said(s, p.Number))
			}
		})
	}
}

func TestAReviewLeavesWhatIsNoStandingAccess(t *testing.T) {
	s := begin(t, stage.Options{Files: standingOps()})
	s.Grant("alice", asked, ask("expiresAt: 2026-03-02T16:00:00Z"))
	n := s.Ask("bob", map[string]string{second: stage.Request("bob", "ops", "reviewBy: 2026-03-10")})
	s.Merge(n) // nobody approved it
	s.Pass()
	recertify(s)
	if own := bots(s); len(own) != 0 {
		t.Errorf("the bot's pull requests: %+v", own)
	}
}

func TestAReviewThatSomebodyPushedToIsLeftToPeople(t *testing.T) {
	s, p := reviewOf(t)
	s.Push("mallory", stage.Change{Branch: p.Head, Write: map[string]string{"requests/mallory.yaml": stage.Request("mallory", "ops", long)}})
	recertify(s)
	s.Advance(24 * time.Hour)
	recertify(s)
	if got, _ := s.Hub.Pull(stage.Repo, p.Number); got.State != "open" || got.Merged {
		t.Fatalf("%+v", got)
	}
	s.Approve(p.Number, "carol")
	s.Merge(p.Number)
	s.Pass()
	s.Denied("requests/mallory.yaml", "a bot can remove access, never grant it")
	if rows := s.Rows("bastion"); slices.Contains(rows, "ops,mallory") {
		t.Errorf("the bastion lists %q", rows)
	}
}
