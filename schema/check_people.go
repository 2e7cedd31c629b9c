package schema

import (
	"slices"
	"strings"
)

// accountKey is one account on one target.
type accountKey struct{ target, account string }

// claims is who has which identity, among the people that were kept so far.
type claims struct {
	forge    map[forgeKey]*Person
	explicit map[accountKey]*Person
	by       map[string][]accountKey // explicit, by account name
	kept     map[string]*Person
}

// checkPeople drops the later of two people who would be the same somewhere: on
// a forge (their approvals could not be told apart) or on a target (each would
// hold what the other asked for). Then it checks references.
func (b *builder) checkPeople() {
	c := claims{map[forgeKey]*Person{}, map[accountKey]*Person{}, map[string][]accountKey{}, map[string]*Person{}}
	b.people = slices.DeleteFunc(b.people, func(p placed[*Person]) bool {
		path, what, other := c.conflict(p.doc)
		if other == nil {
			c.keep(p.doc)
			return false
		}
		b.problem(p.file, p.n, path, "%s belongs to %s (%s:%d:%d), who stays in force; %s is left out until one of them changes",
			what, other.Name, other.Pos.File, other.Pos.Line, other.Pos.Column, p.doc.Name)
		delete(b.tree.People, p.doc.Name)
		return true
	})
	for _, p := range b.people {
		if p.doc.Manager != "" && b.resolves(p.file, p.n, "manager", p.doc.Manager, KindPerson) {
			if m := b.tree.People[p.doc.Manager]; m != nil && m.Service {
				b.problem(p.file, p.n, "manager", "manager %s is a service account, which never approves; name a person", m.Name)
			}
		}
		if p.doc.Owner != "" {
			b.resolves(p.file, p.n, "owner", p.doc.Owner, KindGroup, KindPerson)
		}
		for _, target := range sortedKeys(p.doc.Accounts) {
			b.resolves(p.file, p.n, "accounts."+target, target, KindTarget)
		}
	}
}

// conflict returns the field by which p is the same as somebody kept, or nil.
func (c *claims) conflict(p *Person) (path, what string, other *Person) {
	for _, forge := range sortedKeys(p.Forge) {
		if o := c.forge[forgeKey{forge, p.Forge[forge].ID}]; o != nil {
			return forge + ".id", forge + " id", o
		}
	}
	for _, target := range sortedKeys(p.Accounts) {
		account := p.Accounts[target]
		o := c.explicit[accountKey{target, account}]
		if d := c.kept[account]; o == nil && d != nil && d.AccountOn(target) == account {
			o = d
		}
		if o != nil {
			return "accounts." + target, "account " + show(account) + " on " + target, o
		}
	}
	for _, k := range c.by[p.Name] {
		if _, ok := p.Accounts[k.target]; !ok {
			return "name", "account " + show(k.account) + " on " + k.target + " (the name, as accounts gives no other)", c.explicit[k]
		}
	}
	return "", "", nil
}

func (c *claims) keep(p *Person) {
	c.kept[p.Name] = p
	for forge, a := range p.Forge {
		c.forge[forgeKey{forge, a.ID}] = p
	}
	for _, target := range sortedKeys(p.Accounts) {
		k := accountKey{target, p.Accounts[target]}
		c.explicit[k] = p
		c.by[k.account] = append(c.by[k.account], k)
	}
}

// checkGroups checks members and finds cycles.
func (b *builder) checkGroups() {
	for _, g := range b.groups {
		for i, m := range g.doc.Members {
			b.resolves(g.file, g.n, item("members", i), m, KindPerson, KindGroup)
		}
	}
	const walking, done = 1, 2
	state := map[string]int{}
	var trail []string
	var walk func(g placed[*Group])
	byName := map[string]placed[*Group]{}
	for _, g := range b.groups {
		byName[g.doc.Name] = g
	}
	walk = func(g placed[*Group]) {
		state[g.doc.Name] = walking
		trail = append(trail, g.doc.Name)
		for i, m := range g.doc.Members {
			next, ok := byName[m]
			if !ok {
				continue
			}
			switch state[m] {
			case walking:
				round := append(slices.Clone(trail[slices.Index(trail, m):]), m)
				if len(round) > maxListed {
					round = append(append(round[:maxListed/2:maxListed/2], "…"), round[len(round)-maxListed/2:]...)
				}
				b.problem(g.file, g.n, item("members", i), "groups contain each other: %s; take one of them out", strings.Join(round, " → "))
			case 0:
				walk(next)
			}
		}
		trail = trail[:len(trail)-1]
		state[g.doc.Name] = done
	}
	for _, g := range b.groups {
		if state[g.doc.Name] == 0 {
			walk(g)
		}
	}
}
