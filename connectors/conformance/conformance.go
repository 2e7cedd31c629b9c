// Package conformance is the one suite that every connector passes, against the real
// system that it is for. It knows no system itself: what only the system's own tools
// can do (another hand's grant, a live session, a crash) comes in with the [Subject].
package conformance

import (
	"os"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// Subject is a connector, a real target, and what the suite needs to do to it from
// outside. A field that does not apply stays nil, and NotApplicable says why.
type Subject struct {
	Driver connectors.Driver
	Target string // name of the target

	// Open connects to the same target again; the suite closes it.
	Open func(t testing.TB) connectors.Connector
	// Accounts exist on the target and hold nothing; at least four.
	Accounts []string
	// Specs are entitlements that exist on the target; at least two.
	Specs []connectors.Spec
	// Absent is an entitlement that does not exist on the target.
	Absent connectors.Spec
	// BadSpecs must be refused by Canonical.
	BadSpecs []connectors.Spec

	// UnknownAccount does not exist on the target.
	UnknownAccount string
	// ForeignGrant and ForeignRevoke act with the system's own tools.
	ForeignGrant, ForeignRevoke func(t testing.TB, g grants.Grant)
	// Many is how many accounts hold one entitlement at once in CaseWhole: more than
	// the target puts on a page. They are made by Create. Zero: 250.
	Many int
	// Named returns a spec with a hostile name in the place of a usual one.
	Named func(name string) connectors.Spec
	// Create makes an account or an entitlement of a hostile name exist, with the
	// system's own tools; false: the system itself refuses the name. Nil: names need
	// not exist before they are used.
	Create func(t testing.TB, kind Kind, name string) bool
	// Kill crashes the target; Restart brings it back on the same data.
	Kill, Restart func(t testing.TB)
	// Session opens a live session of the grant's account that uses the grant. The
	// returned function reports whether the session still can.
	Session func(t testing.TB, g grants.Grant) (works func() bool)
	// Expired reports, with the system's own tools, whether the target itself has
	// ended the grant.
	Expired func(t testing.TB, g grants.Grant) bool
	// Grace is how late the target may end access by itself. Zero: 20 seconds.
	Grace time.Duration
	// Weak connects with credentials that lack rights; missing are words that the
	// errors of Check must hold, one a right.
	Weak func(t testing.TB) (c connectors.Connector, missing []string)

	// Patience bounds one case: longer for a target that takes long to start again. Zero:
	// a minute.
	Patience time.Duration

	// NotApplicable gives the reason why a case does not apply.
	NotApplicable map[Case]string
}

// Kind is what a hostile name is for.
type Kind string

// The kinds of names.
const (
	AccountName     Kind = "account"
	EntitlementName Kind = "entitlement"
)

// Case is one rule that a connector must keep.
type Case string

// The cases, in the order in which they run.
const (
	CaseCanonical      Case = "canonical text is offline, idempotent and strict"
	CaseAgrees         Case = "canonical text agrees with observe"
	CaseGrant          Case = "grant, then observe"
	CaseGrantTwice     Case = "grant twice"
	CaseRevokeTwice    Case = "revoke twice"
	CaseRevokeNever    Case = "revoke what never was"
	CaseScope          Case = "observe keeps to its scope"
	CaseUnknownAccount Case = "unknown account is named, others go on"
	CaseForeign        Case = "grants by another hand are seen and survive"
	CaseDrift          Case = "revokes by another hand are seen and repaired"
	CaseHostileEnt     Case = "hostile entitlement names"
	CaseHostileAcc     Case = "hostile account names"
	CaseCancelled      Case = "cancelled context"
	CaseBatch          Case = "batch is read back"
	CaseBadItem        Case = "one bad item in a batch"
	CaseTwoWriters     Case = "two writers at once"
	CaseCrash          Case = "crash in the middle of a batch"
	CaseSessions       Case = "live sessions end"
	CaseNativeExpiry   Case = "native expiry"
	CaseCheck          Case = "check names missing rights"
	CaseWhole          Case = "observe is complete or an error"
	CaseAgain          Case = "run again, nothing changes"
	CaseDescribe       Case = "the description agrees with the code"
)

// Run runs every case as a subtest and returns, and logs, the matrix. A case for
// which the subject brings neither what it needs nor a reason fails, so that nothing
// is left out in silence.
func Run(t *testing.T, s Subject) Matrix {
	t.Helper()
	if len(s.Accounts) < 4 || len(s.Specs) < 2 {
		t.Fatal("conformance: want at least four accounts and two specs")
	}
	m := Matrix{Connector: s.Driver.Name()}
	for _, c := range cases {
		r := Result{Case: c.name, Reason: s.NotApplicable[c.name]}
		if r.Reason != "" {
			t.Run(string(c.name), func(t *testing.T) { t.Logf("not applicable: %s", r.Reason) })
			r.Outcome = "n/a"
			m.Results = append(m.Results, r)
			continue
		}
		r.Outcome = "fail"
		if t.Run(string(c.name), func(t *testing.T) {
			if c.needs != nil {
				if what := c.needs(s); what != "" {
					t.Fatalf("the subject has no %s, and NotApplicable gives no reason", what)
				}
			}
			c.run(newSuite(t, s))
		}) {
			r.Outcome = "pass"
		}
		m.Results = append(m.Results, r)
	}
	t.Logf("conformance:\n%s", m)
	if file := os.Getenv(MatrixFile); file != "" {
		if err := m.appendTo(file); err != nil {
			t.Error(err)
		}
	}
	return m
}

var cases = []struct {
	name  Case
	needs func(Subject) (missing string)
	run   func(*suite)
}{
	{CaseCanonical, nil, (*suite).canonical},
	{CaseAgrees, nil, (*suite).agrees},
	{CaseGrant, nil, (*suite).grantThenObserve},
	{CaseGrantTwice, nil, (*suite).grantTwice},
	{CaseRevokeTwice, nil, (*suite).revokeTwice},
	{CaseRevokeNever, needsIf("Absent", func(s Subject) bool { return s.Absent != nil }), (*suite).revokeNever},
	{CaseScope, needsIf("Absent", func(s Subject) bool { return s.Absent != nil }), (*suite).scope},
	{CaseUnknownAccount, needsIf("UnknownAccount", func(s Subject) bool { return s.UnknownAccount != "" }), (*suite).unknownAccount},
	{CaseForeign, needsIf("ForeignGrant and ForeignRevoke", foreign), (*suite).foreignSurvives},
	{CaseDrift, needsIf("ForeignGrant and ForeignRevoke", foreign), (*suite).drift},
	{CaseHostileEnt, needsIf("Named", func(s Subject) bool { return s.Named != nil }), (*suite).hostileEntitlements},
	{CaseHostileAcc, nil, (*suite).hostileAccounts},
	{CaseCancelled, nil, (*suite).cancelled},
	{CaseBatch, nil, (*suite).batch},
	{CaseBadItem, nil, (*suite).badItem},
	{CaseTwoWriters, nil, (*suite).twoWriters},
	{CaseCrash, needsIf("Kill and Restart", func(s Subject) bool { return s.Kill != nil && s.Restart != nil }), (*suite).crash},
	{CaseSessions, needsIf("Session", func(s Subject) bool { return s.Session != nil }), (*suite).sessions},
	{CaseNativeExpiry, needsIf("Expired", func(s Subject) bool { return s.Expired != nil }), (*suite).nativeExpiry},
	{CaseCheck, needsIf("Weak", func(s Subject) bool { return s.Weak != nil }), (*suite).check},
	{CaseWhole, nil, (*suite).whole},
	{CaseAgain, nil, (*suite).again},
	{CaseDescribe, nil, (*suite).describe},
}

func needsIf(what string, has func(Subject) bool) func(Subject) string {
	return func(s Subject) string {
		if has(s) {
			return ""
		}
		return what
	}
}

func foreign(s Subject) bool { return s.ForeignGrant != nil && s.ForeignRevoke != nil }
