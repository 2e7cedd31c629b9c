package schema

import (
	"slices"

	"gopkg.in/yaml.v3"
)

func (d *decoder) policy(n *yaml.Node) *Policy {
	p := &Policy{Pos: d.pos(n)}
	o := d.object(n, KindPolicy, "", "apiVersion", "kind", "rules", "tests")
	o.need("rules")
	if n := o.get("rules"); n != nil {
		names := map[string]bool{}
		d.items(n, "rules", "rules", 1, maxItems, func(item *yaml.Node, path string) {
			r := d.rule(item, path)
			if r.Name != "" && names[r.Name] {
				d.problem(item, "rule %s stands twice; give each rule its own name", show(r.Name))
			}
			names[r.Name] = true
			p.Rules = append(p.Rules, r)
		})
	}
	if n := o.get("tests"); n != nil {
		names := map[string]bool{}
		d.items(n, "tests", "tests", 0, maxItems, func(item *yaml.Node, path string) {
			t := d.policyTest(item, path)
			if t.Name != "" && names[t.Name] {
				d.problem(item, "test %s stands twice; give each test its own name", show(t.Name))
			}
			names[t.Name] = true
			p.Tests = append(p.Tests, t)
		})
	}
	return p
}

func (d *decoder) rule(n *yaml.Node, path string) Rule {
	r := Rule{Pos: d.pos(n)}
	o := d.object(n, "item of rules", path+".", "name", "when", "require", "message")
	if o == nil {
		return r
	}
	o.need("name", "require", "message")
	r.Name = o.text("name", wrongName)
	r.When = o.text("when", wrongExpression)
	r.Require = o.text("require", wrongExpression)
	r.Message = o.text("message", wrongText)
	if n := o.get("when"); n != nil {
		r.WhenPos = d.pos(n)
	}
	if n := o.get("require"); n != nil {
		r.RequirePos = d.pos(n)
	}
	return r
}

func (d *decoder) policyTest(n *yaml.Node, path string) PolicyTest {
	t := PolicyTest{Pos: d.pos(n)}
	o := d.object(n, "item of tests", path+".", "name", "request", "held", "expect")
	if o == nil {
		return t
	}
	o.need("name", "request", "expect")
	t.Name = o.text("name", func(s string) string { return wrongLine(s, 200) })
	if n := o.get("request"); n != nil {
		t.Request = *d.request(n, "request", path+".request.")
	}
	if n := o.get("held"); n != nil {
		d.items(n, "held", path+".held", 0, maxItems, func(item *yaml.Node, path string) {
			h := d.held(item, path)
			same := func(o Held) bool { return o.Subject == h.Subject && o.Role == h.Role }
			if h.Subject != "" && h.Role != "" && slices.ContainsFunc(t.Held, same) {
				d.problem(item, "%s holds %s twice in held; keep one", show(h.Subject), show(h.Role))
			}
			t.Held = append(t.Held, h)
		})
	}
	t.Expect = o.choice("expect", "allow", "deny")
	return t
}

// held reads who holds which role while a test's request would be in force.
func (d *decoder) held(n *yaml.Node, path string) Held {
	h := Held{Pos: d.pos(n)}
	o := d.object(n, "item of held", path+".", "subject", "role")
	if o == nil {
		return h
	}
	o.need("subject", "role")
	h.Subject = o.text("subject", wrongName)
	h.Role = o.text("role", wrongName)
	return h
}
