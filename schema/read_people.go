package schema

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// forges are the keys of Person.Forge.
var forges = []string{"github", "gitea", "gitlab"}

func (o *object) labels() map[string]string {
	return o.table("labels", wrongLabelKey, func(s string) string { return wrongLine(s, maxLineRunes) })
}

func (d *decoder) person(n *yaml.Node) *Person {
	p := &Person{Pos: d.pos(n)}
	keys := []string{"apiVersion", "kind", "name", "email", "manager", "active", "type", "owner", "accounts", "labels"}
	o := d.object(n, KindPerson, "", append(keys, forges...)...)
	o.need("name")
	p.Name = o.text("name", wrongOwnName)
	p.Email = o.text("email", wrongEmail)
	p.Manager = o.text("manager", wrongName)
	p.Active = o.bool("active", true)
	p.Service = o.choice("type", "service") == "service"
	p.Owner = o.text("owner", wrongName)
	p.Accounts = o.table("accounts", wrongName, wrongAccount)
	p.Labels = o.labels()
	for _, forge := range forges {
		if n := o.get(forge); n != nil {
			if p.Forge == nil {
				p.Forge = map[string]ForgeAccount{}
			}
			p.Forge[forge] = d.forge(n, forge)
		}
	}
	if p.Manager != "" && p.Manager == p.Name {
		d.problem(o.get("manager"), "%s is their own manager; name another person or leave manager out", p.Name)
	}
	d.checkService(o, p)
	return p
}

func (d *decoder) checkService(o *object, p *Person) {
	if !p.Service {
		if o.has("owner") && !o.has("type") {
			d.problem(o.get("owner"), "owner is given without type: service; people have a manager")
		}
		return
	}
	if !o.has("owner") {
		d.problem(o.node, "a service account needs an owner: the group or person that answers for it")
	}
	if o.has("manager") {
		d.problem(o.get("manager"), "a service account has no manager; owner says who answers for it")
	}
	for _, forge := range forges {
		if n := o.get(forge); n != nil {
			d.problem(n, "a service account has no %s identity: it never asks and never approves; remove the key", forge)
		}
	}
}

func (d *decoder) forge(n *yaml.Node, forge string) ForgeAccount {
	o := d.object(n, forge, forge+".", "login", "id")
	if o == nil {
		return ForgeAccount{}
	}
	o.need("id")
	a := ForgeAccount{Login: o.text("login", wrongLogin)}
	if n := o.get("id"); n != nil {
		a.ID = d.whole(n, forge+".id", 1, 1<<53-1)
	}
	return a
}

func wrongLogin(s string) string {
	if why := wrongLine(s, 255); why != "" {
		return why
	}
	if !oneWord(s) {
		return "contains a space; a login is one word"
	}
	return ""
}

func (d *decoder) group(n *yaml.Node) *Group {
	g := &Group{Pos: d.pos(n)}
	o := d.object(n, KindGroup, "", "apiVersion", "kind", "name", "members")
	o.need("name", "members")
	g.Name = o.text("name", wrongOwnName)
	g.Members = o.texts("members", 0, maxMembers, wrongName)
	if i := slices.Index(g.Members, g.Name); g.Name != "" && i >= 0 {
		d.problem(o.get("members"), "group %s is a member of itself; remove it", g.Name)
	}
	return g
}

func (d *decoder) target(n *yaml.Node) *Target {
	t := &Target{Pos: d.pos(n)}
	o := d.object(n, KindTarget, "", "apiVersion", "kind", "name", "connector", "description", "allow", "labels")
	o.need("name", "connector", "allow")
	t.Name = o.text("name", wrongName)
	t.Connector = o.text("connector", wrongName)
	t.Description = o.text("description", wrongText)
	t.Labels = o.labels()
	if n := o.get("allow"); n != nil {
		d.items(n, "allow", "allow", 0, maxItems, func(item *yaml.Node, path string) {
			spec := d.spec(item, "item of allow", path)
			if item.Kind == yaml.MappingNode && len(item.Content) == 0 {
				d.problem(item, "item of allow is empty and would allow everything; name what roles may use here, such as {role: orders_ro}")
			}
			if child(item, "target") != nil {
				d.problem(item, "item of allow names a target; the ceiling is this target's own, so remove the key")
			}
			if used, err := placeholders(spec); err != nil || len(used) > 0 {
				d.problem(item, "item of allow contains ${; the ceiling is plain text")
			}
			t.Allow = append(t.Allow, spec)
		})
	}
	return t
}
