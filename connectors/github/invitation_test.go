package github

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// wants demands an error with these words.
func wants(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error lacks %q: %v", w, err)
		}
	}
}

// pending are the two kinds of entitlements that GitHub hands out by invitation.
var pending = map[string]connectors.Spec{"team": teamSpec("orders", "maintainer"), "repository": repoSpec("shop", "push")}

func TestAnInvitationIsAccessUntilItIsWithdrawn(t *testing.T) {
	for name, spec := range pending {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			must(t, o.grant("erin", spec), o.grant("erin", spec))
			if org, repos := o.Invitations("erin"); org+repos != 1 || o.Role("erin") != "" {
				t.Fatalf("%d invitations, role %q", org+repos, o.Role("erin"))
			}
			if !o.holds("erin", spec) {
				t.Error("an invitation that can be accepted at any moment is not shown")
			}
			must(t, o.revoke("erin", spec), o.revoke("erin", spec))
			if org, repos := o.Invitations("erin"); org+repos != 0 || o.holds("erin", spec) {
				t.Errorf("%d invitations are left", org+repos)
			}
			o.Accept("erin")
			if o.Role("erin") != "" || o.InTeam("orders", "erin") != "" || o.OnRepo("shop", "erin") != "" {
				t.Error("what was withdrawn could be accepted")
			}
		})
	}
}

func TestAnAcceptedInvitationIsRevoked(t *testing.T) {
	for name, spec := range pending {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			must(t, o.grant("erin", spec))
			o.Accept("erin")
			if !o.holds("erin", spec) {
				t.Error("what was accepted is not shown")
			}
			must(t, o.revoke("erin", spec))
			if o.InTeam("orders", "erin") != "" || o.OnRepo("shop", "erin") != "" || o.holds("erin", spec) {
				t.Error("it outlived its revoke")
			}
		})
	}
}

func TestWhoAcceptsWhileTheInvitationIsWithdrawnLosesIt(t *testing.T) {
	for name, spec := range pending {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			must(t, o.grant("erin", spec))
			var once atomic.Bool
			o.Fail(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
				if r.Method == http.MethodDelete && once.CompareAndSwap(false, true) {
					o.Accept("erin")
				}
				return false
			})
			must(t, o.revoke("erin", spec))
			if !once.Load() || o.InTeam("orders", "erin") != "" || o.OnRepo("shop", "erin") != "" {
				t.Error("who was quick keeps the access")
			}
		})
	}
}

func TestAnInvitationByAnotherHandLosesOnlyTheTeam(t *testing.T) {
	o := newOrg(t)
	o.Invite("root", "erin", "direct_member", map[string]string{"orders": "member", "desk": "member"})
	if !o.holds("erin", teamSpec("orders", "member")) || o.holds("erin", teamSpec("orders", "maintainer")) {
		t.Error("an invitation by another hand is not shown as what it is")
	}
	must(t, o.revoke("erin", teamSpec("orders", "member")))
	if !o.Invited("erin") || o.holds("erin", teamSpec("orders", "member")) || !o.holds("erin", teamSpec("desk", "member")) {
		t.Error("more or less than the team was taken")
	}
	must(t, o.revoke("erin", teamSpec("desk", "member")))
	if !o.Invited("erin") {
		t.Error("the invitation to the organisation was not ours to withdraw")
	}
}

func TestOurInvitationToSeveralTeamsEndsWithTheLast(t *testing.T) {
	o := newOrg(t)
	must(t, o.grant("erin", teamSpec("orders", "member")), o.grant("erin", teamSpec("desk", "member")))
	must(t, o.revoke("erin", teamSpec("orders", "member")))
	if !o.holds("erin", teamSpec("desk", "member")) {
		t.Error("the other team went, too")
	}
	must(t, o.revoke("erin", teamSpec("desk", "member")))
	if o.Invited("erin") {
		t.Error("an invitation to the organisation is left, which nobody asked for any more")
	}
}

func TestAnExpiredInvitationIsNoAccessAndIsRenewedOrWithdrawn(t *testing.T) {
	for name, spec := range pending {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			must(t, o.grant("erin", spec))
			o.Expire("erin")
			if o.holds("erin", spec) {
				t.Error("an invitation that cannot be accepted is shown as access")
			}
			must(t, o.grant("erin", spec))
			if !o.holds("erin", spec) {
				t.Error("it was not renewed")
			}
			o.Expire("erin")
			must(t, o.revoke("erin", spec))
			if org, repos := o.Invitations("erin"); org+repos != 0 {
				t.Errorf("%d dead invitations are left, which an owner could send again", org+repos)
			}
		})
	}
}

func TestFailedInvitationsOfOthersStay(t *testing.T) {
	o := newOrg(t)
	o.Invite("root", "erin", "direct_member", map[string]string{"orders": "member"})
	o.Expire("erin")
	o.Invite("tenure-bot", "frank", "direct_member", map[string]string{"orders": "member", "desk": "member"})
	o.Expire("frank")
	must(t, o.revoke("erin", teamSpec("orders", "member")), o.revoke("frank", teamSpec("orders", "member")))
	for _, login := range []string{"erin", "frank"} {
		if org, _ := o.Invitations(login); org != 1 {
			t.Errorf("the failed invitation of %s was withdrawn", login)
		}
	}
}

func TestWithoutTheSettingsNobodyIsInvited(t *testing.T) {
	o := newOrg(t, "inviteMembers", nil, "outsideCollaborators", nil)
	wants(t, o.grant("erin", teamSpec("orders", "member")), "erin is no member", "inviteMembers")
	wants(t, o.grant("erin", repoSpec("shop", "pull")), "erin is no member", "outsideCollaborators")
	if org, repos := o.Invitations("erin"); org+repos != 0 {
		t.Error("erin was invited")
	}
	// What another hand did is seen and ended all the same.
	o.Invite("root", "erin", "direct_member", map[string]string{"orders": "member"})
	if !o.holds("erin", teamSpec("orders", "member")) {
		t.Error("an invitation is hidden")
	}
	must(t, o.revoke("erin", teamSpec("orders", "member")))
}

func TestACustomRoleIsForMembersOnly(t *testing.T) {
	o := newOrg(t)
	wants(t, o.grant("erin", repoSpec("shop", "reviewer")), "does not tell its custom role")
	must(t, o.grant("alice", repoSpec("shop", "reviewer")))
	if !o.holds("alice", repoSpec("shop", "reviewer")) || o.OnRepo("shop", "alice") != "reviewer" {
		t.Error("a member has not got the custom role")
	}
	must(t, o.revoke("alice", repoSpec("shop", "reviewer")))
}

func TestOneChangeOfLevelIsARevokeAndAGrant(t *testing.T) {
	o := newOrg(t)
	pull, push := o.g("alice", repoSpec("shop", "pull")), o.g("alice", repoSpec("shop", "push"))
	must(t, o.grant("alice", repoSpec("shop", "pull")))
	must(t, o.Apply(t.Context(), []connectors.Act{{Grant: push}, {Grant: pull, Revoke: true}})...)
	if o.OnRepo("shop", "alice") != "write" {
		t.Errorf("alice has %q", o.OnRepo("shop", "alice"))
	}
	errs := o.Apply(t.Context(), []connectors.Act{{Grant: push, Revoke: true}, {Grant: pull}, {Grant: grants.Grant{Target: target, Account: pull.Account, Entitlement: canon(t, repoSpec("shop", "admin"))}}})
	must(t, errs[0], errs[1])
	wants(t, errs[2], `level "pull"`, "keeps one")
	if o.OnRepo("shop", "alice") != "read" {
		t.Errorf("alice has %q", o.OnRepo("shop", "alice"))
	}
}

func TestAnotherLevelIsNeverChanged(t *testing.T) {
	o := newOrg(t)
	o.Direct("shop", "alice", "write")
	o.Join("orders", "alice", "member")
	for _, spec := range []connectors.Spec{repoSpec("shop", "pull"), repoSpec("shop", "admin"), teamSpec("orders", "maintainer")} {
		wants(t, o.grant("alice", spec), "has level", "not changed")
		if o.holds("alice", spec) {
			t.Errorf("%v is shown", spec)
		}
		must(t, o.revoke("alice", spec))
	}
	if o.OnRepo("shop", "alice") != "write" || o.InTeam("orders", "alice") != "member" {
		t.Error("what another hand gave was changed")
	}
	if !o.holds("alice", repoSpec("shop", "push")) || !o.holds("alice", teamSpec("orders", "member")) {
		t.Error("what another hand gave is not shown")
	}
}

func TestOnlyTheOwnPermissionCounts(t *testing.T) {
	o := newOrg(t)
	o.Team("child", "orders")
	o.Join("child", "bob", "maintainer")
	if o.holds("bob", teamSpec("orders", "maintainer")) {
		t.Error("a member of a child team is shown as the team's own")
	}
	o.Elsewhere("shop", "alice", "admin")
	must(t, o.grant("alice", repoSpec("shop", "pull")))
	if !o.holds("alice", repoSpec("shop", "pull")) || o.holds("alice", repoSpec("shop", "admin")) {
		t.Error("what a team gives hides the own permission")
	}
	must(t, o.revoke("alice", repoSpec("shop", "pull")))
	if o.OnRepo("shop", "alice") != "" {
		t.Error("the own permission is left")
	}
	o.Assign("security_manager", "carol", "indirect")
	o.Assign("security_manager", "dave", "mixed")
	if o.holds("carol", roleSpec("security_manager")) || !o.holds("dave", roleSpec("security_manager")) {
		t.Error("a role is not told from a team's")
	}
	must(t, o.revoke("dave", roleSpec("security_manager")))
	if o.holds("dave", roleSpec("security_manager")) {
		t.Error("a mixed assignment keeps its own part")
	}
}
