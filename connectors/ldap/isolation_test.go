package ldap

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// An attribute that the server searches and does not show must not make a group, or an
// account, look as if it did not exist: a revoke would do nothing and say nothing.
func TestWhatIsFoundAndNotShownIsAnErrorAndNotGone(t *testing.T) {
	half := weakDN
	for _, attr := range []string{"cn", "objectClass", "uid"} {
		t.Run(attr, func(t *testing.T) {
			where := groupsDN
			if attr == "uid" {
				where = people
			}
			s := start(t, option{
				global: "access to dn.subtree=\"" + where + "\" attrs=" + attr + " by dn.exact=\"" + half + "\" search by * break\n" +
					"access to dn.subtree=\"" + groupsDN + "\" attrs=member,uniqueMember,memberUid by dn.exact=\"" + half + "\" write by * break\n" +
					"access to dn.subtree=\"" + suffix + "\" attrs=entry,objectClass,cn,uid by dn.exact=\"" + half + "\" read by * break\n",
			})
			s.create(t, "cn=Erin,"+people, map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {"erin"}, "cn": {"Erin"}, "sn": {"x"}})
			s.addMember(t, "dba", "cn=Erin,"+people)
			c := opened(t, s, connectors.Settings{"bindDN": half, "password": "weak"})
			refused(t, c.Revoke(t.Context(), gr("erin", "dba")), "missing right: read "+attr)
			refused(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}), "missing right: read "+attr)
			if attr != "uid" {
				_, err := c.Observe(t.Context(), []string{gr("", "dba").Entitlement})
				refused(t, err, "missing right: read "+attr)
			}
			if n := len(s.values(t, "cn=dba,"+groupsDN, attrMember)); n != 2 {
				t.Errorf("%d members", n)
			}
		})
	}
}

func TestAGroupThatCannotBeReadStopsNoOther(t *testing.T) {
	byDN := func(d string) grants.Grant {
		return grants.Grant{Target: "dir", Account: "alice", Entitlement: connectors.Format(map[string]string{"groupDN": d})}
	}
	s := start(t, option{global: "access to dn.base=\"cn=readers," + groupsDN + "\" by dn.exact=\"" + tenureDN + "\" disclose by * break\n"})
	c := opened(t, s, connectors.Settings{"groupBy": "dn"})
	bad, good := byDN("cn=readers,"+groupsDN), byDN("cn=dba,"+groupsDN)
	errs := apply(t, c, acts([]grants.Grant{bad, good}, false))
	refused(t, errs[0], "Insufficient Access Rights")
	ok(t, errs[1])
	refused(t, c.Revoke(t.Context(), bad), "Insufficient Access Rights")
	errs = apply(t, c, acts([]grants.Grant{bad, good}, true))
	refused(t, errs[0], "Insufficient Access Rights")
	ok(t, errs[1])

	p, is := connectors.AsPartitioner(c)
	if !is {
		t.Fatal("a directory has no parts")
	}
	scope := []string{bad.Entitlement, good.Entitlement, "unreadable"}
	seen := 0
	for _, part := range p.Parts(scope) {
		if _, err := c.Observe(t.Context(), part); err == nil {
			seen++
		}
	}
	if seen != 1 {
		t.Errorf("%d of the parts are seen", seen)
	}
}

func TestAnEmptyListOfGroupsAllowsNone(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, connectors.Settings{"groups": []any{}})
	refused(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}), "setting groups does not list")
}

// The refused are the first by their names, and more than are tried in vain.
func TestTheRefusedDoNotKeepTheOthersBackForEver(t *testing.T) {
	s := start(t, option{
		global: "moduleload constraint\n", ldif: manyPeople(12),
		database: "overlay constraint\nconstraint_attribute member regex \"^(uid=z[^,]*,.*|cn=nobody)$\"\n",
	})
	s.createPerson(t, "zoe")
	s.createPerson(t, "zed")
	c := opened(t, s, nil)
	all := []grants.Grant{gr("zoe", "dba"), gr("zed", "dba")}
	for i := range 12 {
		all = append(all, gr(fmt.Sprintf("user%05d", i), "dba"))
	}
	for range 50 {
		if errs := apply(t, c, acts(all, false)); errors.Join(errs[:2]...) == nil {
			break
		}
	}
	if got := holders(t, c, "dba"); !slices.Equal(got, []string{"zed", "zoe"}) {
		t.Errorf("%v", got)
	}
}

// Where DNs do not say names, a member whose entry is hidden or gone may be anybody.
func TestAMemberWhoseEntryIsNotShownIsNotSaidToBeGone(t *testing.T) {
	for name, hidden := range map[string]bool{"hidden": true, "deleted": false} {
		t.Run(name, func(t *testing.T) {
			rule := "access to dn.subtree=\"" + people + "\" attrs=cn by dn.exact=\"" + tenureDN + "\" read by * break\n"
			if hidden {
				rule = "access to dn.base=\"cn=Erin," + people + "\" by dn.exact=\"" + tenureDN + "\" none by * break\n" + rule
			}
			s := start(t, option{global: rule})
			erin := "cn=Erin," + people
			s.create(t, erin, map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {"erin"}, "cn": {"Erin"}, "sn": {"x"}})
			s.addMember(t, "dba", erin)
			if !hidden {
				ok(t, s.admin(t).Del(ldap.NewDelRequest(erin, nil)))
			}
			s.addMember(t, "readers", "cn=other,ou=elsewhere,"+suffix)
			c := opened(t, s, nil)
			refused(t, c.Revoke(t.Context(), gr("erin", "dba")), "may be the member", "cn=Erin")
			// It is about this group, and about accounts that are not found.
			ok(t, c.Revoke(t.Context(), gr("erin", "readers")))
			ok(t, c.Revoke(t.Context(), gr("alice", "dba")))
			s.modify(t, "cn=dba,"+groupsDN, func(r *ldap.ModifyRequest) { r.Delete(attrMember, []string{erin}) })
			ok(t, c.Revoke(t.Context(), gr("erin", "dba")))
		})
	}
}
