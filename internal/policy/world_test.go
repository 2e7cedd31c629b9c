package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// The world of the tests: alice asks, bob and carol lead, dave is security.

const (
	testHost = "github.com"
	testRepo = 4242
	testHead = "4444444444444444444444444444444444444444"
	testBlob = "b10bb10bb10bb10bb10bb10bb10bb10bb10bb10b"
)

var day = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// clock is an instant of the test day: clock("10:00") .
func clock(s string) time.Time {
	t, err := time.Parse("15:04", s)
	if err != nil {
		panic(err)
	}
	return day.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute)
}

func person(name string, id int64, manager string) *schema.Person {
	return &schema.Person{
		Name: name, Email: name + "@example.com", Manager: manager, Active: true,
		Forge:  map[string]schema.ForgeAccount{"github": {Login: name + "-gh", ID: id}},
		Labels: map[string]string{"employment": "staff"},
	}
}

func user(name string, id int64) forge.Identity {
	return forge.Identity{Host: testHost, ID: id, Login: name + "-gh", Type: "User"}
}

var (
	aliceID = user("alice", 1)
	bobID   = user("bob", 2)
	carolID = user("carol", 3)
	daveID  = user("dave", 4)
	erinID  = user("erin", 5)
	zoeID   = user("zoe", 8)
	robotID = user("robot", 7)
)

func world() *schema.Tree {
	t := &schema.Tree{
		Requests: map[string]*schema.AccessRequest{},
		Roles:    map[string]*schema.Role{},
		People:   map[string]*schema.Person{},
		Groups:   map[string]*schema.Group{},
		Targets:  map[string]*schema.Target{},
	}
	for _, p := range []*schema.Person{
		person("alice", 1, "carol"), person("bob", 2, "carol"), person("carol", 3, "frank"), person("dave", 4, "frank"),
		person("erin", 5, "bob"), person("mallory", 6, "carol"), person("robot", 7, ""), person("zoe", 8, "carol"), person("frank", 9, ""),
	} {
		t.People[p.Name] = p
	}
	t.People["robot"].Service = true
	t.People["zoe"].Active = false
	for name, members := range map[string][]string{
		"engineering":  {"alice", "erin", "leads"},
		"leads":        {"orders-leads"},
		"orders-leads": {"bob", "carol", "robot", "zoe"},
		"security":     {"dave"},
		"empty":        {},
	} {
		t.Groups[name] = &schema.Group{Name: name, Members: members}
	}
	t.Targets["orders-db"] = &schema.Target{Name: "orders-db", Connector: "postgres",
		Allow: []map[string]any{{"role": "orders_ro"}, {"role": "orders_rw"}}, Labels: map[string]string{"env": "prod"}}
	t.Targets["cluster"] = &schema.Target{Name: "cluster", Connector: "kubernetes",
		Allow: []map[string]any{{"clusterRole": "edit"}}}
	t.Roles["writer"] = &schema.Role{
		Name:         "writer",
		Entitlements: []schema.Entitlement{{Target: "orders-db", Spec: map[string]any{"role": "orders_rw"}}},
		Requesters:   []string{"engineering"},
		MaxDuration:  8 * time.Hour,
		MaxSpan:      30 * 24 * time.Hour,
		Approvals:    []schema.Approval{{From: []string{"orders-leads", schema.SubjectManager}, Count: 1}},
		Labels:       map[string]string{"env": "prod"},
	}
	t.Roles["deployer"] = &schema.Role{
		Name:         "deployer",
		Params:       map[string]schema.Param{"namespace": {Enum: []string{"orders", "billing"}}},
		Entitlements: []schema.Entitlement{{Target: "cluster", Spec: map[string]any{"clusterRole": "edit", "namespace": "${namespace}"}}},
		Requesters:   []string{"engineering"},
		MaxDuration:  4 * time.Hour,
		Approvals:    []schema.Approval{{From: []string{"orders-leads"}, Count: 1}},
	}
	return t
}

// breakGlass lets alice and dave, who are on call, have the roles in an emergency.
func breakGlass(t *schema.Tree) {
	t.Groups["on-call"] = &schema.Group{Name: "on-call", Members: []string{"alice", "dave"}}
	t.Roles["writer"].Emergency = &schema.EmergencyTerms{Requesters: []string{"on-call"}, MaxDuration: 2 * time.Hour, ReviewWithin: 24 * time.Hour}
	t.Roles["deployer"].Emergency = &schema.EmergencyTerms{Requesters: []string{"on-call"}, MaxDuration: time.Hour, ReviewWithin: 12 * time.Hour}
}

// canonical spells an entitlement key by key.
func canonical(connector string, spec map[string]any) (string, error) {
	var parts []string
	for k, v := range spec {
		if k != "role" && k != "namespace" && k != "clusterRole" {
			return "", fmt.Errorf("unknown key %s", k)
		}
		parts = append(parts, fmt.Sprintf("%s=%v", k, v))
	}
	slices.Sort(parts)
	return connector + ":" + strings.Join(parts, ","), nil
}

func ask(subject string, roles ...string) *schema.AccessRequest {
	r := &schema.AccessRequest{
		Pos:      schema.Pos{File: "requests/a.yaml", Line: 1, Column: 1},
		Subjects: []string{subject}, Reason: "refund job is stuck", Ticket: "INC-4211", Duration: 4 * time.Hour,
	}
	for _, name := range roles {
		use := schema.RoleUse{Role: name}
		if name == "deployer" {
			use.Params = map[string]string{"namespace": "orders"}
		}
		r.Roles = append(r.Roles, use)
	}
	return r
}

func approval(id int64, who forge.Identity, at string) forge.Review {
	return forge.Review{ID: id, Reviewer: who, State: forge.ReviewApproved, SubmittedAt: clock(at), Commit: testHead}
}

func push(who forge.Identity, at, after string) forge.Push {
	return forge.Push{Actor: who, At: clock(at), Ref: "access", After: after, Kind: forge.PushPush}
}

// good is a request that is proven: alice pushed at 09:00, bob approved at 10:00,
// and it was merged at 11:00.
func good() Judgement {
	return Judgement{
		Request:   ask("alice", "writer"),
		Trusted:   world(),
		Host:      testHost,
		ForgeType: "github",
		Canonical: canonical,
		Evidence: forge.Evidence{
			Introduction: forge.Introduction{Path: "requests/a.yaml", Blob: testBlob, Commit: "cccccccccccccccccccccccccccccccccccccccc"},
			RepositoryID: testRepo, Branch: "main",
			Before:   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			HeadBlob: testBlob,
			Pull: &forge.PullRequest{
				Number: 7, Author: aliceID, BaseRepoID: testRepo, BaseRef: "main", HeadRepoID: testRepo, HeadRef: "access",
				HeadSHA: testHead, CreatedAt: clock("09:01"), MergedAt: clock("11:00"),
				MergeCommit: "cccccccccccccccccccccccccccccccccccccccc",
			},
			HeadPushes: []forge.Push{{Actor: aliceID, At: clock("09:00"), Ref: "access", After: testHead, Kind: forge.PushCreate}},
			Reviews:    []forge.Review{approval(1, bobID, "10:00")},
			ReadAt:     clock("13:00"),
		},
	}
}

// failed returns the details of the checks that deny.
func failed(checks []grants.Check) []string {
	var out []string
	for _, c := range checks {
		if !c.OK && c.Rule != "review" {
			out = append(out, c.Rule+": "+c.Detail)
		}
	}
	return out
}

func lines(checks []grants.Check) string {
	var b strings.Builder
	for _, c := range checks {
		mark := "no "
		if c.OK {
			mark = "ok "
		}
		fmt.Fprintf(&b, "%s %s: %s\n", mark, c.Rule, c.Detail)
	}
	return b.String()
}

func mustContain(t *testing.T, text, want string) {
	t.Helper()
	if !strings.Contains(text, want) {
		t.Errorf("want %q in:\n%s", want, text)
	}
}
