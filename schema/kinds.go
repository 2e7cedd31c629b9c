// Package schema is the language of the access repository: its document kinds,
// their JSON Schemas, and a strict loader that reports every problem with its
// file, line and column.
//
// It reads bytes that somebody else fetched; it knows nothing of Git, forges or
// targets. Loading is per file: a broken file is reported and left out, and the
// rest of the tree still loads.
package schema

import (
	"time"
)

// APIVersion is the only apiVersion that files may carry.
const APIVersion = "tenure.dev/v1"

// The kinds of documents.
const (
	KindAccessRequest = "AccessRequest"
	KindRole          = "Role"
	KindPerson        = "Person"
	KindGroup         = "Group"
	KindTarget        = "Target"
	KindPolicy        = "Policy"
)

// Pos is a place in a file of the access repository.
type Pos struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1; 0: the file as a whole
	Column int    `json:"column"` // from 1, in bytes
}

// AccessRequest asks for roles for a time. A request file holds exactly one.
type AccessRequest struct {
	Pos       Pos
	Subjects  []string  // from subject or subjects: people or groups, as written
	Roles     []RoleUse // at least one
	Reason    string
	Ticket    string
	Duration  time.Duration // 0: not given
	StartsAt  time.Time     // zero: not given
	ExpiresAt time.Time     // zero: not given
	Schedule  *Schedule
	Emergency bool
	ReviewBy  time.Time // zero: not given; a date means 00:00 UTC of that day
}

// RoleUse names a role and the values of its parameters.
type RoleUse struct {
	Pos    Pos
	Role   string
	Params map[string]string
}

// Schedule is a recurring window; it repeats until the request's ExpiresAt.
type Schedule struct {
	Cron     string // five fields
	Timezone string // IANA name; empty: UTC
	Duration time.Duration
}

// Role is what can be asked for, and on what terms.
type Role struct {
	Pos          Pos
	Name         string
	Description  string
	Params       map[string]Param
	Entitlements []Entitlement
	Requesters   []string // groups
	MaxDuration  time.Duration
	MaxSpan      time.Duration // 0: schedules are not allowed to run longer than MaxDuration
	Approvals    []Approval
	Require      Require
	Emergency    *EmergencyTerms // nil: no break-glass
	Standing     bool
	MaxReview    time.Duration // 0: 90 days
	Exclusive    bool
	Keep         []string // accounts that an exclusive role leaves alone
	Labels       map[string]string
}

// Param is a role parameter; a value must be one of Enum.
type Param struct{ Enum []string }

// Entitlement is one line of a role: a target, and what to hold there.
type Entitlement struct {
	Pos    Pos
	Target string
	Spec   map[string]any // without `target`; ${param} not yet filled in
}

// Approval is one item of a role's approvals.
type Approval struct {
	Pos   Pos
	From  []string // groups, people, or "subject.manager": alternatives
	Count int      // at least 1
	When  string   // CEL; empty: always
}

// SubjectManager is the one special value in Approval.From.
const SubjectManager = "subject.manager"

// Require holds a role's conditions on the request's own fields.
type Require struct{ Ticket string } // regular expression; empty: no ticket needed

// EmergencyTerms are a role's break-glass terms.
type EmergencyTerms struct {
	Requesters   []string // groups
	MaxDuration  time.Duration
	ReviewWithin time.Duration
}

// Person is somebody (or, with type: service, something) that can hold access.
type Person struct {
	Pos      Pos
	Name     string
	Email    string
	Manager  string                  // person; may be empty
	Active   bool                    // default true
	Service  bool                    // type: service: holds access, never asks or approves
	Owner    string                  // group or person that answers for a service account
	Forge    map[string]ForgeAccount // by forge type: "github", "gitea", "gitlab"
	Accounts map[string]string       // by target; default: Name
	Labels   map[string]string
}

// AccountOn returns the person's account name on a target.
func (p *Person) AccountOn(target string) string {
	if a, ok := p.Accounts[target]; ok {
		return a
	}
	return p.Name
}

// ForgeAccount is a person's identity on a forge. The number is what is matched.
type ForgeAccount struct {
	Login string
	ID    int64
}

// Group is a named set of people and groups.
type Group struct {
	Pos     Pos
	Name    string
	Members []string
}

// Target is the public face of a target system.
type Target struct {
	Pos         Pos
	Name        string
	Connector   string
	Description string
	Allow       []map[string]any // the ceiling: an entitlement must match one item in all of that item's keys
	Labels      map[string]string
}

// Policy holds rules across all roles, and their tests.
type Policy struct {
	Pos   Pos
	Rules []Rule
	Tests []PolicyTest
}

// Rule denies a request when When is true and Require is false.
type Rule struct {
	Pos                 Pos
	Name                string
	When                string // CEL; empty: always
	Require             string // CEL
	Message             string
	WhenPos, RequirePos Pos // of the expressions, for compile errors
}

// PolicyTest is one case: a request and what the rules must say.
type PolicyTest struct {
	Pos     Pos
	Name    string
	Request AccessRequest
	Held    []Held // what others, and the subjects by other requests, hold meanwhile
	Expect  string // "allow" or "deny"
}

// Held says that somebody holds a role for all of the window of a test's request.
type Held struct {
	Pos     Pos
	Subject string // person or group
	Role    string
}
