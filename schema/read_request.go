package schema

import (
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

var requestKeys = []string{
	"subject", "subjects", "roles", "reason", "ticket", "duration", "startsAt",
	"expiresAt", "schedule", "emergency", "reviewBy",
}

// request reads an access request: a document, or the request of a policy test,
// which has the same fields without the header.
func (d *decoder) request(n *yaml.Node, what, prefix string, header ...string) *AccessRequest {
	r := &AccessRequest{Pos: d.pos(n)}
	o := d.object(n, what, prefix, append(header, requestKeys...)...)
	if o == nil {
		return r
	}
	o.need("roles", "reason")
	switch {
	case o.has("subject") && o.has("subjects"):
		d.problem(o.get("subjects"), "both subject and subjects are given; keep one of them")
	case o.has("subject"):
		if s := o.text("subject", wrongName); s != "" {
			r.Subjects = []string{s}
		}
	case o.has("subjects"):
		r.Subjects = o.texts("subjects", 1, maxSubjects, wrongName)
	default:
		d.problem(n, "%s has neither subject nor subjects; name who gets access", what)
	}
	if n := o.get("roles"); n != nil {
		d.items(n, "roles", prefix+"roles", 1, maxRoles, func(item *yaml.Node, path string) {
			use := d.roleUse(item, path)
			for _, other := range r.Roles {
				if use.Role != "" && sameUse(other, use) {
					d.problem(item, "role %s stands twice in roles; keep one", show(use.Role))
				}
			}
			r.Roles = append(r.Roles, use)
		})
	}
	r.Reason = o.text("reason", wrongText)
	r.Ticket = o.text("ticket", func(s string) string { return wrongLine(s, 200) })
	r.Duration = o.duration("duration")
	r.StartsAt = o.time("startsAt", parseTime)
	r.ExpiresAt = o.time("expiresAt", parseTime)
	r.ReviewBy = o.time("reviewBy", parseDay)
	r.Emergency = o.bool("emergency", false)
	if n := o.get("schedule"); n != nil {
		r.Schedule = d.schedule(n, prefix+"schedule.")
	}
	o.checkForm(r)
	return r
}

func sameUse(a, b RoleUse) bool {
	if a.Role != b.Role || len(a.Params) != len(b.Params) {
		return false
	}
	for k, v := range a.Params {
		if w, ok := b.Params[k]; !ok || w != v {
			return false
		}
	}
	return true
}

// roleUse reads a role's name, or its name and parameters.
func (d *decoder) roleUse(n *yaml.Node, path string) RoleUse {
	use := RoleUse{Pos: d.pos(n)}
	if n.Kind != yaml.MappingNode {
		use.Role = d.text(n, "item of roles", wrongName)
		return use
	}
	o := d.object(n, "item of roles", path+".", "role", "params")
	if o == nil {
		return use
	}
	o.need("role")
	use.Role = o.text("role", wrongName)
	use.Params = o.table("params", wrongParam, wrongParamValue)
	return use
}

// wrongParamValue says what is wrong with a parameter's value, or "". A value
// cannot bring in a further parameter.
func wrongParamValue(s string) string {
	if strings.Contains(s, "${") {
		return "contains ${; the value of a parameter is plain text"
	}
	return wrongLine(s, maxLineRunes)
}

func (d *decoder) schedule(n *yaml.Node, prefix string) *Schedule {
	s := &Schedule{}
	o := d.object(n, "schedule", prefix, "cron", "timezone", "duration")
	if o == nil {
		return s
	}
	o.need("cron", "duration")
	s.Cron = o.text("cron", func(v string) string { return errorText(checkCron(v)) })
	if n := o.get("timezone"); n != nil {
		v, _ := d.scalar(n, "timezone")
		if err := checkZone(v); err != nil {
			d.problem(n, "timezone %s %s", show(v), err)
		}
		s.Timezone = v
	}
	s.Duration = o.duration("duration")
	return s
}

// checkForm reports whether the keys that set the window go together.
func (o *object) checkForm(r *AccessRequest) {
	const forms = "; use exactly one of: duration [+ startsAt], expiresAt [+ startsAt], schedule + expiresAt, reviewBy"
	given := []string{}
	for _, key := range []string{"duration", "expiresAt", "schedule", "reviewBy"} {
		if o.has(key) {
			given = append(given, key)
		}
	}
	d := o.d
	switch form := strings.Join(given, "+"); form {
	case "duration", "expiresAt", "expiresAt+schedule", "reviewBy":
		if o.has("startsAt") && (form == "expiresAt+schedule" || form == "reviewBy") {
			d.problem(o.get("startsAt"), "startsAt does not go with %s%s", given[len(given)-1], forms)
		}
	case "":
		d.problem(o.node, "%s does not say when access ends%s", o.what, forms)
	case "schedule":
		d.problem(o.get("schedule"), "schedule has no end%s", forms)
	default:
		d.problem(o.get(given[len(given)-1]), "%s are given together%s", strings.Join(given, " and "), forms)
	}
	if !r.StartsAt.IsZero() && !r.ExpiresAt.IsZero() && !r.StartsAt.Before(r.ExpiresAt) {
		d.problem(o.get("expiresAt"), "expiresAt is not after startsAt; the window [startsAt, expiresAt) would be empty")
	}
	if !r.Emergency {
		return
	}
	if !o.has("duration") || o.has("startsAt") {
		d.problem(o.get("emergency"), "emergency access begins at once; give a duration and no startsAt, expiresAt, schedule or reviewBy")
	}
	if len(r.Subjects) > 1 {
		d.problem(o.get("subjects"), "emergency access is for one person, its author; name one subject")
	}
}

// oneWord reports whether s has no spaces of any kind.
func oneWord(s string) bool { return strings.IndexFunc(s, unicode.IsSpace) < 0 }
