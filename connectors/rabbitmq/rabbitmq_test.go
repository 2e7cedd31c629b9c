//go:build unix

package rabbitmq

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

// TestRabbitMQ runs all that needs a broker on one of them.
func TestRabbitMQ(t *testing.T) {
	b := start(t)
	for _, of := range []struct {
		name string
		run  func(*testing.T, *broker)
	}{
		{"what is granted works and nothing else", grantedWorks},
		{"another hand's expression stays as it was", foreignExpression},
		{"a permission that was there before stays, even an empty one", emptyRow},
		{"an expression that refers to itself is not put beside others", selfReference},
		{"a tag keeps the password and the other tags", tagKeepsPassword},
		{"an account removed in between does not come back", removedBetween},
		{"what another hand overwrites at once is repaired", overwritten},
		{"a consumer is ended, and other virtual hosts stay", consumerEnds},
		{"connections stay where another right to the same remains", otherRight},
		{"a revoke survives a crash of the broker", crashKeeps},
		{"a name that the broker cannot be asked for keeps nobody back", longName},
		{"ceilings", ceilings},
		{"the reconciler's own account is left alone", ownAccount},
		{"what is missing is named", missingNamed},
		{"a virtual host that does not exist is named", missingVHost},
		{"conformance", conforms},
	} {
		t.Run(of.name, func(t *testing.T) { of.run(t, b) })
	}
}

func conforms(t *testing.T, b *broker) {
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "mq",
		Open:     func(t testing.TB) connectors.Connector { return b.open(t, nil) },
		Accounts: people,
		Specs: []connectors.Spec{
			spec("shop", "read", "resource", "orders"), spec("shop", "read", "prefix", "billing."), spec("shop", "write", "resource", "amq.default"),
			spec("back/office", "configure", "resource", "a|b(c)"), tag("monitoring"),
		},
		Absent: spec("absent", "read", "resource", "orders"),
		BadSpecs: []connectors.Spec{
			{"vhost": "shop"}, {"vhost": "shop", "permission": "read"}, spec("shop", "admin", "resource", "x"), spec("shop", "READ", "resource", "x"), spec("", "read", "resource", "x"),
			spec("..", "read", "resource", "x"), spec("shop", "read", "resource", ""), spec("shop", "read", "prefix", ""), {"vhost": "shop", "permission": "read", "resource": "a", "prefix": "b"},
			{"vhost": "shop", "permission": "read", "everything": false}, {"vhost": "shop", "permission": "read", "everything": "yes"}, tag(""), tag("a,b"), tag("a b"), {"tag": 7},
			{"tag": "monitoring", "vhost": "shop"}, {"permission": "read", "resource": "x"},
		},
		UnknownAccount: "mallory",
		ForeignGrant: func(t testing.TB, g grants.Grant) {
			b.set(t, "shop", g.Account, "", "", "^orders$")
		},
		ForeignRevoke: func(t testing.TB, g grants.Grant) { b.clear(t, "shop", g.Account) },
		Named:         func(name string) connectors.Spec { return spec("shop", "read", "resource", name) },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			return kind != conformance.AccountName || name != ".." &&
				b.try(t.Context(), "PUT", path("users", name), map[string]string{"password": "x", "tags": ""}, nil) == nil
		},
		Patience: 10 * time.Minute, // four starts of a broker in one case, on a busy machine
		Kill:     func(testing.TB) { b.Kill() },
		Restart:  func(t testing.TB) { b.Restart(t) },
		Session: func(t testing.TB, g grants.Grant) func() bool {
			admin := b.admin(t, "shop")
			ch := channel(t, admin)
			_, err := ch.QueueDeclare("orders", true, false, false, false, nil)
			ok(t, err)
			ok(t, admin.Close())
			c := b.dial(t, g.Account, "pw-"+g.Account, "shop")
			reading := channel(t, c)
			return func() bool {
				_, _, err := reading.Get("orders", true)
				return err == nil
			}
		},
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return b.open(t, connectors.Settings{"user": "weak", "password": "pw-weak"}), []string{"missing right: the tag administrator of weak"}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseNativeExpiry: "neither permissions nor tags have an end in RabbitMQ",
		},
	})
}

func tag(name string) connectors.Spec { return connectors.Spec{"tag": name} }

// admin connects as the broker's first administrator.
func (b *broker) admin(t testing.TB, vhost string) *amqp.Connection {
	t.Helper()
	b.set(t, vhost, "guest", ".*", ".*", ".*")
	return b.dial(t, "guest", "guest", vhost)
}

func grantedWorks(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	admin := channel(t, b.admin(t, "shop"))
	for _, q := range []string{"orders", "orders.eu", "ordersXeu", "billing"} {
		_, err := admin.QueueDeclare(q, true, false, false, false, nil)
		ok(t, err)
	}
	read, prefix := gr("alice", spec("shop", "read", "resource", "orders")), gr("alice", spec("shop", "read", "prefix", "orders."))
	write, configure := gr("alice", spec("shop", "write", "resource", "amq.default")), gr("alice", spec("shop", "configure", "resource", "alice.new"))
	may := func(queue string) bool {
		t.Helper()
		conn := b.dial(t, "alice", "pw-alice", "shop")
		defer conn.Close()
		_, _, err := channel(t, conn).Get(queue, true)
		var refusal *amqp.Error
		if err != nil && (!errors.As(err, &refusal) || refusal.Code != amqp.AccessRefused) {
			t.Fatal(err)
		}
		return err == nil
	}
	ok(t, c.Grant(t.Context(), read, time.Time{}))
	for queue, want := range map[string]bool{"orders": true, "orders.eu": false, "ordersXeu": false, "billing": false} {
		if may(queue) != want {
			t.Errorf("read: %s", queue)
		}
	}
	ok(t, c.Grant(t.Context(), prefix, time.Time{}))
	ok(t, c.Revoke(t.Context(), read))
	for queue, want := range map[string]bool{"orders": false, "orders.eu": true, "ordersXeu": false, "billing": false} {
		if may(queue) != want {
			t.Errorf("prefix: %s", queue)
		}
	}
	ok(t, c.Grant(t.Context(), write, time.Time{}))
	ok(t, c.Grant(t.Context(), configure, time.Time{}))
	conn := b.dial(t, "alice", "pw-alice", "shop")
	_, err := channel(t, conn).QueueDeclare("alice.new", true, false, false, false, nil)
	ok(t, err)
	_, err = channel(t, conn).QueueDeclare("alice.other", true, false, false, false, nil)
	says(t, err, "ACCESS_REFUSED")
	for _, g := range []grants.Grant{prefix, write, configure} {
		ok(t, c.Revoke(t.Context(), g))
	}
	if now := b.see(t, "shop", "alice"); now != nil {
		t.Errorf("left: %q", now)
	}
	_, err = amqp.Dial("amqp://alice:pw-alice@" + b.amqp + "/shop")
	says(t, err, "no access to this vhost")
}

func foreignExpression(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	defer b.clear(t, "shop", "alice")
	g, h := gr("alice", spec("shop", "read", "resource", "orders")), gr("alice", spec("shop", "write", "prefix", "x|y"))
	for _, theirs := range [][]string{
		{"^own$", "(?i)^ORDERS$", "a|b"}, {"", "", `^orders$x`}, {`\Qopen`, "(a|b)", "[|]^orders$"}, {".*", ".*", ".*"}, {"^$", "^$", "^$"},
	} {
		b.set(t, "shop", "alice", theirs[0], theirs[1], theirs[2])
		ok(t, c.Grant(t.Context(), g, time.Time{}))
		ok(t, c.Grant(t.Context(), h, time.Time{}))
		if now := b.see(t, "shop", "alice"); !has(t, c, g) || !has(t, c, h) || now[0] != theirs[0] {
			t.Errorf("%q became %q", theirs, now)
		}
		ok(t, c.Revoke(t.Context(), g))
		ok(t, c.Revoke(t.Context(), h))
		if now := b.see(t, "shop", "alice"); !slices.Equal(now, theirs) {
			t.Errorf("%q became %q", theirs, now)
		}
	}
	// An option in it does not reach our alternative, which stands before it.
	b.set(t, "shop", "alice", "", "", "(?i)^THEIRS$")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	admin := channel(t, b.admin(t, "shop"))
	for queue, want := range map[string]bool{"orders": true, "ORDERS": false, "theirs": true} {
		_, err := admin.QueueDeclare(queue, true, false, false, false, nil)
		ok(t, err)
		conn := b.dial(t, "alice", "pw-alice", "shop")
		if _, _, err = channel(t, conn).Get(queue, true); (err == nil) != want {
			t.Errorf("%s: %v", queue, err)
		}
	}
}

func emptyRow(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	defer b.clear(t, "shop", "alice")
	b.set(t, "shop", "alice", "", "", "")
	g := gr("alice", spec("shop", "read", "resource", "orders"))
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	ok(t, c.Revoke(t.Context(), g))
	if now := b.see(t, "shop", "alice"); !slices.Equal(now, []string{"", "", ""}) {
		t.Errorf("%q", now)
	}
	b.clear(t, "shop", "alice")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	if now := b.see(t, "shop", "alice"); !slices.Equal(now, []string{made, "", "^orders$"}) {
		t.Errorf("%q", now)
	}
	b.set(t, "shop", "alice", made, "^theirs", "^orders$") // somebody makes use of ours
	ok(t, c.Revoke(t.Context(), g))
	if now := b.see(t, "shop", "alice"); !slices.Equal(now, []string{made, "^theirs", ""}) {
		t.Errorf("%q", now)
	}
}

func selfReference(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	defer b.clear(t, "shop", "alice")
	g, h := gr("alice", spec("shop", "read", "resource", "orders")), gr("alice", spec("shop", "read", "resource", "billing"))
	write := gr("alice", spec("shop", "write", "resource", "orders"))
	b.set(t, "shop", "alice", "", "", `^orders$|^a(?R)?b$`)
	errs := c.Apply(t.Context(), []connectors.Act{{Grant: h}, {Grant: g, Revoke: true}, {Grant: write}})
	says(t, errs[0], "another hand's expression")
	ok(t, errs[1])
	if now := b.see(t, "shop", "alice"); now[2] != `^a(?R)?b$` {
		t.Errorf("%q", now)
	}
}

func tagKeepsPassword(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	b.do(t, "PUT", path("users", "erin"), map[string]any{"password": "pw-erin", "tags": "policymaker,own-tag"}, nil)
	b.do(t, "PUT", "/user-limits/erin/max-connections", map[string]int{"value": 7}, nil)
	defer b.do(t, "DELETE", path("users", "erin"), nil, nil)
	var before, during, after struct {
		Hash   string         `json:"password_hash"`
		Tags   []string       `json:"tags"`
		Limits map[string]int `json:"limits"`
	}
	b.do(t, "GET", path("users", "erin"), nil, &before)
	for _, g := range []grants.Grant{gr("erin", tag("monitoring")), gr("erin", tag("management"))} {
		ok(t, c.Grant(t.Context(), g, time.Time{}))
		defer func() {
			ok(t, c.Revoke(t.Context(), g))
		}()
	}
	b.do(t, "GET", path("users", "erin"), nil, &during)
	if during.Hash != before.Hash || !slices.Equal(during.Tags, []string{"policymaker", "own-tag", "monitoring", "management"}) || during.Limits["max-connections"] != 7 {
		t.Errorf("%+v became %+v", before, during)
	}
	ok(t, b.as(t.Context(), "erin", "pw-erin", "GET", "/nodes", nil, nil)) // which takes the tag monitoring
	ok(t, c.Revoke(t.Context(), gr("erin", tag("monitoring"))))
	ok(t, c.Revoke(t.Context(), gr("erin", tag("management"))))
	b.do(t, "GET", path("users", "erin"), nil, &after)
	if after.Hash != before.Hash || !slices.Equal(after.Tags, before.Tags) || after.Limits["max-connections"] != 7 {
		t.Errorf("%+v became %+v", before, after)
	}
	says(t, b.as(t.Context(), "erin", "pw-erin", "GET", "/nodes", nil, nil), "401")
}

func crashKeeps(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	g, h := gr("alice", spec("shop", "read", "resource", "orders")), gr("alice", tag("monitoring"))
	for _, of := range []grants.Grant{g, h} {
		ok(t, c.Grant(t.Context(), of, time.Time{}))
		ok(t, c.Revoke(t.Context(), of))
	}
	b.Kill()
	b.Restart(t)
	if has(t, c, g) || has(t, c, h) {
		t.Error("access came back with the restart")
	}
}

func longName(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	g := gr("alice", spec("shop", "read", "resource", "orders"))
	errs := c.Apply(t.Context(), []connectors.Act{{Grant: gr(strings.Repeat("x", 100_000), spec("shop", "read", "resource", "x"))}, {Grant: g}})
	says(t, errs[0], "the broker answers 4")
	ok(t, errs[1])
	ok(t, c.Revoke(t.Context(), g))
}

func ceilings(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	everything := connectors.Spec{"vhost": "shop", "permission": "read", "everything": true}
	says(t, c.Grant(t.Context(), gr("alice", everything), time.Time{}), "setting everything can list it")
	for _, name := range []string{"administrator", "policymaker", "impersonator", "Monitoring", "own"} {
		says(t, c.Grant(t.Context(), gr("alice", tag(name)), time.Time{}), "setting tags can list it")
	}
	narrow := b.opened(t, connectors.Settings{"vhosts": []string{"back/office"}, "tags": []string{"administrator"}})
	says(t, narrow.Grant(t.Context(), gr("alice", spec("shop", "read", "resource", "x")), time.Time{}), "setting vhosts does not list")
	says(t, narrow.Grant(t.Context(), gr("alice", tag("monitoring")), time.Time{}), "setting tags can list it")
	ok(t, narrow.Grant(t.Context(), gr("alice", tag("administrator")), time.Time{}))
	ok(t, c.Revoke(t.Context(), gr("alice", tag("administrator")))) // whatever may be granted
	wide := b.opened(t, connectors.Settings{"everything": []string{"shop"}})
	ok(t, wide.Grant(t.Context(), gr("alice", everything), time.Time{}))
	if now := b.see(t, "shop", "alice"); now[2] != "^.*$" {
		t.Errorf("%q", now)
	}
	ok(t, c.Revoke(t.Context(), gr("alice", everything)))
	if now := b.see(t, "shop", "alice"); now != nil {
		t.Errorf("%q", now)
	}
}

func ownAccount(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	for _, of := range []connectors.Spec{tag("monitoring"), spec("shop", "read", "resource", "orders")} {
		says(t, c.Grant(t.Context(), gr("tenure", of), time.Time{}), "the reconciler's own")
		says(t, c.Revoke(t.Context(), gr("tenure", of)), "the reconciler's own")
		ok(t, c.EndSessions(t.Context(), []grants.Grant{gr("tenure", of)}))
	}
	says(t, c.Revoke(t.Context(), gr("..", tag("monitoring"))), "cannot be asked for")
}

func missingNamed(t *testing.T, b *broker) {
	says(t, errors.Join(b.opened(t, connectors.Settings{"password": "hunter2"}).Check(t.Context(), nil)...), "401", "Login failed")
	says(t, errors.Join(b.opened(t, connectors.Settings{"user": "alice", "password": "pw-alice"}).Check(t.Context(), nil)...), "401", "management")
	errs := b.opened(t, nil).Check(t.Context(), []string{
		gr("", spec("absent", "read", "resource", "x")).Entitlement, gr("", tag("administrator")).Entitlement, "not canonical", gr("", spec("shop", "read", "resource", "x")).Entitlement,
	})
	if len(errs) != 3 {
		t.Fatalf("%v", errs)
	}
	says(t, errs[0], `no virtual host "absent"`)
	says(t, errs[1], "setting tags can list it")
	says(t, errs[2], "not canonical")
}

func missingVHost(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	errs := c.Apply(t.Context(), []connectors.Act{
		{Grant: gr("alice", spec("absent", "read", "resource", "x"))}, {Grant: gr("mallory", spec("absent", "read", "resource", "x"))},
		{Grant: gr("alice", spec("shop", "read", "resource", "x"))}, {Grant: gr("mallory", tag("monitoring"))}, {Grant: gr("mallory", tag("monitoring")), Revoke: true},
	})
	says(t, errs[0], `no virtual host "absent"`)
	if !errors.Is(errs[1], connectors.ErrNoAccount) {
		t.Error(errs[1])
	}
	ok(t, errors.Join(errs[2:]...)) // of the last two, the later decides
	ok(t, c.Revoke(t.Context(), gr("alice", spec("shop", "read", "resource", "x"))))
}
