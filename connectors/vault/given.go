package vault

import (
	"maps"
	"slices"

	"github.com/tenure-dev/tenure/grants"
)

// given is to which entities this connector gave something by one account's name. The
// name may be somebody else's by the time of the revoke.
type given struct {
	entities map[string]bool
	revoked  bool // all of it; tokens may still have to end
}

// gives notes that a grant is about to be made to an entity: also one whose answer gets
// lost has to end.
func (c *connector) gives(g grants.Grant, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.given[g]; have != nil && !have.revoked {
		have.entities[id] = true
		return
	}
	c.given[g] = &given{entities: map[string]bool{id: true}}
}

// took notes that a grant is revoked.
func (c *connector) took(g grants.Grant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.given[g]; have != nil {
		have.revoked = true
	}
}

// losers returns the entities that a revoke is about: who the account may have stood
// for, and to whom it was given in the life of this connector and not by another name,
// too. With ended, also those from whom it is taken already.
func (c *connector) losers(p people, g grants.Grant, ended bool) []string {
	ids := map[string]bool{}
	for _, id := range p.all(g.Account) {
		ids[id] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.given[g]; have != nil && (ended || !have.revoked) {
		for id := range have.entities {
			if !c.givenOtherwise(g, id) {
				ids[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// givenOtherwise reports whether an entity has been given the same by another name too.
func (c *connector) givenOtherwise(g grants.Grant, id string) bool {
	for other, have := range c.given {
		if other.Entitlement == g.Entitlement && other.Account != g.Account && !have.revoked && have.entities[id] {
			return true
		}
	}
	return false
}
