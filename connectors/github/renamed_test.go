package github

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
)

// A maintainer may rename the team that they are in for a time.
func TestARenamedTeamIsFollowedToTheEndOfWhatWasGrantedInIt(t *testing.T) {
	for name, again := range map[string]bool{"the slug is free": false, "another team has the slug": true} {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			spec := teamSpec("orders", "maintainer")
			must(t, o.grant("alice", spec), o.grant("erin", spec), o.grant("bob", teamSpec("orders", "member")))
			o.RenameTeam("orders", "mine")
			if again {
				o.Team("orders", "")
			}
			if !o.holds("alice", spec) || !o.holds("erin", spec) {
				t.Error("what was granted in the team is not shown any more")
			}
			if err := o.grant("carol", spec); !again {
				wants(t, err, `team "orders" is called "mine" now`)
			} else {
				must(t, err)
			}
			must(t, o.revoke("alice", spec), o.revoke("erin", spec), o.revoke("carol", spec))
			if o.InTeam("mine", "alice") != "" || o.Invited("erin") || o.holds("alice", spec) || o.holds("erin", spec) {
				t.Error("who renames the team keeps the access")
			}
			if o.InTeam("mine", "bob") == "" {
				t.Error("a grant that has not ended went, too")
			}
			// Once it is gone, the team that has the slug is the one that counts.
			o.DropTeam("mine")
			if o.holds("bob", teamSpec("orders", "member")) {
				t.Error("a team that is gone has members")
			}
			must(t, o.revoke("bob", teamSpec("orders", "member")))
		})
	}
}

func TestARenamedRoleIsFollowedToTheEndOfWhatWasGranted(t *testing.T) {
	o := newOrg(t)
	spec := roleSpec("security_manager")
	must(t, o.grant("alice", spec))
	o.RenameOrgRole("security_manager", "guards")
	if !o.holds("alice", spec) {
		t.Error("what was granted is not shown any more")
	}
	wants(t, o.grant("bob", spec), `is called "guards" now`)
	must(t, o.revoke("alice", spec))
	if o.holds("alice", spec) {
		t.Error("the role outlived its name")
	}
}

func TestTeamsOfOneInvitationThatEndTogetherTakeItAlong(t *testing.T) {
	o := newOrg(t)
	a, b := o.g("erin", teamSpec("orders", "member")), o.g("erin", teamSpec("desk", "member"))
	must(t, o.Apply(t.Context(), []connectors.Act{{Grant: a, Until: soon()}})...)
	must(t, o.Apply(t.Context(), []connectors.Act{{Grant: b, Until: soon()}})...)
	// Both look before either takes its team away.
	var arrived atomic.Int32
	both := make(chan struct{})
	o.Fail(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/teams/") {
			if arrived.Add(1) == 2 {
				close(both)
			}
			select {
			case <-both:
			case <-r.Context().Done():
			}
		}
		return false
	})
	must(t, o.Apply(t.Context(), []connectors.Act{{Grant: a, Revoke: true}, {Grant: b, Revoke: true}})...)
	o.Fail(nil)
	if o.Invited("erin") {
		t.Error("an invitation to the organisation is left, which nobody asked for any more")
	}
}

func TestWhatWasGrantedUnderAnotherFormOfAccountsIsNotSaidToBeGone(t *testing.T) {
	spec := teamSpec("orders", "member")
	for _, now := range []string{"login", "id"} {
		s := world(t)
		c := connect(t, settingsOf(t, s), "accounts", now)
		s.Join("orders", "alice", "member")
		g := (&org{s, c, t}).g("alice", spec)
		if now == "id" {
			g.Account = "alice"
		}
		wants(t, c.Revoke(t.Context(), g), "setting accounts was another one")
		bob := (&org{s, c, t}).g("bob", spec)
		if now == "id" {
			bob.Account = "bob"
		}
		errs := c.Apply(t.Context(), []connectors.Act{{Grant: g, Revoke: true}, {Grant: bob, Revoke: true}})
		if errs[0] == nil || errs[1] != nil {
			t.Errorf("%v", errors.Join(errs...))
		}
	}
}

func TestACustomRoleIsWrittenAsGitHubWritesIt(t *testing.T) {
	o := newOrg(t, "permissions", []string{"Reviewer"})
	spec := repoSpec("shop", "Reviewer")
	o.Fail(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/collaborators/alice") {
			o.Direct("shop", "alice", "reviewer") // as a host that does not regard case
			w.WriteHeader(http.StatusNoContent)
			return true
		}
		return false
	})
	wants(t, o.grant("alice", spec), `writes role "Reviewer" as "reviewer"`)
	if o.OnRepo("shop", "alice") != "" {
		t.Error("access is left that no revoke would find")
	}
}

// Another repository takes the name, and GitHub leads to the old one no more.
func TestARepositoryWhoseNameAnotherOneHasIsFollowed(t *testing.T) {
	o := newOrg(t)
	spec := repoSpec("shop", "push")
	must(t, o.grant("alice", spec), o.grant("bob", spec), o.grant("erin", spec))
	o.RenameRepo("shop", "shop-of-old")
	o.Repo("shop")
	must(t, o.grant("carol", spec))
	if !o.holds("alice", spec) || !o.holds("erin", spec) {
		t.Error("what was granted is not shown any more")
	}
	must(t, o.revoke("alice", spec), o.revoke("erin", spec), o.revoke("carol", spec))
	if _, repos := o.Invitations("erin"); repos != 0 || o.OnRepo("shop-of-old", "alice") != "" || o.OnRepo("shop", "carol") != "" || o.OnRepo("shop-of-old", "bob") == "" {
		t.Error("more or less than three grants has ended")
	}
	o.DropRepo("shop-of-old")
	if o.holds("bob", spec) {
		t.Error("a repository that is gone has collaborators")
	}
	must(t, o.revoke("bob", spec))
}
