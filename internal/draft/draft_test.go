package draft

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/schema"
)

var now = time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC)

func at(hours int) time.Time { return now.Add(time.Duration(hours) * time.Hour) }

func TestAComposedRequestReadsAsPeopleWriteIt(t *testing.T) {
	for name, c := range map[string]struct {
		r    schema.AccessRequest
		want string
	}{
		"duration": {schema.AccessRequest{Subjects: []string{"alice"}, Roles: []schema.RoleUse{{Role: "orders-db-writer"}},
			Reason: "Refund job is stuck; rows need fixing by hand", Ticket: "INC-4211", Duration: 4 * time.Hour}, `
subject: alice
roles: [orders-db-writer]
reason: Refund job is stuck; rows need fixing by hand
ticket: INC-4211
duration: 4h
`},
		"everything else": {schema.AccessRequest{Subjects: []string{"alice", "bob"}, Roles: []schema.RoleUse{{Role: "namespace-admin", Params: map[string]string{"namespace": "orders", "env": "1"}}},
			Reason: "two\nlines", Ticket: "4211", Schedule: &schema.Schedule{Cron: "0 9 * * MON-FRI", Timezone: "Europe/Berlin", Duration: 8 * time.Hour}, ExpiresAt: at(24)}, `
subjects: [alice, bob]
roles: [{role: namespace-admin, params: {env: "1", namespace: orders}}]
reason: |-
  two
  lines
ticket: "4211"
expiresAt: 2026-11-25T20:00:00Z
schedule: {cron: 0 9 * * MON-FRI, timezone: Europe/Berlin, duration: 8h}
`},
		"emergency": {schema.AccessRequest{Subjects: []string{"alice"}, Roles: []schema.RoleUse{{Role: "r"}}, Reason: "true", Duration: time.Hour, Emergency: true}, `
subject: alice
roles: [r]
reason: "true"
duration: 1h
emergency: true
`},
		"standing": {schema.AccessRequest{Subjects: []string{"alice"}, Roles: []schema.RoleUse{{Role: "r"}}, Reason: "x", ReviewBy: now.Truncate(24 * time.Hour)}, `
subject: alice
roles: [r]
reason: x
reviewBy: 2026-11-24
`},
	} {
		got, err := Compose(&c.r)
		if want := "apiVersion: tenure.dev/v1\nkind: AccessRequest" + c.want; err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, want)
		}
	}
}

func TestWhatIsComposedReadsBackTheSame(t *testing.T) {
	line := rapid.StringMatching(`[!-~ä€]([ -~ä€]{0,30}[!-~ä€])?`)
	name := rapid.StringMatching(`[a-z0-9]([a-z0-9._-]{0,10}[a-z0-9])?`)
	rapid.Check(t, func(t *rapid.T) {
		r := &schema.AccessRequest{
			Subjects: rapid.SliceOfNDistinct(name, 1, 3, rapid.ID).Draw(t, "subjects"),
			Reason:   rapid.OneOf(line, rapid.StringMatching(`[!-~]+(\n[ -~]*){0,3}[!-~]`)).Draw(t, "reason"),
		}
		if rapid.Bool().Draw(t, "ticketed") {
			r.Ticket = line.Draw(t, "ticket")
		}
		for _, role := range rapid.SliceOfNDistinct(name, 1, 3, rapid.ID).Draw(t, "roles") {
			u := schema.RoleUse{Role: role}
			if rapid.Bool().Draw(t, "parameter") {
				u.Params = map[string]string{rapid.StringMatching(`[a-z][A-Za-z0-9_]{0,5}`).Draw(t, "key"): rapid.StringMatching(`[!-#%-~]{1,9}`).Draw(t, "value")}
			}
			r.Roles = append(r.Roles, u)
		}
		seconds := rapid.IntRange(1, 1e7).Draw(t, "seconds")
		switch d := time.Duration(seconds) * time.Second; rapid.IntRange(0, 4).Draw(t, "form") {
		case 0:
			r.Duration = d
		case 1:
			r.Duration, r.StartsAt = d, now
		case 2:
			r.StartsAt, r.ExpiresAt = now, now.Add(d)
		case 3:
			r.Schedule, r.ExpiresAt = &schema.Schedule{Cron: "*/5 9 * * 1", Duration: d}, now
		case 4:
			r.ReviewBy = now.Add(d)
		}
		text, err := Compose(r)
		if err != nil {
			t.Fatal(err)
		}
		back, err := requestIn("requests/a.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !same(r, back) {
			t.Fatalf("got %+v\nwant %+v\n%s", back, r, text)
		}
	})
}

func TestANameForTheFile(t *testing.T) {
	r := &schema.AccessRequest{Subjects: []string{"alice"}, Roles: []schema.RoleUse{{Role: "orders-db-writer"}}, Ticket: "INC 42/11"}
	there := map[string]bool{}
	taken := func(p string) bool { return there[p] }
	for _, want := range []string{"alice-orders-db-writer-inc-42-11", "alice-orders-db-writer-inc-42-11-2", "alice-orders-db-writer-inc-42-11-3"} {
		got := PathFor(r, now, taken)
		if got != "requests/2026/"+want+".yaml" {
			t.Errorf("got %s, want %s", got, want)
		}
		there[got] = true
	}
	r.Subjects = slices.Repeat([]string{"somebody"}, 50)
	if got := PathFor(r, now, taken); len(got) > 120 || !schema.IsDocument(got) {
		t.Errorf("got %s", got)
	}
}

const head = "apiVersion: tenure.dev/v1\nkind: AccessRequest # ünï\nsubject: alice\nroles: [r]\nreason: x\n"

func TestAnExtensionChangesOneValueAndNoOtherByte(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		x          Extension
		end        time.Time
	}{
		"a duration":          {head + "duration: 4h   # from the merge\n\n", head + "duration: 6h   # from the merge\n\n", Extension{By: 2 * time.Hour}, time.Time{}},
		"quoted":              {head + "duration: \"4h\"\n", head + "duration: \"1d4h\"\n", Extension{By: 24 * time.Hour}, time.Time{}},
		"single quotes":       {head + "duration: '4h'", head + "duration: '5h'", Extension{By: time.Hour}, time.Time{}},
		"after wide letters":  {"{apiVersion: tenure.dev/v1, kind: AccessRequest, subject: alice, reason: 'ünïcödé', duration: 4h, roles: [r]}\n", "{apiVersion: tenure.dev/v1, kind: AccessRequest, subject: alice, reason: 'ünïcödé', duration: 5h, roles: [r]}\n", Extension{By: time.Hour}, time.Time{}},
		"from a start":        {head + "duration: 4h\nstartsAt: 2026-11-24T19:00:00Z\n", head + "duration: 6h\nstartsAt: 2026-11-24T19:00:00Z\n", Extension{Until: at(5)}, at(5)},
		"an end":              {head + "expiresAt: 2026-11-24T22:00:00+01:00\n", head + "expiresAt: 2026-11-24T23:00:00Z\n", Extension{By: 2 * time.Hour}, at(3)},
		"to an end":           {head + "expiresAt: 2026-11-24T22:00:00Z\n", head + "expiresAt: 2026-11-25T20:00:00Z\n", Extension{Until: at(24)}, at(24)},
		"a schedule":          {head + "schedule: {cron: 0 9 * * 1, duration: 8h}\nexpiresAt: 2026-12-24T22:00:00Z", head + "schedule: {cron: 0 9 * * 1, duration: 8h}\nexpiresAt: 2026-12-25T22:00:00Z", Extension{By: 24 * time.Hour}, at(24*31 + 2)},
		"a review":            {head + "reviewBy: 2026-12-01\n", head + "reviewBy: 2027-02-01\n", Extension{ReviewBy: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)}, time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)},
		"a review by a month": {head + "reviewBy: 2026-12-01\n", head + "reviewBy: 2026-12-31\n", Extension{By: 30 * 24 * time.Hour}, time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)},
	} {
		got, err := Extend("requests/a.yaml", []byte(c.text), c.x, now)
		if err != nil || string(got.Text) != c.want || !got.NewEnd.Equal(c.end) {
			t.Errorf("%s: %v, end %s\n%s\nwant\n%s", name, err, got.NewEnd, got.Text, c.want)
		}
	}
}

func TestWhatCannotBeExtendedIsRefused(t *testing.T) {
	by := Extension{By: time.Hour}
	for name, c := range map[string]struct {
		text string
		x    Extension
		want string
	}{
		"ended":                   {head + "expiresAt: 2026-11-24T20:00:00Z", by, "it ended at 2026-11-24T20:00:00Z, and what has ended never comes back"},
		"ended from its start":    {head + "startsAt: 2026-11-24T18:00:00Z\nduration: 1h", by, "it ended at 2026-11-24T19:00:00Z"},
		"review passed":           {head + "reviewBy: 2026-11-24", by, "it ended at 2026-11-24T00:00:00Z"},
		"earlier":                 {head + "expiresAt: 2026-11-24T22:00:00Z", Extension{Until: at(1)}, "is no later than its end now"},
		"the same":                {head + "expiresAt: 2026-11-24T22:00:00Z", Extension{Until: at(2)}, "is no later than its end now"},
		"before the start":        {head + "startsAt: 2026-11-24T21:00:00Z\nduration: 1h", Extension{Until: at(0)}, "would not be after the start"},
		"an end of unknown start": {head + "duration: 4h", Extension{Until: at(9)}, "counts from the merge, which the file does not know; give --by"},
		"review of no standing":   {head + "duration: 4h", Extension{ReviewBy: at(99)}, "no standing access"},
		"end of standing":         {head + "reviewBy: 2027-01-01", Extension{Until: at(9)}, "give --review-by"},
		"emergency":               {head + "duration: 1h\nemergency: true", by, "emergency access is never prolonged"},
		"too long to count":       {head + "duration: 4h", Extension{By: 1<<63 - 1}, "would not be after the start"},
		"not valid":               {head + "duration: 4 hours", by, "requests/a.yaml:6:11: "},
		"no request":              {"apiVersion: tenure.dev/v1\nkind: Group\nname: a\nmembers: [b]", by, "holds no access request"},
		"written over two lines":  {head + "duration: \"4\\\n  h\"", by, "cannot be changed safely; edit the file by hand"},
	} {
		got, err := Extend("requests/a.yaml", []byte(c.text), c.x, now)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q\n%s", name, err, c.want, got.Text)
		}
	}
}

func FuzzExtend(f *testing.F) {
	for _, s := range []string{"duration: 4h", "expiresAt: 2026-11-24T22:00:00Z # x", "reviewBy: '2027-01-01'", "duration: !!str 4h", "duration: &a 4h\nticket: *a", "? duration\n: 4h"} {
		f.Add(head + s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		before, err := requestIn("requests/a.yaml", []byte(text))
		if err != nil {
			return
		}
		e, err := Extend("requests/a.yaml", []byte(text), Extension{By: time.Hour}, now)
		if err != nil {
			return
		}
		after := *e.Request
		after.Duration, after.ExpiresAt, after.ReviewBy = before.Duration, before.ExpiresAt, before.ReviewBy
		if !same(before, &after) {
			t.Errorf("more than the end changed:\n%s\n%s", text, e.Text)
		}
		lines := func(b []byte) map[string]bool {
			return maps.Collect(func(yield func(string, bool) bool) {
				for l := range bytes.Lines(b) {
					if !yield(string(l), true) {
						return
					}
				}
			})
		}
		is, changed := lines(e.Text), 0
		for l := range lines([]byte(text)) {
			if !is[l] {
				changed++
			}
		}
		if changed > 1 {
			t.Errorf("%d lines changed:\n%s\n%s", changed, text, e.Text)
		}
	})
}
