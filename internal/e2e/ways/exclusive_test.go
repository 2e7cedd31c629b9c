package ways_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

// opsRole is the role ops with further lines.
func opsRole(lines ...string) string {
	return stage.Files()["roles/ops.yaml"] + strings.Join(append(lines, ""), "\n")
}

// exclusiveOps lays an exclusive role ops over the access repository.
func exclusiveOps(keep ...string) map[string]string {
	return map[string]string{"roles/ops.yaml": opsRole("exclusive: true", "keep: ["+strings.Join(keep, ", ")+"]")}
}

// owned returns what belongs to Tenure alone on the bastion.
func owned(s *stage.Stage) []grants.Exclusive {
	s.T.Helper()
	out, err := s.Daemon.Ledger.Exclusive(context.Background(), "bastion")
	if err != nil {
		s.T.Fatal(err)
	}
	return out
}

// waiting returns the ids of the lists of strangers that wait, oldest first.
func waiting(s *stage.Stage) (ids []string) {
	s.T.Helper()
	for _, e := range s.Events(ledger.EventWithheld) {
		var d struct{ Cause, Confirm string }
		if json.Unmarshal(e.Data, &d) == nil && d.Cause == string(grants.CauseExclusive) && !slices.Contains(ids, d.Confirm) {
			ids = append(ids, d.Confirm)
		}
	}
	return ids
}

// sweep confirms the first list of strangers, as an operator who has looked at it.
func sweep(s *stage.Stage) {
	s.T.Helper()
	ids := waiting(s)
	if len(ids) != 1 {
		s.T.Fatalf("lists that wait: %q", ids)
	}
	if err := s.Daemon.Ledger.ConfirmStrangers(context.Background(), ids[0], "an operator"); err != nil {
		s.T.Fatal(err)
	}
	s.Pass()
}

// swept has the role ops exclusive but for dba, alice in it by a request, and the
// first list of strangers behind it.
func swept(t *testing.T) *stage.Stage {
	t.Helper()
	s := begin(t, stage.Options{Files: exclusiveOps("dba")})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Place("bastion", "ops,alice", "ops,dba", "ops,stranger")
	s.Advance(time.Minute)
	s.Pass()
	s.Lists("bastion", "ops,alice", "ops,dba", "ops,stranger")
	sweep(s)
	s.Lists("bastion", "ops,alice", "ops,dba")
	return s
}

// intrude places a stranger beside alice and dba.
func intrude(s *stage.Stage, rows ...string) {
	s.T.Helper()
	s.Place("bastion", append([]string{"ops,alice", "ops,dba", "ops,stranger"}, rows...)...)
	s.Pass()
}

func TestAnExclusiveRoleTakesAwayWhatNobodyAskedFor(t *testing.T) {
	s := swept(t)
	var kinds []string
	for _, e := range s.Events() {
		if e.Account == "stranger" {
			kinds = append(kinds, e.Kind)
		}
	}
	if want := []string{ledger.EventRevokeIntended, ledger.EventRevokeAccepted, ledger.EventRevoked}; !slices.Equal(kinds, want) {
		t.Errorf("the chain says of the stranger: %q", kinds)
	}
	s.Restart()
	intrude(s, "deploy,stranger")
	s.Lists("bastion", "deploy,stranger", "ops,alice", "ops,dba") // deploy belongs to nobody
	s.Advance(9 * time.Hour)
	s.Pass()
	s.Lists("bastion", "deploy,stranger", "ops,dba")
}

func TestARoleThatBecomesExclusiveWaitsForAWordWhoeverApprovedIt(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Place("bastion", "ops,stranger")
	n := s.Ask("alice", exclusiveOps())
	s.Approve(n, "erin")
	s.Merge(n)
	for range 3 {
		s.Pass()
		s.Advance(10 * time.Minute)
	}
	s.Lists("bastion", "ops,stranger")
	if ids, has := waiting(s), owned(s); len(has) != 1 || !slices.Equal(ids, []string{has[0].Commit}) {
		t.Fatalf("waits for %q, exclusive is %+v", ids, has)
	}
	// What a commit takes away is confirmed by another word.
	must(t, s.Daemon.Ledger.ConfirmRemovals(t.Context(), owned(s)[0].Commit, "erin"))
	s.Pass()
	s.Lists("bastion", "ops,stranger")
	sweep(s)
	s.Lists("bastion")
}

func TestOnlyATrustedRoleIsExclusive(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Place("bastion", "ops,stranger")
	s.Push("mallory", stage.Change{Write: exclusiveOps()})
	s.Pass()
	s.Advance(2 * time.Hour)
	s.Pass()
	if got := owned(s); len(got) != 0 || len(waiting(s)) != 0 {
		t.Fatalf("an unapproved role owns %+v", got)
	}
	s.Lists("bastion", "ops,stranger")
}

// Whatever stands on the branch can hold exclusivity up, and nobody needs an approval
// for it; when it is gone, all goes on as before.
func TestTheBranchHoldsExclusivityUp(t *testing.T) {
	for name, c := range map[string]stage.Change{
		"not exclusive any more":      {Write: map[string]string{"roles/ops.yaml": opsRole()}},
		"the account is to be kept":   {Write: exclusiveOps("dba", "stranger")},
		"the role is deleted":         {Remove: []string{"roles/ops.yaml"}},
		"another entitlement":         {Write: map[string]string{"roles/ops.yaml": stage.Role("ops", "{target: bastion, group: deploy}") + "exclusive: true\n"}},
		"the role's file is broken":   {Write: map[string]string{"roles/ops.yaml": "kind: [\n"}},
		"the role's file is changed":  {Write: map[string]string{"roles/ops.yaml": opsRole("exclusive: true", "keep: [dba]", "labels: {env: prod}")}},
		"the target does not have it": {Write: map[string]string{"targets/bastion.yaml": strings.Replace(stage.Files()["targets/bastion.yaml"], "name: bastion", "name: other", 1)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := swept(t)
			s.Push("frank", c)
			s.Pass()
			intrude(s)
			if !slices.Contains(s.Rows("bastion"), "ops,stranger") {
				t.Fatalf("the bastion lists %q", s.Rows("bastion"))
			}
			s.Restart()
			s.Advance(10 * time.Minute)
			s.Pass()
			if !slices.Contains(s.Rows("bastion"), "ops,stranger") {
				t.Fatalf("after a restart the bastion lists %q", s.Rows("bastion"))
			}
			back := exclusiveOps("dba")
			back["targets/bastion.yaml"] = stage.Files()["targets/bastion.yaml"]
			s.Push("frank", stage.Change{Write: back})
			s.Advance(10 * time.Minute)
			s.Pass()
			if rows := s.Rows("bastion"); slices.Contains(rows, "ops,stranger") || !slices.Contains(rows, "ops,dba") {
				t.Fatalf("the bastion lists %q", rows)
			}
		})
	}
}

func TestNobodyIsAStrangerWhileAProofIsAwaited(t *testing.T) {
	s := swept(t)
	n := s.Ask("bob", map[string]string{second: stage.Request("bob", "ops", long)})
	s.Approve(n, "carol")
	s.Merge(n)
	s.Hub.Fail(func(r *http.Request) *minihub.Failure {
		if strings.HasSuffix(r.URL.Path, "/reviews") {
			return minihub.RateLimited(s.Now().Add(time.Hour))
		}
		return nil
	})
	_ = s.TryPass() // the forge does not say who approved
	s.Place("bastion", "ops,alice", "ops,bob", "ops,dba")
	_ = s.TryPass()
	s.Lists("bastion", "ops,alice", "ops,bob", "ops,dba")
	if has := owned(s); !strings.Contains(has[0].Waits, second) {
		t.Fatalf("exclusive is %+v", has)
	}
	s.Hub.Fail(nil)
	s.Advance(2 * time.Hour)
	s.Pass()
	s.Lists("bastion", "ops,alice", "ops,bob", "ops,dba")
	s.Granted(second)
	s.Advance(9 * time.Hour)
	s.Pass()
	s.Lists("bastion", "ops,dba") // bob was let in by hand, and asked for eight hours
}

func TestStrangersAreLeftAloneWhileTheBranchIsNotKnown(t *testing.T) {
	t.Run("it cannot be read", func(t *testing.T) {
		s := swept(t)
		s.HubDown()
		_ = s.TryPass()
		s.Place("bastion", "ops,alice", "ops,dba", "ops,stranger")
		s.Advance(10 * time.Minute)
		_ = s.TryPass()
		s.Lists("bastion", "ops,alice", "ops,dba", "ops,stranger")
		s.Advance(8 * time.Hour)
		_ = s.TryPass()
		s.Lists("bastion", "ops,dba", "ops,stranger") // an end waits for nothing
		s.HubUp()
		s.Pass()
		s.Pass()
		s.Lists("bastion", "ops,dba")
	})
	t.Run("it was rewritten", func(t *testing.T) {
		s := swept(t)
		s.Push("mallory", stage.Change{Branch: "side", From: "main", Write: map[string]string{"README.md": "x"}})
		s.Move("mallory", "main", s.From)
		s.Pass()
		intrude(s)
		s.Lists("bastion", "ops,alice", "ops,dba", "ops,stranger")
		s.Advance(9 * time.Hour)
		s.Pass()
		s.Lists("bastion", "ops,dba", "ops,stranger")
	})
	t.Run("its newest commit leaves no person", func(t *testing.T) {
		s := swept(t)
		var people []string
		for path := range stage.Files() {
			if strings.HasPrefix(path, "people/") {
				people = append(people, path)
			}
		}
		s.Push("mallory", stage.Change{Remove: people})
		s.Pass()
		intrude(s)
		s.Lists("bastion", "ops,alice", "ops,dba", "ops,stranger")
	})
	t.Run("the target is paused", func(t *testing.T) {
		s := swept(t)
		must(t, s.Daemon.Ledger.Pause(t.Context(), "bastion", "an operator"))
		intrude(s)
		s.Lists("bastion", "ops,alice", "ops,dba", "ops,stranger")
	})
}

func TestManyStrangersAtOnceWaitForAWord(t *testing.T) {
	s := begin(t, stage.Options{Files: exclusiveOps(), Guard: "{maxRemovals: 2, maxRemovalRatio: 1}"})
	s.Place("bastion", "ops,a")
	s.Pass()
	sweep(s)
	s.Lists("bastion")
	s.Place("bastion", "ops,a", "ops,b", "ops,c")
	s.Pass()
	s.Lists("bastion", "ops,a", "ops,b", "ops,c")
	ids := waiting(s)
	if len(ids) != 2 {
		t.Fatalf("waits for %q", ids)
	}
	must(t, s.Daemon.Ledger.ConfirmStrangers(t.Context(), ids[1], "an operator"))
	s.Pass()
	s.Lists("bastion")
}

func TestAStrangersSessionsOnADatabaseEndWithTheAccess(t *testing.T) {
	server := pgtest.Start(t)
	server.Exec(t, "", "CREATE ROLE orders_rw", "CREATE ROLE alice LOGIN", "CREATE ROLE dba LOGIN", "CREATE ROLE stranger LOGIN",
		"GRANT orders_rw TO dba", "GRANT orders_rw TO stranger")
	s := begin(t, stage.Options{Postgres: server.DSN("postgres"), Files: map[string]string{
		"targets/orders-db.yaml": "apiVersion: tenure.dev/v1\nkind: Target\nname: orders-db\nconnector: postgres\ndescription: Orders\nallow: [{role: orders_rw}]\n",
		"roles/orders.yaml":      stage.Role("orders", "{target: orders-db, role: orders_rw}") + "exclusive: true\nkeep: [dba]\n",
	}})
	s.Grant("alice", asked, stage.Request("alice", "orders", long))
	s.Pass()
	admin, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	must(t, err)
	defer admin.Close(context.Background())
	members := func() (list string) {
		t.Helper()
		must(t, admin.QueryRow(t.Context(), `SELECT string_agg(m.rolname, ' ' ORDER BY m.rolname) FROM pg_auth_members am
			JOIN pg_roles m ON m.oid = am.member JOIN pg_roles r ON r.oid = am.roleid WHERE r.rolname = 'orders_rw'`).Scan(&list))
		return list
	}
	if got := members(); got != "alice dba stranger" {
		t.Fatalf("members before: %s", got)
	}
	live, err := pgx.Connect(t.Context(), server.DSNAs("stranger", "", "postgres"))
	must(t, err)
	defer live.Close(context.Background())
	_, err = live.Exec(t.Context(), "SET ROLE orders_rw")
	must(t, err)
	sweep(s)
	if got := members(); got != "alice dba" {
		t.Errorf("members after: %s", got)
	}
	if err := live.Ping(t.Context()); err == nil {
		t.Error("the stranger's session lives on with what it had")
	}
}

func TestTwoRolesForTheSameAreExclusiveIfOneIs(t *testing.T) {
	files := exclusiveOps("dba")
	files["roles/helper.yaml"] = stage.Role("helper", "{target: bastion, group: ops}")
	s := begin(t, stage.Options{Files: files})
	s.Grant("alice", asked, stage.Request("alice", "helper", long))
	s.Pass()
	s.Place("bastion", "ops,alice", "ops,dba", "ops,stranger")
	s.Pass()
	sweep(s)
	s.Lists("bastion", "ops,alice", "ops,dba")
}

// Who is there by hand and asks is no stranger; when the request is over nothing
// speaks for them any more.
func TestWhoAsksIsNoStranger(t *testing.T) {
	s := begin(t, stage.Options{Files: exclusiveOps()})
	s.Place("bastion", "ops,alice", "ops,stranger")
	s.Grant("alice", asked, ask())
	s.Pass()
	sweep(s)
	s.Lists("bastion", "ops,alice")
	if h := s.Holds("bastion"); len(h) != 1 || !h[0].PreExisting {
		t.Fatalf("holds %+v", h)
	}
	s.Advance(time.Hour)
	s.Pass()
	s.Lists("bastion")
	if row, _ := s.Row(asked); row.EndedAt.IsZero() {
		t.Error("the request has not ended")
	}
}
