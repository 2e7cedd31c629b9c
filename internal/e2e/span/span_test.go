//go:build linux

package span_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/connectors/kubernetes/kubetest"
	"github.com/tenure-dev/tenure/connectors/ssh/sshtest"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

const (
	// window is how long access is asked for: long enough that a busy machine grants
	// everything, and takes a server away, before it closes.
	window   = 15 * time.Second
	patience = 2 * time.Minute
)

// world is a database, a cluster and two hosts of one target, each a real server.
type world struct {
	db      *pgtest.Server
	cluster *kubetest.Server
	hosts   []*sshtest.Host
}

// system is one server of a world, asked by its own means.
type system struct {
	name      string
	target    string
	has       func(t testing.TB, person string) bool
	kill      func(t testing.TB)
	bringBack func(t testing.TB)
}

func newWorld(t *testing.T) *world {
	w := &world{cluster: kubetest.Shop(t), db: pgtest.Start(t), hosts: sshtest.StartAll(t, "web-1", "web-2")}
	w.db.Exec(t, "", "CREATE ROLE tenure LOGIN CREATEROLE", "GRANT pg_signal_backend TO tenure", "CREATE ROLE orders_rw",
		`DO $$ BEGIN IF current_setting('server_version_num')::int >= 160000 THEN
			EXECUTE 'GRANT orders_rw TO tenure WITH ADMIN OPTION, INHERIT FALSE, SET FALSE'; END IF; END $$`)
	for _, h := range w.hosts {
		h.AddGroup(t, "docker")
		h.Allow(t, "group docker")
	}
	return w
}

// person makes an account of this name everywhere where accounts are made.
func (w *world) person(t *testing.T, name string) {
	w.db.Exec(t, "", "CREATE ROLE "+name+" LOGIN")
	for _, h := range w.hosts {
		h.AddUser(t, name)
	}
}

func (w *world) systems() []system {
	out := []system{
		{"the database", "orders-db", w.inDatabase, func(testing.TB) { w.db.Kill() }, w.db.Restart},
		{"the cluster", "shop-cluster", func(t testing.TB, person string) bool {
			return w.cluster.May(t, person, "get", "pods", "shop", "")
		}, w.cluster.Kill, w.cluster.Restart},
	}
	for _, h := range w.hosts {
		out = append(out, system{h.Name, "web", func(t testing.TB, person string) bool {
			return slices.Contains(strings.Fields(h.Run(t, "id -nG "+person)), "docker")
		}, func(testing.TB) { h.Kill() }, h.Restart})
	}
	return out
}

func (w *world) inDatabase(t testing.TB, person string) (has bool) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), w.db.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.QueryRow(t.Context(), "SELECT pg_has_role($1, 'orders_rw', 'MEMBER')", person).Scan(&has); err != nil {
		t.Fatal(err)
	}
	return has
}

// stage sets up a reconciler with the three targets and a role that spans them.
func (w *world) stage(t *testing.T) *stage.Stage {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	target := func(name, connector, entitlement string) string {
		return fmt.Sprintf("apiVersion: tenure.dev/v1\nkind: Target\nname: %[1]s\nconnector: %[2]s\ndescription: The target %[1]s\nallow: [%[3]s]\n", name, connector, entitlement)
	}
	const db, cluster = "{role: orders_rw}", "{namespace: shop, role: deployer}"
	const one, two = "{host: web-1, group: docker}", "{host: web-2, group: docker}"
	spans := func(target, entitlement string) string {
		return "{target: " + target + ", " + strings.TrimPrefix(entitlement, "{")
	}
	return stage.New(t, stage.Options{
		RealClock: true,
		Postgres:  w.db.DSNAs("tenure", "", ""),
		// An act that failed counts as under way until this and five seconds are over.
		Config: "timeouts: {act: 10s, observe: 10s}",
		Targets: fmt.Sprintf(`
  shop-cluster: {connector: kubernetes, server: %q, caFile: %q, tokenFile: %q}
  web: {connector: ssh, hosts: {web-1: %q, web-2: %q}, keyFile: %q, hostKeys: {web-1: %q, web-2: %q}, groups: [docker]}
`, w.cluster.URL, write("ca", w.cluster.CA), write("token", kubetest.Token("tenure")),
			w.hosts[0].Address, w.hosts[1].Address, write("key", w.hosts[0].Key), w.hosts[0].HostKey, w.hosts[1].HostKey),
		Files: map[string]string{
			"targets/orders-db.yaml":    target("orders-db", "postgres", db),
			"targets/shop-cluster.yaml": target("shop-cluster", "kubernetes", cluster),
			"targets/web.yaml":          target("web", "ssh", one+", "+two),
			"roles/operator.yaml":       stage.Role("operator", spans("orders-db", db), spans("shop-cluster", cluster), spans("web", one), spans("web", two)),
		},
	})
}

// wait polls a system until it gives the wanted answer, and returns when it did.
func wait(t testing.TB, y system, person string, want bool) time.Time {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if y.has(t, person) == want {
			return time.Now()
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: access of %s is not %t after %s", y.name, person, want, patience)
		}
	}
}

// One role spans a database, a cluster and two hosts of one target. Its parts come
// together and end together; whichever system is down at the end, the others lose it on
// time, the second host of that target too, and that one as soon as it is back.
func TestARoleOverSeveralSystemsEndsOnTimeWhicheverIsDown(t *testing.T) {
	w := newWorld(t)
	for i, person := range []string{"alice", "bob", "frank", "mallory"} {
		down := -1 // none
		name := "all are up"
		if i > 0 {
			down = i - 1
			name = w.systems()[down].name + " is down"
		}
		t.Run(name, func(t *testing.T) { w.play(t, person, down) })
	}
}

func (w *world) play(t *testing.T, person string, down int) {
	systems, targets := w.systems(), []string{"orders-db", "shop-cluster", "web"}
	w.person(t, person)
	s := w.stage(t)
	s.Run()
	for _, y := range systems {
		if y.has(t, person) {
			t.Fatalf("%s: %s has access before anybody asked", y.name, person)
		}
	}
	s.Grant(person, "requests/"+person+".yaml", stage.Request(person, "operator", "duration: "+window.String()))
	for _, y := range systems {
		wait(t, y, person, true)
	}
	var until time.Time
	s.Eventually("a hold on each system", func() bool {
		held := 0
		for _, target := range targets {
			for _, h := range s.Holds(target) {
				if h.State == grants.StateHeld {
					held, until = held+1, h.Until
				}
			}
		}
		return held == len(systems)
	})
	if down >= 0 {
		systems[down].kill(t)
	}
	if !time.Now().Before(until) {
		t.Fatal("the machine is too busy: the window closed before the system was down")
	}
	for i, y := range systems {
		if i == down {
			continue
		}
		lag := wait(t, y, person, false).Sub(until)
		t.Logf("%s: gone %s after the end", y.name, lag.Round(time.Millisecond))
		if lag < 0 {
			t.Errorf("%s: access ended %s before the end of its window", y.name, -lag)
		}
	}
	if down >= 0 {
		w.late(t, s, systems[down], person, until)
	}
	s.Eventually("the request has ended", func() bool {
		for _, e := range s.Events(ledger.EventEnded) {
			if strings.HasPrefix(e.Request, "requests/"+person+".yaml") {
				return true
			}
		}
		return false
	})
	for _, target := range targets {
		if holds := s.Holds(target); len(holds) > 0 {
			t.Errorf("%s: still held: %v", target, holds)
		}
	}
	s.Halt()
}

// late demands that what a system that is down could not lose is overdue and known as
// such, that the request has not ended, and that it ends when the system is back.
func (w *world) late(t *testing.T, s *stage.Stage, y system, person string, until time.Time) {
	t.Helper()
	s.Eventually("a failed revoke on "+y.name+", and nothing else that is held there", func() bool {
		holds := s.Holds(y.target)
		return len(holds) == 1 && holds[0].Failures > 0 && holds[0].LastError != ""
	})
	if holds := s.Holds(y.target); !holds[0].Overdue(time.Now()) {
		t.Errorf("%s: not overdue: %+v", y.name, holds[0])
	}
	if ended := s.Events(ledger.EventEnded); len(ended) > 0 {
		t.Errorf("a request has ended while somebody still has access: %v", ended)
	}
	back := time.Now()
	y.bringBack(t)
	gone := wait(t, y, person, false)
	t.Logf("%s: gone %s after it was asked to come back, %s after the end", y.name, gone.Sub(back).Round(time.Millisecond), gone.Sub(until).Round(time.Millisecond))
}
