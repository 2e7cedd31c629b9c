package schema_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/schema"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "4h": 4 * time.Hour, "7d": 7 * day, "1h30m": 90 * time.Minute, "1d12h": 36 * time.Hour,
		"1s": time.Second, "90m": 90 * time.Minute, "100d": 100 * day, "1d1h1m1s": day + time.Hour + time.Minute + time.Second,
		"106751d": 106751 * day,
	} {
		got, err := schema.ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "0", "0h", "h", "4", "-4h", "+4h", "4 h", " 4h", "4h ", "1.5h", "1h1d", "1h1h", "04h", "4H", "4hours", "1w", "1ms",
		"1h0m", "٤h", "106752d", "9223372036s9223372036s", "99999999999999999999h", "2562047h47m17s", "1e3s", "1_000s", "4h\n",
	} {
		if got, err := schema.ParseDuration(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestFormatDurationIsTheInverseOfParseDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Minute: "1h30m", 36 * time.Hour: "1d12h", 24 * time.Hour: "1d",
		1500 * time.Millisecond: "1s", -time.Hour: "-1h", time.Millisecond: "0s", -time.Millisecond: "0s",
		math.MaxInt64: "106751d23h47m16s", math.MinInt64: "-106751d23h47m16s",
	} {
		if got := schema.FormatDuration(d); got != want {
			t.Errorf("%d is formatted as %q; want %q", d, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, math.MaxInt64/int64(time.Second)).Draw(t, "seconds")) * time.Second
		got, err := schema.ParseDuration(schema.FormatDuration(d))
		if err != nil || got != d {
			t.Fatalf("%v is formatted as %q and read as %v, %v", d, schema.FormatDuration(d), got, err)
		}
	})
}

func TestExpandSpec(t *testing.T) {
	e := schema.Entitlement{Target: "cluster", Spec: map[string]any{
		"namespace": "${namespace}", "name": "${a}-${b}-${a}", "admin": true, "level": 3, "plain": "$a {b} $", "groups": []string{"${a}", "x${b}"},
	}}
	got, err := schema.ExpandSpec(e, map[string]string{"namespace": "orders", "a": "1", "b": "${a}", "unused": "x"})
	want := map[string]any{
		"namespace": "orders", "name": "1-${a}-1", "admin": true, "level": 3, "plain": "$a {b} $", "groups": []string{"1", "x${a}"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if e.Spec["namespace"] != "${namespace}" || e.Spec["groups"].([]string)[0] != "${a}" {
		t.Error("the entitlement itself was changed")
	}
	for name, spec := range map[string]map[string]any{
		"unknown parameter":         {"role": "${missing}"},
		"unknown parameter in list": {"roles": []string{"a", "${missing}"}},
		"unclosed":                  {"role": "${namespace"},
		"nested":                    {"role": "${${a}}"},
		"empty":                     {"role": "${}"},
		"not a name":                {"role": "${a b}"},
	} {
		if got, err := schema.ExpandSpec(schema.Entitlement{Spec: spec}, map[string]string{"namespace": "x", "a": "b"}); err == nil {
			t.Errorf("%s: expanded to %v", name, got)
		}
	}
}

// parse reads one good file.
func parse(t testing.TB, text string) any {
	t.Helper()
	f := schema.ParseFile("x.yaml", []byte(text))
	for _, p := range f.Problems {
		t.Fatal(p.Error())
	}
	if len(f.Docs) != 1 {
		t.Fatalf("%d documents", len(f.Docs))
	}
	return f.Docs[0]
}

func TestARequestIsReadInFull(t *testing.T) {
	got := parse(t, `apiVersion: tenure.dev/v1
kind: AccessRequest
subjects: [alice, on-call]
roles:
  - orders-db-writer
  - {role: namespace-admin, params: {namespace: orders}}
reason: Every evening
ticket: INC-1
schedule: {cron: "0 9 * * MON-FRI", timezone: Europe/Berlin, duration: 8h}
expiresAt: 2026-11-25T01:00:00+01:00
`)
	want := &schema.AccessRequest{
		Pos:      schema.Pos{File: "x.yaml", Line: 1, Column: 1},
		Subjects: []string{"alice", "on-call"},
		Roles: []schema.RoleUse{
			{Pos: schema.Pos{File: "x.yaml", Line: 5, Column: 5}, Role: "orders-db-writer"},
			{Pos: schema.Pos{File: "x.yaml", Line: 6, Column: 5}, Role: "namespace-admin", Params: map[string]string{"namespace": "orders"}},
		},
		Reason: "Every evening", Ticket: "INC-1",
		Schedule:  &schema.Schedule{Cron: "0 9 * * MON-FRI", Timezone: "Europe/Berlin", Duration: 8 * time.Hour},
		ExpiresAt: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	standing := parse(t, "apiVersion: tenure.dev/v1\nkind: AccessRequest\nsubject: a\nroles: [b]\nreason: c\nreviewBy: 2027-02-01\n").(*schema.AccessRequest)
	if !standing.ReviewBy.Equal(time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)) || standing.ReviewBy.Location() != time.UTC {
		t.Errorf("reviewBy is %v", standing.ReviewBy)
	}
}

func TestARoleIsReadInFull(t *testing.T) {
	got := parse(t, `apiVersion: tenure.dev/v1
kind: Role
name: r
description: d
params: {ns: {enum: [a, b]}}
entitlements:
  - {target: t, role: "x-${ns}", admin: true, level: -3, list: [p, q]}
requesters: [g]
maxDuration: 8h
maxSpan: 90d
approvals:
  - {from: [h, subject.manager]}
  - {from: [s], count: 2, when: "true"}
require: {ticket: "^I$"}
emergency: {requesters: [o], maxDuration: 1h, reviewWithin: 1d}
standing: true
maxReview: 30d
exclusive: true
keep: [dba]
labels: {env: prod}
`)
	at := func(line, column int) schema.Pos { return schema.Pos{File: "x.yaml", Line: line, Column: column} }
	want := &schema.Role{
		Pos: at(1, 1), Name: "r", Description: "d", Params: map[string]schema.Param{"ns": {Enum: []string{"a", "b"}}},
		Entitlements: []schema.Entitlement{{Pos: at(7, 5), Target: "t", Spec: map[string]any{"role": "x-${ns}", "admin": true, "level": -3, "list": []string{"p", "q"}}}},
		Requesters:   []string{"g"}, MaxDuration: 8 * time.Hour, MaxSpan: 90 * 24 * time.Hour,
		Approvals: []schema.Approval{{Pos: at(12, 5), From: []string{"h", schema.SubjectManager}, Count: 1}, {Pos: at(13, 5), From: []string{"s"}, Count: 2, When: "true"}},
		Require:   schema.Require{Ticket: "^I$"}, Emergency: &schema.EmergencyTerms{Requesters: []string{"o"}, MaxDuration: time.Hour, ReviewWithin: 24 * time.Hour},
		Standing: true, MaxReview: 30 * 24 * time.Hour, Exclusive: true, Keep: []string{"dba"}, Labels: map[string]string{"env": "prod"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAPersonAndAPolicyAreReadInFull(t *testing.T) {
	got := parse(t, `apiVersion: tenure.dev/v1
kind: Person
name: alice
email: alice@example.com
manager: carol
active: false
github: {login: alice-gh, id: 583231}
gitlab: {id: 7}
accounts: {db: 'EXAMPLE\alice'}
labels: {employment: staff}
`)
	want := &schema.Person{
		Pos: schema.Pos{File: "x.yaml", Line: 1, Column: 1}, Name: "alice", Email: "alice@example.com", Manager: "carol",
		Forge:    map[string]schema.ForgeAccount{"github": {Login: "alice-gh", ID: 583231}, "gitlab": {ID: 7}},
		Accounts: map[string]string{"db": `EXAMPLE\alice`}, Labels: map[string]string{"employment": "staff"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if p := parse(t, "apiVersion: tenure.dev/v1\nkind: Person\nname: bob\n").(*schema.Person); !p.Active || p.Service {
		t.Errorf("defaults of a person are %+v", p)
	}
	policy := parse(t, `apiVersion: tenure.dev/v1
kind: Policy
rules:
  - name: ticket
    when: role.labels.env == 'prod'
    require: request.ticket != ''
    message: m
tests:
  - {name: no ticket, request: {subject: alice, roles: [r], duration: 1h, reason: x}, expect: deny}
`).(*schema.Policy)
	rule := policy.Rules[0]
	if rule.WhenPos != (schema.Pos{File: "x.yaml", Line: 5, Column: 11}) || rule.RequirePos != (schema.Pos{File: "x.yaml", Line: 6, Column: 14}) {
		t.Errorf("expressions are at %v and %v", rule.WhenPos, rule.RequirePos)
	}
	test := policy.Tests[0]
	if test.Expect != "deny" || test.Name != "no ticket" || test.Request.Duration != time.Hour || test.Request.Subjects[0] != "alice" || test.Request.Pos.Line != 9 {
		t.Errorf("test is %+v", test)
	}
}

func TestManyProblemsAreCountedNotDropped(t *testing.T) {
	text := "apiVersion: tenure.dev/v1\nkind: Group\nname: g\nmembers:\n" + strings.Repeat("- A\n", 1000)
	f := schema.ParseFile("x.yaml", []byte(text))
	last := f.Problems[len(f.Problems)-1].Message
	if len(f.Problems) != 200 || !strings.Contains(last, "and 801 more problems") {
		t.Errorf("%d problems, the last is %q", len(f.Problems), last)
	}
}
