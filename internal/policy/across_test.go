package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/schema"
)

// recurs is a decision by which somebody has a role by a schedule in UTC.
func recurs(who, role, cron string, each time.Duration, from, until time.Time) grants.Decision {
	d := holds1(who, role, "00:00", "01:00")
	d.Terms[0].Span = grants.Window{From: from, Until: until}
	d.Terms[0].Schedule = &grants.Schedule{Cron: cron, Duration: each}
	return d
}

// The request of good holds from 11:00 to 15:00.
func TestRulesSeeWhatOthersHoldMeanwhile(t *testing.T) {
	weekly := func(who, role, cron string) grants.Decision {
		return recurs(who, role, cron, time.Hour, day.AddDate(0, 0, -30), day.AddDate(0, 0, 30))
	}
	ended := holds1("erin", "writer", "09:00", "20:00")
	ended.EndedAt = clock("11:00")
	floored := holds1("erin", "writer", "09:00", "20:00")
	floored.Floor = clock("15:00")
	refused := holds1("erin", "writer", "09:00", "20:00")
	refused.Granted = false
	narrowed := holds1("erin", "writer", "09:00", "20:00") // an edit that is not approved takes it away
	narrowed.Terms = append(narrowed.Terms, grants.Terms{Span: narrowed.Terms[0].Span})
	cut := holds1("erin", "writer", "09:00", "20:00") // an edit that is not approved shortens it
	short := cut.Terms[0]
	short.Span.Until = clock("11:00")
	cut.Terms = append(cut.Terms, short)
	twice := holds1("erin", "writer", "09:00", "20:00") // two roles bring the same grant
	alias := twice.Terms[0].Items[0]
	alias.Role = "deployer"
	twice.Terms[0].Items = append(twice.Terms[0].Items, alias)
	for _, c := range []struct {
		name    string
		others  []grants.Decision
		holders int      // of writer
		roles   []string // of erin
	}{
		{"nobody else", nil, 1, nil},
		{"another role", []grants.Decision{holds1("erin", "deployer", "12:00", "13:00")}, 1, []string{"deployer"}},
		{"the same role", []grants.Decision{holds1("erin", "writer", "12:00", "13:00")}, 2, []string{"writer"}},
		{"over when it starts", []grants.Decision{holds1("erin", "writer", "09:00", "11:00")}, 1, nil},
		{"over right after it starts", []grants.Decision{holds1("erin", "writer", "09:00", "11:01")}, 2, []string{"writer"}},
		{"starts when it ends", []grants.Decision{holds1("erin", "writer", "15:00", "16:00")}, 1, nil},
		{"starts right before it ends", []grants.Decision{holds1("erin", "writer", "14:59", "16:00")}, 2, []string{"writer"}},
		{"the subject itself", []grants.Decision{holds1("alice", "writer", "12:00", "13:00")}, 1, nil},
		{"the same person twice", []grants.Decision{holds1("erin", "writer", "12:00", "14:00"), holds1("erin", "writer", "13:00", "15:00")}, 2, []string{"writer"}},
		{"one after the other", []grants.Decision{holds1("erin", "writer", "11:00", "13:00"), holds1("bob", "writer", "13:00", "15:00")}, 2, []string{"writer"}},
		{"two at once", []grants.Decision{holds1("erin", "writer", "11:00", "13:01"), holds1("bob", "writer", "13:00", "15:00")}, 3, []string{"writer"}},
		{"ended early", []grants.Decision{ended}, 1, nil},
		{"never before its floor", []grants.Decision{floored}, 1, nil},
		{"refused", []grants.Decision{refused}, 1, nil},
		{"taken away by an edit", []grants.Decision{narrowed}, 1, nil},
		{"cut by an edit", []grants.Decision{cut}, 1, nil},
		{"two roles for one grant", []grants.Decision{twice}, 2, []string{"deployer", "writer"}},
		{"an occurrence within", []grants.Decision{weekly("erin", "writer", "0 14 * * MON")}, 2, []string{"writer"}},
		{"an occurrence that reaches in", []grants.Decision{weekly("erin", "writer", "30 10 * * MON")}, 2, []string{"writer"}},
		{"an occurrence that ends when it starts", []grants.Decision{weekly("erin", "writer", "0 10 * * MON")}, 1, nil},
		{"an occurrence on another day", []grants.Decision{weekly("erin", "writer", "0 12 * * TUE")}, 1, nil},
		{"a schedule that is not valid", []grants.Decision{weekly("erin", "writer", "0 12 * *")}, 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := good()
			j.Evidence.Pull.Author = erinID // so that an expression can ask for erin's roles
			j.Others = c.others
			guard(&j, "", fmt.Sprintf("role.holders == %d && author.roles == [%s] && 'writer' in subject.roles", c.holders, quoted(c.roles)))
			if v := Judge(j); !v.Proven {
				x, err := (&asking{tree: j.Trusted, request: j.Request, subjects: []*schema.Person{j.Trusted.People["alice"]}, start: clock("11:00"), others: c.others}).across()
				t.Errorf("holders %d, roles of erin %v, %v\n%s", x.holdersOf("writer"), x.rolesOf("erin"), err, lines(v.Checks))
			}
		})
	}
}

func quoted(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "'" + strings.Join(list, "', '") + "'"
}

func TestSubjectRolesAreThoseOfAllRequests(t *testing.T) {
	j := good()
	j.Others = []grants.Decision{holds1("alice", "deployer", "14:00", "20:00"), holds1("alice", "admin", "15:00", "20:00")}
	guard(&j, "", "subject.roles == ['deployer', 'writer']")
	if v := Judge(j); !v.Proven {
		t.Error(lines(v.Checks))
	}
}

func TestARequestByScheduleMeetsOnlyWhatItsOccurrencesMeet(t *testing.T) {
	for _, c := range []struct {
		name  string
		other grants.Decision
		meets bool
	}{
		{"between its occurrences", holds1("erin", "writer", "18:00", "20:00"), false},
		{"in an occurrence", holds1("erin", "writer", "12:00", "13:00"), true},
		{"on other days", recurs("erin", "writer", "0 9 * * SAT,SUN", time.Hour, day, day.AddDate(0, 0, 90)), false},
		{"all the time", holds1("erin", "writer", "00:00", "23:00"), true},
		{"on a weekday, far ahead", recurs("erin", "writer", "30 16 18 12 *", time.Hour, day, day.AddDate(0, 0, 90)), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := good()
			schedule(&j, 8*time.Hour, 29) // weekdays from nine to five, until 22 December
			j.Others = []grants.Decision{c.other}
			guard(&j, "", "role.holders == 1")
			if v := Judge(j); v.Proven == c.meets {
				t.Errorf("proven %v\n%s", v.Proven, lines(v.Checks))
			}
		})
	}
}

func TestARequestThatNeverHoldsAnythingMeetsNobody(t *testing.T) {
	j := good()
	schedule(&j, 8*time.Hour, 29)
	j.Request.Schedule.Cron = "0 9 1 1 *" // until 22 December
	j.Others = []grants.Decision{recurs("erin", "writer", "0 9 * * *", time.Hour, day, day.AddDate(0, 3, 0))}
	guard(&j, "", "role.holders == 1 && subject.roles == ['writer']")
	if v := Judge(j); !v.Proven {
		t.Error(lines(v.Checks))
	}
}

// A schedule with more occurrences than are looked at is taken to hold from there on,
// so that a rule denies rather than allows.
func TestWhatGoesOnForTooLongIsTakenToOverlap(t *testing.T) {
	span := grants.Window{From: day, Until: day.AddDate(0, 0, 300)}
	d := recurs("erin", "writer", "*/10 * * * *", time.Minute, span.From, span.Until)
	windows, _ := windowsOf(d, span, maxLooks)
	last := windows[len(windows)-1]
	if len(windows) > maxLooks || !last.Until.Equal(span.Until) || last.Until.Sub(last.From) < 100*24*time.Hour {
		t.Errorf("%d windows, the last is %v", len(windows), last)
	}
	daily, looked := windowsOf(recurs("erin", "writer", "0 9 * * *", time.Hour, span.From, span.Until), span, maxLooks)
	if len(daily) != 300 || daily[299].Until.Sub(daily[299].From) != time.Hour {
		t.Errorf("a daily schedule is not followed to its end: %d, %v", len(daily), daily[len(daily)-1])
	}

	// The bound of all of them together is the sum of what was looked at.
	tree := world()
	a := &asking{tree: tree, request: ask("alice", "writer"), start: day, others: []grants.Decision{
		recurs("bob", "writer", "0 18 * * *", time.Hour, span.From, span.Until),  // after the request
		recurs("erin", "writer", "0 19 * * *", time.Hour, span.From, span.Until), // and so is this
		holds1("dave", "writer", "20:00", "21:00"),
	}}
	a.request.Duration, a.request.ExpiresAt = 0, clock("12:00")
	x, err := a.across()
	if err != nil {
		t.Fatal(err)
	}
	x.left = 1 // one look says that bob holds nothing before noon
	if got := x.holdersOf("writer"); got != 1 || x.left != 0 {
		t.Errorf("%d holders, %d looks left; want erin, who cannot be looked at any more", got, x.left)
	}
	if looked < 300 {
		t.Errorf("%d looks at a schedule with 300 occurrences", looked)
	}
}

// An oracle that looks at every minute of the day.
func TestPropertyHoldersAndRolesAreThoseOfSomeMinute(t *testing.T) {
	people := []string{"alice", "bob", "carol", "dave", "erin"}
	rapid.Check(t, func(t *rapid.T) {
		minute := func(name string) time.Time {
			return day.Add(time.Duration(rapid.IntRange(0, 24*12).Draw(t, name)) * 5 * time.Minute)
		}
		var others []grants.Decision
		for range rapid.IntRange(0, 6).Draw(t, "others") {
			from := minute("from")
			d := holds1(rapid.SampledFrom(people).Draw(t, "who"), rapid.SampledFrom([]string{"writer", "deployer"}).Draw(t, "role"), "00:00", "00:00")
			d.Terms[0].Span = grants.Window{From: from, Until: from.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "length")) * 5 * time.Minute)}
			if rapid.IntRange(0, 2).Draw(t, "recurs") == 0 {
				d.Terms[0].Schedule = &grants.Schedule{
					Cron:     rapid.SampledFrom([]string{"*/15 * * * *", "5 * * * *", "0 9,11,13 * * *"}).Draw(t, "cron"),
					Duration: time.Duration(rapid.IntRange(1, 6).Draw(t, "each")) * 5 * time.Minute,
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "ended") == 0 {
				d.EndedAt = minute("end")
			}
			others = append(others, d)
		}
		tree := world()
		r := ask("alice", "writer")
		if rapid.Bool().Draw(t, "by schedule") {
			r.Duration, r.ExpiresAt = 0, clock("16:00")
			r.Schedule = &schema.Schedule{Cron: "10 */2 * * *", Duration: 25 * time.Minute}
		}
		a := &asking{tree: tree, request: r, subjects: []*schema.Person{tree.People["alice"]}, start: clock("11:00"), others: others}
		x, err := a.across()
		if err != nil {
			t.Fatal(err)
		}
		own := grants.Terms{Span: grants.Window{From: clock("11:00"), Until: endOf(r, clock("11:00"))}, Schedule: scheduleOf(r)}
		holders, roles := 1, map[string]map[string]bool{"alice": {"writer": true}}
		for at := day; at.Before(day.AddDate(0, 0, 1)); at = at.Add(5 * time.Minute) {
			if _, active := own.ActiveAt(at); !active {
				continue
			}
			now := map[string]bool{"alice": true}
			for _, d := range others {
				items, _ := d.At(at)
				for _, it := range items {
					if roles[it.Subject] == nil {
						roles[it.Subject] = map[string]bool{}
					}
					roles[it.Subject][it.Role] = true
					if it.Role == "writer" {
						now[it.Subject] = true
					}
				}
			}
			holders = max(holders, len(now))
		}
		if got := x.holdersOf("writer"); got != holders {
			t.Fatalf("%d holders, want %d", got, holders)
		}
		for _, p := range people {
			got := x.rolesOf(p)
			for _, role := range []string{"writer", "deployer"} {
				if slices.Contains(got, role) != roles[p][role] {
					t.Fatalf("%s: roles %v, want %v", p, got, roles[p])
				}
			}
		}
	})
}

func TestWhichRulesLookAcrossRequests(t *testing.T) {
	for expr, want := range map[string]bool{
		"request.ticket != ''":                                  false,
		"'writer' in request.roles":                             false,
		"subject.groups == [] && author.name == ''":             false,
		"role.labels.holders == '' && role.params.roles == ''":  false,
		"subject.labels['roles'] == ''":                         false,
		"'writer' in subject.roles":                             true,
		"size(author.roles) < 3":                                true,
		"role.holders <= 3":                                     true,
		"request.ticket == '' || role.holders <= 3":             true,
		"[subject].all(s, size(s.roles) < 2)":                   true,
		"targets.all(t, t.name == '' || role.holders < 2)":      true,
		"has(role.holders)":                                     true,
		"dyn(role).holders < 2":                                 true,
		"dyn(role)['hold' + 'ers'] == 1":                        true,
		"[subject, role].all(x, x.name == '' || x.roles == [])": true,
	} {
		tree := world()
		tree.Policies = []*schema.Policy{{Rules: []schema.Rule{{Name: "r", Require: expr}}}}
		rules, problems := Compile(tree)
		if len(problems) > 0 || rules.AcrossRequests() != want {
			t.Errorf("%s: %v, want %v; %v", expr, rules.AcrossRequests(), want, problems)
		}
		for name, in := range map[string]func(*schema.Tree){
			"when of a rule": func(t *schema.Tree) {
				t.Policies = []*schema.Policy{{Rules: []schema.Rule{{Name: "r", When: expr, Require: "true"}}}}
			},
			"when of an approval": func(t *schema.Tree) { t.Roles["writer"].Approvals[0].When = expr },
		} {
			tree := world()
			in(tree)
			if rules, _ := Compile(tree); rules.AcrossRequests() != want {
				t.Errorf("%s: %s: %v, want %v", name, expr, rules.AcrossRequests(), want)
			}
		}
	}
	if (*Rules)(nil).AcrossRequests() {
		t.Error("no rules look across requests")
	}
}

func TestAnApprovalCanDependOnWhoElseHoldsTheRole(t *testing.T) {
	j := good()
	j.Trusted.Roles["writer"].Approvals = append(j.Trusted.Roles["writer"].Approvals,
		schema.Approval{From: []string{"security"}, Count: 1, When: "role.holders > 1"})
	if v := Judge(j); !v.Proven {
		t.Error(lines(v.Checks))
	}
	j.Others = []grants.Decision{holds1("erin", "writer", "12:00", "13:00")}
	v := Judge(j)
	if v.Proven {
		t.Error("proven without security")
	}
	mustContain(t, lines(v.Checks), "missing: 1 of security (dave)")
}

func TestPolicyTestsSayWhatIsHeldMeanwhile(t *testing.T) {
	tree := world()
	tree.Groups["pair"] = &schema.Group{Name: "pair", Members: []string{"bob", "carol"}}
	tree.Policies = []*schema.Policy{{
		Rules: []schema.Rule{
			{Name: "never-both", Require: "!('writer' in subject.roles && 'deployer' in subject.roles)"},
			{Name: "two-at-once", When: "role.name == 'writer'", Require: "role.holders <= 2"},
		},
		Tests: []schema.PolicyTest{
			{Name: "alone", Request: *ask("alice", "writer"), Expect: "allow"},
			{Name: "both", Request: *ask("alice", "writer"), Held: []schema.Held{{Subject: "alice", Role: "deployer"}}, Expect: "deny"},
			{Name: "both in one request", Request: *ask("alice", "writer", "deployer"), Expect: "deny"},
			{Name: "somebody else's", Request: *ask("alice", "writer"), Held: []schema.Held{{Subject: "bob", Role: "deployer"}}, Expect: "allow"},
			{Name: "one more", Request: *ask("alice", "writer"), Held: []schema.Held{{Subject: "bob", Role: "writer"}}, Expect: "allow"},
			{Name: "a group of two", Request: *ask("alice", "writer"), Held: []schema.Held{{Subject: "pair", Role: "writer"}}, Expect: "deny"},
			{Name: "the subject again", Request: *ask("alice", "writer"), Held: []schema.Held{{Subject: "alice", Role: "writer"}, {Subject: "bob", Role: "writer"}}, Expect: "allow"},
			{Name: "unknown person", Request: *ask("alice", "writer"), Held: []schema.Held{{Subject: "nobody", Role: "writer"}}, Expect: "allow"},
			{Name: "unknown role", Request: *ask("alice", "writer"), Held: []schema.Held{{Subject: "bob", Role: "admin"}}, Expect: "allow"},
		},
	}}
	for i, r := range RunTests(tree) {
		if want := i < 7; r.OK != want {
			t.Errorf("%s: ok %v, want %v: %s", r.Name, r.OK, want, r.Detail)
		}
		if i >= 7 && r.Got != "" {
			t.Errorf("%s was run", r.Name)
		}
	}
}

// What others hold cannot be compared with a window that is not known.
func TestWithoutAWindowNothingIsSaidOfOthers(t *testing.T) {
	tree := world()
	a := &asking{tree: tree, request: ask("alice", "writer"), others: []grants.Decision{holds1("erin", "writer", "12:00", "13:00")}}
	if _, err := a.across(); !errors.Is(err, errUnknown) {
		t.Errorf("error %v", err)
	}
}
