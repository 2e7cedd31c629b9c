package policy

import (
	"testing"
	"time"

	"github.com/tenure-dev/tenure/schema"
)

func TestOnlyTakesAway(t *testing.T) {
	first := clock("10:00")
	base := func() *schema.AccessRequest {
		return &schema.AccessRequest{
			Subjects: []string{"alice", "bob"}, Duration: 4 * time.Hour,
			Roles: []schema.RoleUse{{Role: "writer"}, {Role: "admin", Params: map[string]string{"namespace": "orders"}}},
		}
	}
	for name, c := range map[string]struct {
		change func(r *schema.AccessRequest)
		want   bool
	}{
		"nothing":                           {func(*schema.AccessRequest) {}, true},
		"another reason":                    {func(r *schema.AccessRequest) { r.Reason = "x" }, true},
		"shorter":                           {func(r *schema.AccessRequest) { r.Duration = time.Hour }, true},
		"longer":                            {func(r *schema.AccessRequest) { r.Duration = 5 * time.Hour }, false},
		"the same end, written":             {func(r *schema.AccessRequest) { r.Duration, r.ExpiresAt = 0, first.Add(4*time.Hour) }, true},
		"a later end, written":              {func(r *schema.AccessRequest) { r.Duration, r.ExpiresAt = 0, first.Add(5*time.Hour) }, false},
		"an earlier start":                  {func(r *schema.AccessRequest) { r.StartsAt = first.Add(-time.Hour) }, false},
		"a later start with an earlier end": {func(r *schema.AccessRequest) { r.StartsAt, r.Duration = first.Add(time.Hour), time.Hour }, true},
		"a later start with a later end":    {func(r *schema.AccessRequest) { r.StartsAt = first.Add(time.Hour) }, false},
		"one subject less":                  {func(r *schema.AccessRequest) { r.Subjects = r.Subjects[:1] }, true},
		"another subject":                   {func(r *schema.AccessRequest) { r.Subjects = []string{"alice", "carol"} }, false},
		"one role less":                     {func(r *schema.AccessRequest) { r.Roles = r.Roles[:1] }, true},
		"another role":                      {func(r *schema.AccessRequest) { r.Roles = append(r.Roles, schema.RoleUse{Role: "reader"}) }, false},
		"another parameter": {func(r *schema.AccessRequest) {
			r.Roles = []schema.RoleUse{{Role: "admin", Params: map[string]string{"namespace": "billing"}}}
		}, false},
		"a schedule":        {func(r *schema.AccessRequest) { r.Schedule = &schema.Schedule{Cron: "0 9 * * *", Duration: time.Minute} }, false},
		"an emergency":      {func(r *schema.AccessRequest) { r.Emergency = true }, false},
		"without an end":    {func(r *schema.AccessRequest) { r.Duration = 0 }, false},
		"standing, shorter": {func(r *schema.AccessRequest) { r.Duration, r.ReviewBy = 0, first.Add(time.Hour) }, true},
	} {
		now := base()
		c.change(now)
		if got := OnlyTakesAway(base(), now, first); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if OnlyTakesAway(nil, base(), first) || OnlyTakesAway(base(), base(), time.Time{}) {
		t.Error("what is not in force is taken away from")
	}
}
