package forgetest

import (
	"strings"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

// tree is the trusted state: alice may ask for the role, one of bob and carol must
// approve.
func (w *world) tree() *schema.Tree {
	t := &schema.Tree{
		Requests: map[string]*schema.AccessRequest{}, Roles: map[string]*schema.Role{}, People: map[string]*schema.Person{},
		Groups: map[string]*schema.Group{}, Targets: map[string]*schema.Target{},
	}
	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		id := w.Person(name)
		t.People[name] = &schema.Person{
			Name: name, Email: name + "@example.com", Active: true,
			Forge: map[string]schema.ForgeAccount{w.Type(): {Login: id.Login, ID: id.ID}},
		}
	}
	t.Groups["engineering"] = &schema.Group{Name: "engineering", Members: []string{"alice", "bob"}}
	t.Groups["leads"] = &schema.Group{Name: "leads", Members: []string{"bob", "carol"}}
	t.Targets["orders-db"] = &schema.Target{Name: "orders-db", Connector: "postgres", Allow: []map[string]any{{"role": "orders_rw"}}}
	t.Roles["writer"] = &schema.Role{
		Name: "writer", Requesters: []string{"engineering"}, MaxDuration: 8 * time.Hour,
		Entitlements: []schema.Entitlement{{Target: "orders-db", Spec: map[string]any{"role": "orders_rw"}}},
		Approvals:    []schema.Approval{{From: []string{"leads"}, Count: 1}},
	}
	return t
}

// judge gathers the evidence for a path on the branch and judges it.
func (w *world) judge(path string) (forge.Evidence, policy.Verdict) {
	w.t.Helper()
	ev, err := w.gather(path)
	if err != nil {
		w.t.Fatalf("the evidence cannot be read: %v", err)
	}
	return ev, policy.Judge(policy.Judgement{
		Request: &schema.AccessRequest{
			Pos: schema.Pos{File: path, Line: 1, Column: 1}, Subjects: []string{"alice"}, Roles: []schema.RoleUse{{Role: "writer"}},
			Reason: "the refund job is stuck", Duration: 4 * time.Hour,
		},
		Evidence: ev, Trusted: w.tree(), Host: w.Client().Host(), ForgeType: w.Type(),
		Canonical: func(connector string, spec map[string]any) (string, error) { return connector, nil },
	})
}

func checks(v policy.Verdict) string {
	var b strings.Builder
	for _, c := range v.Checks {
		mark := "no "
		if c.OK {
			mark = "ok "
		}
		b.WriteString(mark + c.Rule + ": " + c.Detail + "\n")
	}
	return b.String()
}

// proven expects that the request at a path is proven, with the approval of
// somebody.
func (w *world) proven(path, approver string) forge.Evidence {
	w.t.Helper()
	ev, v := w.judge(path)
	if !v.Proven || len(v.Approvers) != 1 || v.Approvers[0] != approver {
		w.t.Fatalf("want it proven by %s\n%s%s", approver, checks(v), describe(ev))
	}
	return ev
}

// refused expects that it is not, for good, for a reason that a check gives or the
// evidence itself.
func (w *world) refused(path string, why ...string) forge.Evidence {
	w.t.Helper()
	ev, v := w.judge(path)
	text := checks(v)
	if v.Proven || !v.Final {
		w.t.Fatalf("want it refused for good; proven: %v, final: %v\n%s%s", v.Proven, v.Final, text, describe(ev))
	}
	for _, s := range why {
		if strings.Contains(text, s) {
			return ev
		}
	}
	w.t.Fatalf("want it refused for %q\n%s%s", why, text, describe(ev))
	return ev
}
