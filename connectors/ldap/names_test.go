package ldap

import (
	"errors"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func TestNamesAreSpelledAsTheDirectoryHasThem(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, nil)
	for _, g := range []grants.Grant{gr("Alice", "dba"), gr("ALICE", "ops")} {
		err := c.Grant(t.Context(), g, time.Time{})
		refused(t, err, `spelled "alice" there`)
		if !errors.Is(err, connectors.ErrNoAccount) {
			t.Errorf("%v", err)
		}
	}
	refused(t, c.Grant(t.Context(), gr("alice", "DBA"), time.Time{}), `named "dba" on the target`)
	// Another hand's spelling is the same member.
	s.addMember(t, "dba", "UID=Alice, OU=People,DC=example,dc=com")
	want(t, c, "dba", "alice")
	// What is not spelled so is not removed in silence, and neither said to be gone.
	refused(t, c.Revoke(t.Context(), gr("Alice", "dba")), "spelled differently")
	refused(t, c.Revoke(t.Context(), gr("alice", "DBA")), "spelled differently")
	ok(t, c.Revoke(t.Context(), gr("bob", "DBA"))) // he is no member of it
	want(t, c, "dba", "alice")
	want(t, c, "DBA", "alice") // the directory takes it for the same
	ok(t, c.Revoke(t.Context(), gr("alice", "dba")))
	want(t, c, "dba")
}

func TestNamesInMemberUidAreExact(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, nil)
	s.modify(t, "cn=ops,"+groupsDN, func(r *ldap.ModifyRequest) { r.Add(attrMemberUid, []string{"Alice", "ghost", "dn:x"}) })
	ok(t, c.Grant(t.Context(), gr("alice", "ops"), time.Time{}))
	want(t, c, "ops", "Alice", "alice", "dn:x", "ghost")
	ok(t, c.Revoke(t.Context(), gr("Alice", "ops")))
	ok(t, c.Revoke(t.Context(), gr("ghost", "ops")))
	ok(t, c.Revoke(t.Context(), gr("dn:x", "ops")))
	want(t, c, "ops", "alice")
}

func TestAnEntryWithSeveralNamesHasOne(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, nil)
	s.modify(t, "uid=alice,"+people, func(r *ldap.ModifyRequest) { r.Add("uid", []string{"asmith"}) })
	s.modify(t, "cn=dba,"+groupsDN, func(r *ldap.ModifyRequest) { r.Add("cn", []string{"database admins"}) })
	ok(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}))
	refused(t, c.Grant(t.Context(), gr("asmith", "dba"), time.Time{}), `spelled "alice" there`)
	refused(t, c.Grant(t.Context(), gr("alice", "database admins"), time.Time{}), `named "dba"`)
	want(t, c, "dba", "alice")
}

func TestAMemberWhoseEntryIsGoneIsSeenAndCanBeRevoked(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, nil)
	ok(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}))
	ok(t, c.Grant(t.Context(), gr("bob", "dba"), time.Time{}))
	ok(t, s.admin(t).Del(ldap.NewDelRequest("uid=alice,"+people, nil)))
	want(t, c, "dba", "alice", "bob")
	ok(t, c.Revoke(t.Context(), gr("alice", "dba")))
	want(t, c, "dba", "bob")
	// Who comes back under the name finds nothing.
	s.createPerson(t, "alice")
	want(t, c, "dba", "bob")
}

func TestAMemberThatIsNoAccountIsShownByItsDN(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, nil)
	s.addMember(t, "dba", "cn=readers,"+groupsDN)      // a group in a group
	s.addMember(t, "dba", "CN=A\\,B, ou=x,dc=other")   // of another directory
	s.addMember(t, "dba", "uid=alice,ou=old,"+people)  // where she once was
	s.addMember(t, "dba", "cn=x+uid=bob,ou=o,"+people) // and he
	s.modify(t, "cn=auditors,"+groupsDN, func(r *ldap.ModifyRequest) {
		r.Add(attrUniqueMember, []string{"uid=alice," + people + "#'0101'B"})
	})
	strange := []string{`dn:cn=A\,B,ou=x,dc=other`, "dn:cn=readers," + groupsDN, "dn:cn=x+uid=bob,ou=o," + people, "dn:uid=alice,ou=old," + people}
	want(t, c, "dba", strange...)
	other := holders(t, c, "auditors")
	if len(other) != 1 || other[0] == "alice" {
		t.Errorf("auditors: %q", other)
	}
	for _, a := range strange {
		refused(t, c.Grant(t.Context(), gr(a, "dba"), time.Time{}), "by their names")
		ok(t, c.Revoke(t.Context(), gr(a, "dba")))
	}
	want(t, c, "dba")
	ok(t, c.Revoke(t.Context(), gr(other[0], "auditors")))
	want(t, c, "auditors")
	// A DN is not another way to an account that has a name.
	ok(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}))
	ok(t, c.Revoke(t.Context(), gr("dn:uid=alice,"+people, "dba")))
	want(t, c, "dba", "alice")
}

func TestANameThatIsThereTwiceIsNobodys(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, nil)
	ok(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}))
	for _, ou := range []string{"ou=x," + people, "ou=y," + groupsDN} {
		s.create(t, ou, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	s.create(t, "uid=Alice,ou=x,"+people, map[string][]string{"objectClass": {"inetOrgPerson"}, "cn": {"x"}, "sn": {"x"}})
	s.create(t, "cn=dba,ou=y,"+groupsDN, map[string][]string{"objectClass": {"groupOfNames"}, "member": {nobodyDN}})
	err := c.Grant(t.Context(), gr("alice", "readers"), time.Time{})
	refused(t, err, `account "alice" exists 2 times`)
	if errors.Is(err, connectors.ErrNoAccount) {
		t.Error("she does exist")
	}
	refused(t, c.Grant(t.Context(), gr("bob", "dba"), time.Time{}), `group "dba" exists 2 times`)
	want(t, c, "dba", "alice")
	ok(t, c.Revoke(t.Context(), gr("alice", "dba"))) // access ends all the same
	want(t, c, "dba")
}
