package policy

import (
	"time"

	"github.com/tenure-dev/tenure/schema"
)

// terms are those of a role's terms that differ in an emergency: who may ask, and for
// how long.
type terms struct {
	requesters []string // groups; empty: nobody
	longest    time.Duration
}

// termsFor returns the terms on which a request asks for a role. False: it is an
// emergency, and the role has no terms for one.
func termsFor(r *schema.AccessRequest, role *schema.Role) (terms, bool) {
	switch {
	case !r.Emergency:
		return terms{role.Requesters, role.MaxDuration}, true
	case role.Emergency != nil:
		return terms{role.Emergency.Requesters, role.Emergency.MaxDuration}, true
	}
	return terms{}, false
}
