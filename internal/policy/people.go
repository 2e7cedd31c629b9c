package policy

import (
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// personOf returns the one person behind a forge identity. Without exactly one
// active person (not a service account) it returns nil and the reason, which
// completes a sentence that starts with the identity.
func (c *judging) personOf(id forge.Identity) (*schema.Person, string) {
	switch {
	case id.ID == 0:
		return nil, "is a ghost: the account is gone or unknown"
	case id.Host == "" || id.Host != c.Host:
		return nil, fmt.Sprintf("is an account of host %q, not of %q", id.Host, c.Host)
	case !id.IsUser():
		return nil, fmt.Sprintf("is a %s, not a user", id.Type)
	}
	var found []string
	for name, p := range c.Trusted.People {
		if a, ok := p.Forge[c.ForgeType]; ok && a.ID == id.ID {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	switch len(found) {
	case 0:
		return nil, "is nobody in the trusted state: no person has that id"
	case 1:
	default:
		return nil, fmt.Sprintf("is claimed by several people (%s)", names(found))
	}
	p := c.Trusted.People[found[0]]
	switch {
	case p.Service:
		return nil, fmt.Sprintf("is %s, a service account; those never ask or approve", p.Name)
	case !p.Active:
		return nil, fmt.Sprintf("is %s, who is not active", p.Name)
	}
	return p, ""
}

// account prints a forge identity.
func account(id forge.Identity) string {
	if id.ID == 0 {
		return fmt.Sprintf("%q (no id)", id.Login)
	}
	return fmt.Sprintf("%s (id %d)", id.Login, id.ID)
}

// opener finds the person who opened the pull request.
func (c *judging) opener() {
	p, why := c.personOf(c.pull.Author)
	switch {
	case p != nil:
		c.author = p
		c.pass("author", "pull request #%d was opened by %s, who is %s", c.pull.Number, account(c.pull.Author), p.Name)
	case c.pull.Author.ID != 0 && !c.pull.Author.IsUser():
		c.fail("author", "pull request #%d was opened by %s, which %s; a bot can remove access, never grant it", c.pull.Number, account(c.pull.Author), why)
	default:
		c.fail("author", "pull request #%d was opened by %s, which %s", c.pull.Number, account(c.pull.Author), why)
	}
}

// people finds the author and the subjects.
func (c *judging) people() {
	c.opener()
	known, unknown := subjectsOf(c.Trusted, c.Request)
	c.subjects = known
	for _, name := range unknown {
		c.fail("subject", "%s is neither a person nor a group in the trusted state", name)
	}
	if len(known) == 0 && len(unknown) == 0 {
		c.fail("subject", "the request is for nobody: %s has no members", names(c.Request.Subjects))
	}
	for _, s := range known {
		if s.Active {
			c.pass("subject", "%s is active", s.Name)
		} else {
			c.fail("subject", "%s is not active", s.Name)
		}
	}
	c.ask = c.asking()
}

// asking is the request as expressions see it.
func (c *judging) asking() *asking {
	return &asking{tree: c.Trusted, request: c.Request, subjects: c.subjects, author: c.author, start: c.start(), others: c.Others}
}

// mayRequest reports whether a person is in one of the groups that may ask. An empty
// list is nobody.
func mayRequest(t *schema.Tree, requesters []string, person string) bool {
	return slices.ContainsFunc(requesters, func(g string) bool {
		return t.Groups[g] != nil && t.InGroup(person, g)
	})
}
