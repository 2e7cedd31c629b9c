package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/schema"
)

// holdsFor evaluates one expression for a request, as a rule's `require`.
func holdsFor(t *testing.T, j Judgement, expr string) (bool, error) {
	t.Helper()
	j.Trusted.Policies = []*schema.Policy{{Rules: []schema.Rule{{Name: "r", Require: expr, RequirePos: schema.Pos{File: "p.yaml", Line: 5, Column: 14}}}}}
	rules, problems := Compile(j.Trusted)
	if len(problems) > 0 {
		return false, problems[0]
	}
	subjects, _ := subjectsOf(j.Trusted, j.Request)
	a := &asking{tree: j.Trusted, request: j.Request, subjects: subjects, author: j.Trusted.People["bob"], start: clock("11:00")}
	if j.Evidence.Pull == nil {
		a.author, a.start = nil, time.Time{}
	}
	return rules.rules[0].holds(a.pairs()[0].vars)
}

func TestExpressionsSeeTheRequest(t *testing.T) {
	for _, expr := range []string{
		"request.subject == 'alice'",
		"request.subjects == ['alice']",
		"request.roles == ['writer']",
		"'writer' in request.roles",
		"request.reason.size() > 5",
		"request.ticket.matches('^INC-[0-9]+$')",
		"request.duration == duration('4h')",
		"request.duration <= role.maxDuration",
		"request.startsAt == timestamp('2026-11-23T11:00:00Z')",
		"request.expiresAt - request.startsAt == request.duration",
		"request.startsAt.getHours() == 11",
		"!request.emergency && !request.standing && !request.scheduled",
		"subject.name == 'alice' && subject.email == 'alice@example.com'",
		"subject.type == 'person' && subject.active",
		"subject.manager == 'carol' && subject.owner == ''",
		"subject.groups == ['engineering']",
		"author.groups == ['engineering', 'leads', 'orders-leads']",
		"author.name == 'bob' && author.name != subject.name && author != subject",
		"subject == subject",
		"subject.labels.employment == 'staff'",
		"role.name == 'writer' && role.labels.env == 'prod'",
		"!role.standing && !role.exclusive",
		"targets.size() == 1 && targets[0].name == 'orders-db' && targets[0].connector == 'postgres'",
		"targets.all(t, t.labels.env == 'prod')",
		"targets.exists(t, t.labels['env'] == 'prod')",
		// Absent labels are empty.
		"subject.labels.absent == ''",
		"subject.labels['absent'] == ''",
		"role.params.namespace == ''",
		"!('absent' in subject.labels) && 'employment' in subject.labels",
		"subject.labels == {'employment': 'staff'}",
		"subject.labels.size() == 1 && subject.labels.all(k, k == 'employment')",
		"subject.labels.exists(k, subject.labels[k] == 'staff')",
	} {
		if ok, err := holdsFor(t, good(), expr); !ok || err != nil {
			t.Errorf("%s: %v, %v", expr, ok, err)
		}
	}
}

func TestExpressionsThatMustNotPass(t *testing.T) {
	cases := map[string]string{
		"request.tickit == ''":                        "undefined field 'tickit'",
		"role.labels.env":                             "must yield true or false",
		"nobody.name == ''":                           "undeclared reference",
		"now() > timestamp('2026-01-01T00:00:00Z')":   "undeclared reference",
		"request.startsAt < timestamp('now')":         "timestamp",
		"request.duration":                            "must yield true or false",
		"true &&":                                     "Syntax error",
		"tenure.Request{subject: 'x'}.subject == 'x'": "cannot be made",
		"request.roles[7] == ''":                      "index out of bounds",
		"1 / 0 == 1":                                  "division by zero",
		"request.ticket.matches('(')":                 "missing closing",
		"'a'.matches('(a{1000}){1000}')":              "",
		"[1,2,3,4,5,6,7,8,9,0].all(a, [1,2,3,4,5,6,7,8,9,0].all(b, [1,2,3,4,5,6,7,8,9,0].all(c, [1,2,3,4,5,6,7,8,9,0].all(d, [1,2,3,4,5,6,7,8,9,0].all(e, a+b+c+d+e >= 0)))))": "cost limit",
		strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200):     "",
		"true || " + strings.Repeat("request.ticket == 'x' || ", 300):    "",
		"request.ticket == '" + strings.Repeat("x", maxExpression) + "'": "",
	}
	for expr, want := range cases {
		ok, err := holdsFor(t, good(), expr)
		if ok || err == nil {
			t.Errorf("%.80s: %v, %v; want an error", expr, ok, err)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v; want %q", expr, err, want)
		}
	}
}

func TestTheStartIsUnknownBeforeTheMerge(t *testing.T) {
	j := good()
	j.Evidence.Pull = nil
	if _, err := holdsFor(t, j, "request.startsAt > timestamp('2026-01-01T00:00:00Z')"); !errors.Is(err, errUnknown) {
		t.Errorf("startsAt of an unmerged request: %v", err)
	}
	if ok, err := holdsFor(t, j, "author.name == '' && author.groups == [] && author.type == ''"); !ok || err != nil {
		t.Errorf("unknown author: %v, %v", ok, err)
	}
}

func TestCompileReportsThePlaceOfTheMistake(t *testing.T) {
	tree := world()
	tree.Policies = []*schema.Policy{{Rules: []schema.Rule{
		{Name: "a", When: "role.labels.env == 'prod'", Require: "request.ticket != '' &&\n  request.tickit != ''",
			Pos: schema.Pos{File: "policies/a.yaml", Line: 4, Column: 5}, WhenPos: schema.Pos{File: "policies/a.yaml", Line: 5, Column: 11},
			RequirePos: schema.Pos{File: "policies/a.yaml", Line: 6, Column: 14}},
		{Name: "b", When: "rolle.name == ''", Require: "true", WhenPos: schema.Pos{File: "policies/a.yaml", Line: 9, Column: 11}},
		{Name: "c", Pos: schema.Pos{File: "policies/a.yaml", Line: 12, Column: 5}},
		{Name: "a", Require: "true", Pos: schema.Pos{File: "policies/a.yaml", Line: 13, Column: 5}},
	}}}
	tree.Roles["writer"].Approvals[0].When = "request.x"
	tree.Roles["writer"].Approvals[0].Pos = schema.Pos{File: "roles/writer.yaml", Line: 7, Column: 3}
	_, problems := Compile(tree)
	want := []string{
		"policies/a.yaml:7:10: rule a: `require`: undefined field 'tickit'",
		"policies/a.yaml:9:11: rule b: `when`: undeclared reference to 'rolle' (did you mean 'role'?)",
		"policies/a.yaml:12:5: rule c: `require`: is missing; must be an expression that yields true or false",
		"policies/a.yaml:13:5: rule a is defined twice; the other is at policies/a.yaml:4",
		"roles/writer.yaml:7:3: role writer: `when` of approval 1, at character 8: undefined field 'x'",
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Error())
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPolicyTests(t *testing.T) {
	tree := world()
	noTicket := *ask("alice", "writer")
	noTicket.Ticket = ""
	until := *ask("alice", "writer")
	until.Duration, until.ExpiresAt = 0, clock("19:00")
	tree.Policies = []*schema.Policy{{
		Rules: []schema.Rule{
			{Name: "production-needs-a-ticket", When: "role.labels.env == 'prod'", Require: "request.ticket != ''", Message: "Production access needs a ticket"},
			{Name: "short", Require: "request.duration <= duration('6h')"},
			{Name: "fails", When: "request.reason == 'fail'", Require: "request.roles[9] == ''"},
		},
		Tests: []schema.PolicyTest{
			{Name: "denied", Request: noTicket, Expect: "deny"},
			{Name: "allowed", Request: *ask("alice", "writer"), Expect: "allow"},
			{Name: "wrongly expects a denial", Request: *ask("alice", "writer"), Expect: "deny", Pos: schema.Pos{File: "p.yaml", Line: 20, Column: 5}},
			{Name: "wrongly expects leave", Request: noTicket, Expect: "allow", Pos: schema.Pos{File: "p.yaml", Line: 21, Column: 5}},
			{Name: "unknown role", Request: *ask("alice", "admin"), Expect: "deny", Pos: schema.Pos{File: "p.yaml", Line: 22, Column: 5}},
			{Name: "unknown subject", Request: *ask("nobody", "writer"), Expect: "deny", Pos: schema.Pos{File: "p.yaml", Line: 23, Column: 5}},
			{Name: "depends on the merge", Request: until, Expect: "allow"},
			{Name: "denied by a failure only", Request: schema.AccessRequest{Subjects: []string{"alice"}, Roles: []schema.RoleUse{{Role: "writer"}}, Reason: "fail", Ticket: "X-1", Duration: time.Hour}, Expect: "deny", Pos: schema.Pos{File: "p.yaml", Line: 24, Column: 5}},
		},
	}}
	results := RunTests(tree)
	var ok []bool
	for _, r := range results {
		ok = append(ok, r.OK)
	}
	if want := []bool{true, true, false, false, false, false, true, false}; !slices.Equal(ok, want) {
		t.Errorf("results %v, want %v\n%+v", ok, want, results)
	}
	if d := results[0].Denials; len(d) != 1 || d[0].Rule != "production-needs-a-ticket" {
		t.Errorf("denials do not name the rule: %+v", d)
	}
	var got []string
	for _, p := range Validate(tree, canonical) {
		got = append(got, p.Error())
	}
	want := []string{
		`p.yaml:20:5: policy test "wrongly expects a denial" expects deny, but no rule denies it`,
		`p.yaml:21:5: policy test "wrongly expects leave" expects allow; denied by production-needs-a-ticket: Production access needs a ticket (writer as alice)`,
		`p.yaml:22:5: policy test "unknown role" expects deny, but cannot be run: role admin does not exist`,
		`p.yaml:23:5: policy test "unknown subject" expects deny, but cannot be run: nobody is neither a person nor a group`,
		"p.yaml:24:5: policy test \"denied by a failure only\" expects deny; denied by fails: cannot be evaluated and so denies: `require`: index out of bounds: 9 (writer as alice)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestValidateFindsWhatDeniesAndWhatConnectorsRefuse(t *testing.T) {
	tree := world()
	guardrail := schema.Rule{Name: "no-deploys", When: "targets.exists(t, t.connector == 'kubernetes')", Require: "false", Message: "Nobody deploys today"}
	tree.Policies = []*schema.Policy{{Rules: []schema.Rule{guardrail}}}
	tree.Requests["requests/a.yaml"] = ask("alice", "deployer")
	tree.Requests["requests/b.yaml"] = ask("alice", "writer")
	tree.Requests["requests/c.yaml"] = ask("alice", "gone")
	tree.Roles["deployer"].Entitlements[0].Pos = schema.Pos{File: "roles/deployer.yaml", Line: 6, Column: 5}
	refusing := func(connector string, spec map[string]any) (string, error) {
		if spec["namespace"] == "billing" {
			return "", errors.New("namespace billing is reserved")
		}
		return canonical(connector, spec)
	}
	var got []string
	for _, p := range Validate(tree, refusing) {
		got = append(got, p.Error())
	}
	want := []string{
		"requests/a.yaml:1:1: denied by rule no-deploys: Nobody deploys today (deployer as alice)",
		"roles/deployer.yaml:6:5: role deployer: connector kubernetes of target cluster refuses the entitlement with namespace: billing: namespace billing is reserved",
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if Validate(nil, nil) != nil || RunTests(nil) != nil {
		t.Error("a tree that is not there has problems")
	}
}

func TestWhoCan(t *testing.T) {
	tree := world()
	tree.Roles["writer"].Approvals = append(tree.Roles["writer"].Approvals,
		schema.Approval{From: []string{"security"}, Count: 1, When: "request.duration > duration('2h')"},
		schema.Approval{From: []string{"frank"}, Count: 1, When: "request.duration > duration('5h')"},
		schema.Approval{From: []string{"frank"}, Count: 1, When: "request.nonsense"})
	got := WhoCan(tree, ask("alice", "writer"), "bob", clock("11:00"))
	if len(got) != 3 {
		t.Fatalf("needed: %+v", got)
	}
	if !slices.Equal(got[0].People, []string{"carol"}) { // bob is the author, robot a service, zoe inactive
		t.Errorf("people: %+v", got[0])
	}
	if !slices.Equal(got[1].People, []string{"dave"}) || got[1].Role != "writer" || got[1].Count != 1 {
		t.Errorf("people: %+v", got[1])
	}
	if got[2].Reason == "" {
		t.Errorf("a condition that does not compile is not told: %+v", got[2])
	}
	if got := WhoCan(tree, ask("carol", "deployer"), "", time.Time{}); !slices.Equal(got[0].People, []string{"bob"}) {
		t.Errorf("people: %+v", got)
	}
}
