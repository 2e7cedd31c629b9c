package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// holders are the accounts that Observe shows in a group, sorted.
func holders(t testing.TB, c connectors.Connector, group string) (accounts []string) {
	t.Helper()
	found, err := c.Observe(t.Context(), []string{gr("", group).Entitlement})
	ok(t, err)
	for _, g := range found {
		accounts = append(accounts, g.Account)
	}
	slices.Sort(accounts)
	return accounts
}

func want(t testing.TB, c connectors.Connector, group string, accounts ...string) {
	t.Helper()
	if got := holders(t, c, group); !slices.Equal(got, accounts) {
		t.Fatalf("%s has %q, want %q", group, got, accounts)
	}
}

func apply(t testing.TB, c connectors.Connector, acts []connectors.Act) []error {
	t.Helper()
	b, _ := connectors.AsBatcher(c)
	return b.Apply(t.Context(), acts)
}

func acts(gs []grants.Grant, revoke bool) (out []connectors.Act) {
	for _, g := range gs {
		out = append(out, connectors.Act{Grant: g, Revoke: revoke})
	}
	return out
}

func (s *slapd) addMember(t testing.TB, group, member string) {
	t.Helper()
	s.modify(t, "cn="+group+","+groupsDN, func(r *ldap.ModifyRequest) { r.Add(attrMember, []string{member}) })
}

func TestAMemberCanDoWhatTheGroupMayAndNobodyAfterTheRevoke(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, nil)
	alice := s.as(t, "uid=alice,"+people, "pw-alice")
	sees := func() bool {
		res, err := alice.Search(ldap.NewSearchRequest("cn=secret,"+suffix, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil))
		return err == nil && len(res.Entries) == 1
	}
	if sees() {
		t.Fatal("she sees it without the group")
	}
	ok(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}))
	if !sees() {
		t.Error("the member does not see it")
	}
	ok(t, c.Revoke(t.Context(), gr("alice", "dba")))
	if sees() {
		t.Error("who was a member sees it still, on a connection that she kept")
	}
}

func TestTheLastMemberGoesAndThePlaceholderIsNobody(t *testing.T) {
	s := start(t, option{ldif: manyPeople(1100)})
	c := opened(t, s, nil)
	for _, x := range []struct{ class, attr string }{{"groupOfNames", attrMember}, {"groupOfUniqueNames", attrUniqueMember}} {
		name := "cn=" + x.class + "," + groupsDN
		s.create(t, name, map[string][]string{"objectClass": {x.class}, "cn": {x.class}, x.attr: {"uid=alice," + people}})
		want(t, c, x.class, "alice")
		ok(t, c.Revoke(t.Context(), gr("alice", x.class)))
		want(t, c, x.class)
		if got := s.values(t, name, x.attr); !slices.Equal(got, []string{nobodyDN}) {
			t.Errorf("%s holds %q", x.class, got)
		}
		// Many at once, of which the last request takes the last.
		var all []grants.Grant
		for i := range 1100 {
			all = append(all, gr(fmt.Sprintf("user%05d", i), x.class))
		}
		ok(t, errors.Join(apply(t, c, acts(all, false))...))
		s.modify(t, name, func(r *ldap.ModifyRequest) { r.Delete(x.attr, []string{nobodyDN}) })
		if n := len(holders(t, c, x.class)); n != 1100 {
			t.Fatalf("%d members", n)
		}
		ok(t, errors.Join(apply(t, c, acts(all, true))...))
		want(t, c, x.class)
	}
}

func TestAServerThatRefusesThePlaceholderSaysWhatToDo(t *testing.T) {
	s := start(t, option{
		global:   "moduleload memberof\n",
		database: "overlay memberof\nmemberof-dangling error\nmemberof-dangling-error 19\n",
		ldif:     "dn: cn=none," + suffix + "\nobjectClass: applicationProcess\ncn: none\n\n",
	})
	s.create(t, "cn=one,"+groupsDN, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"one"}, "member": {"uid=alice," + people}})
	c := opened(t, s, nil)
	refused(t, c.Revoke(t.Context(), gr("alice", "one")), "placeholder")
	want(t, c, "one", "alice") // and it is not said to be gone
	c = opened(t, s, connectors.Settings{"placeholder": "cn=none," + suffix})
	ok(t, c.Revoke(t.Context(), gr("alice", "one")))
	want(t, c, "one")
	if got := s.values(t, "uid=alice,"+people, "memberOf"); len(got) != 0 {
		t.Errorf("memberOf is %q", got)
	}
}

func TestMemberOfFollows(t *testing.T) {
	s := start(t, option{global: "moduleload memberof\n", database: "overlay memberof\nmemberof-refint TRUE\n", ldif: manyPeople(600)})
	c := opened(t, s, nil)
	var all []grants.Grant
	for i := range 600 {
		all = append(all, gr(fmt.Sprintf("user%05d", i), "dba"))
	}
	ok(t, errors.Join(apply(t, c, acts(all, false))...))
	if got := s.values(t, "uid=user00599,"+people, "memberOf"); !slices.Equal(got, []string{"cn=dba," + groupsDN}) {
		t.Errorf("memberOf is %q", got)
	}
	ok(t, errors.Join(apply(t, c, acts(all, true))...))
	if got := s.values(t, "uid=user00599,"+people, "memberOf"); len(got) != 0 {
		t.Errorf("memberOf is %q", got)
	}
}

func TestTheReconcilersOwnEntryIsLeftAlone(t *testing.T) {
	s := start(t, option{global: "access to dn.subtree=\"ou=services," + suffix + "\" attrs=entry,objectClass,cn by dn.exact=\"" + tenureDN + "\" read by * break\n"})
	c := opened(t, s, connectors.Settings{"accountBase": "ou=services," + suffix, "accountAttribute": "cn", "bindDN": "CN=Tenure,ou=services, " + suffix})
	s.addMember(t, "dba", tenureDN)
	for _, g := range []grants.Grant{gr("tenure", "dba"), gr("tenure", "ops")} {
		refused(t, c.Grant(t.Context(), g, time.Time{}), "the reconciler's own")
		refused(t, c.Revoke(t.Context(), g), "the reconciler's own")
	}
	if got := s.values(t, "cn=dba,"+groupsDN, attrMember); !slices.Contains(got, tenureDN) {
		t.Error("its membership is gone")
	}
}

func TestCeilings(t *testing.T) {
	s := start(t, option{})
	s.create(t, "cn=outside,"+suffix, map[string][]string{"objectClass": {"groupOfNames"}, "member": {nobodyDN}})
	byDN := func(d string) grants.Grant {
		return grants.Grant{Target: "dir", Account: "alice", Entitlement: connectors.Format(map[string]string{"groupDN": d})}
	}
	c := opened(t, s, connectors.Settings{"groups": []string{"readers"}})
	refused(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}), "setting groups does not list")
	ok(t, c.Grant(t.Context(), gr("alice", "readers"), time.Time{}))
	refused(t, c.Grant(t.Context(), byDN("cn=readers,"+groupsDN), time.Time{}), "groupBy is name")
	refused(t, c.Grant(t.Context(), gr("alice", "outside"), time.Time{}), "groups does not list")

	c = opened(t, s, connectors.Settings{"groupBy": "dn"})
	refused(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}), "groupBy is dn")
	refused(t, c.Grant(t.Context(), byDN("cn=outside,"+suffix), time.Time{}), "not below the target's setting groupBase")
	refused(t, c.Grant(t.Context(), byDN("cn=DBA,"+groupsDN), time.Time{}), `spelled "cn=dba,`)
	refused(t, c.Grant(t.Context(), byDN("cn=absent,"+groupsDN), time.Time{}), "does not exist")
	g := byDN("cn=dba," + groupsDN)
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	found, err := c.Observe(t.Context(), []string{g.Entitlement, byDN("cn=absent," + groupsDN).Entitlement})
	ok(t, err)
	if !slices.Equal(found, []grants.Grant{g}) {
		t.Errorf("%v", found)
	}
	ok(t, c.Revoke(t.Context(), g))
	// What was granted under other settings can always be taken away.
	ok(t, c.Revoke(t.Context(), gr("alice", "readers")))
	want(t, c, "readers")
}

func TestOnlyAccountsThatMatchTheFilterAreGrantedSomething(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, connectors.Settings{"accountFilter": "(!(uid=bob))"})
	ok(t, c.Grant(t.Context(), gr("alice", "dba"), time.Time{}))
	if err := c.Grant(t.Context(), gr("bob", "dba"), time.Time{}); !errors.Is(err, connectors.ErrNoAccount) {
		t.Errorf("%v", err)
	}
	s.byHand(t, gr("bob", "dba"), false)
	want(t, c, "dba", "alice", "bob")
	ok(t, c.Revoke(t.Context(), gr("bob", "dba")))
	want(t, c, "dba", "alice")
}

func TestAGroupIsNoAccount(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, connectors.Settings{"accountBase": groupsDN, "accountAttribute": "cn", "placeholder": nobodyDN})
	refused(t, c.Grant(t.Context(), gr("readers", "dba"), time.Time{}), "is a group")
}

func TestALimitOfTheServerIsAnErrorAndNotTheEnd(t *testing.T) {
	s := start(t, option{ldif: manyPeople(40), database: "limits dn.exact=\"" + tenureDN + "\" size=15 size.prtotal=hard\n"})
	c := opened(t, s, nil)
	var all []grants.Grant
	for i := range 40 {
		g := gr(fmt.Sprintf("user%05d", i), "dba")
		all = append(all, g)
		s.byHand(t, g, false)
	}
	_, err := c.Observe(t.Context(), []string{all[0].Entitlement})
	refused(t, err, "limits what the reconciler's own entry may read")
	for _, err := range apply(t, c, acts(all, false)) {
		refused(t, err, "limits what the reconciler's own entry may read")
	}
	// Access ends although accounts cannot be looked up: the DNs say who it is.
	ok(t, errors.Join(apply(t, c, acts(all, true))...))
	if got := s.values(t, "cn=dba,"+groupsDN, attrMember); !slices.Equal(got, []string{nobodyDN}) {
		t.Errorf("%d are left", len(got)-1)
	}
	for _, err := range apply(t, c, acts(all, true)) { // now nobody can tell
		refused(t, err, "limits what the reconciler's own entry may read")
	}
	for i := range all { // where names are listed, all is clear
		all[i] = gr(all[i].Account, "ops")
	}
	ok(t, errors.Join(apply(t, c, acts(all, true))...))
}

func TestAServerThatWantsSmallPagesGetsThem(t *testing.T) {
	s := start(t, option{ldif: manyPeople(100), database: "limits dn.exact=\"" + tenureDN + "\" size.pr=20\n"})
	c := opened(t, s, nil)
	var all []grants.Grant
	for i := range 100 {
		all = append(all, gr(fmt.Sprintf("user%05d", i), "dba"))
	}
	ok(t, errors.Join(apply(t, c, acts(all, false))...))
	if n := len(holders(t, c, "dba")); n != 100 {
		t.Errorf("%d members", n)
	}
}

func TestAPartOnAnotherServerIsAnError(t *testing.T) {
	s := start(t, option{ldif: "dn: ou=far," + people + "\nobjectClass: referral\nobjectClass: extensibleObject\nou: far\nref: ldap://far.example.com/ou=far," + people + "\n\n"})
	s.byHand(t, gr("alice", "dba"), false)
	_, err := opened(t, s, nil).Observe(t.Context(), []string{gr("", "dba").Entitlement})
	refused(t, err, "another server", "far.example.com", "ignoreReferrals")
	want(t, opened(t, s, connectors.Settings{"ignoreReferrals": true}), "dba", "alice")
}

func TestAListThatMayNotBeReadIsAnError(t *testing.T) {
	blind := "cn=weak,ou=services," + suffix
	s := start(t, option{global: "access to dn.subtree=\"" + groupsDN + "\" attrs=member,uniqueMember,memberUid by dn.exact=\"" + blind + "\" none by * break\n" +
		"access to dn.subtree=\"" + people + "\" attrs=entry,objectClass,uid by dn.exact=\"" + blind + "\" read by * break\n"})
	for _, g := range []string{"dba", "auditors", "ops"} {
		s.byHand(t, gr("alice", g), false)
	}
	c := opened(t, s, connectors.Settings{"bindDN": blind, "password": "weak"})
	k, _ := connectors.AsChecker(c)
	for group, attr := range map[string]string{"dba": attrMember, "auditors": attrUniqueMember, "ops": attrMemberUid} {
		found, err := c.Observe(t.Context(), []string{gr("", group).Entitlement})
		refused(t, err, "missing right: read "+attr)
		if found != nil {
			t.Errorf("%v", found)
		}
		refused(t, errors.Join(k.Check(t.Context(), []string{gr("", group).Entitlement})...), "missing right: read "+attr, "missing right: write "+attr)
	}
	// An empty list that may be read has no error.
	s.byHand(t, gr("alice", "ops"), true)
	want(t, opened(t, s, nil), "ops")
}

func TestEachRightOnThePageIsNeeded(t *testing.T) {
	rules := strings.Split(rights(t), "access to ")[1:]
	if len(rules) != 3 {
		t.Fatalf("the page has %d rules", len(rules))
	}
	scope := []string{gr("", "dba").Entitlement, gr("", "ops").Entitlement}
	for i, word := range []string{"missing right: write member of cn=dba", "groupBase", "missing right: read uid"} {
		left := slices.Delete(slices.Clone(rules), i, i+1)
		c := opened(t, start(t, option{rights: "access to " + strings.Join(left, "access to ")}), nil)
		k, _ := connectors.AsChecker(c)
		refused(t, errors.Join(k.Check(t.Context(), scope)...), word)
	}
}

func TestCheckChangesNothingAndNamesWhatIsWrong(t *testing.T) {
	s := start(t, option{})
	s.addMember(t, "dba", "uid=alice,"+people)
	names := []string{"dba", "readers", "auditors", "ops"}
	state := func() (out []string) {
		for _, n := range names {
			out = append(out, s.values(t, "cn="+n+","+groupsDN, "entryCSN")...)
			out = append(out, s.values(t, "cn="+n+","+groupsDN, "*")...)
		}
		return out
	}
	before := state()
	c := opened(t, s, nil)
	k, _ := connectors.AsChecker(c)
	var scope []string
	for _, n := range names {
		scope = append(scope, gr("", n).Entitlement)
	}
	ok(t, errors.Join(k.Check(t.Context(), scope)...))
	if after := state(); !slices.Equal(before, after) {
		t.Errorf("%q became %q", before, after)
	}
	refused(t, errors.Join(k.Check(t.Context(), []string{gr("", "absent").Entitlement, gr("", "DBA").Entitlement, "x"})...),
		`group "absent" does not exist`, `named "dba"`, "want key=value")
	c = opened(t, s, connectors.Settings{"password": "wrong-password"})
	k, _ = connectors.AsChecker(c)
	err := errors.Join(k.Check(t.Context(), scope)...)
	refused(t, err, "does not take the reconciler's credentials")
	if strings.Contains(err.Error(), "wrong-password") {
		t.Error("a secret in an error")
	}
}

func TestAValueThatTheServerRefusesKeepsNobodyBack(t *testing.T) {
	s := start(t, option{
		global: "moduleload constraint\n", ldif: manyPeople(700),
		database: "overlay constraint\nconstraint_attribute member regex \"^(uid=(user|alice)[^,]*,.*|cn=nobody)$\"\n",
	})
	c := opened(t, s, nil)
	var all []grants.Grant
	for i := range 700 {
		all = append(all, gr(fmt.Sprintf("user%05d", i), "dba"))
	}
	all = slices.Insert(all, 350, gr("bob", "dba"))
	errs := apply(t, c, acts(all, false))
	refused(t, errs[350], "Constraint Violation", "bob")
	ok(t, errors.Join(slices.Delete(errs, 350, 351)...))
	if n := len(holders(t, c, "dba")); n != 700 {
		t.Errorf("%d members", n)
	}
}

func TestAServerThatLacksARightRefusesEachActByItsName(t *testing.T) {
	s := start(t, option{ldif: manyPeople(300), global: "access to dn.subtree=\"" + people + "\" by dn.exact=\"" + weakDN + "\" read by * break\n"})
	c := opened(t, s, connectors.Settings{"bindDN": weakDN, "password": "weak"})
	s.byHand(t, gr("alice", "dba"), false)
	var all []grants.Grant
	for i := range 300 {
		all = append(all, gr(fmt.Sprintf("user%05d", i), "dba"))
	}
	for i, err := range apply(t, c, acts(all, false)) {
		refused(t, err, all[i].Account, "Insufficient Access Rights")
	}
	refused(t, c.Revoke(t.Context(), gr("alice", "dba")), "doctor names it")
	ok(t, c.Revoke(t.Context(), gr("bob", "dba"))) // already gone, whatever the rights
}

func TestTwoWritersTakeTheLastTwoMembers(t *testing.T) {
	s := start(t, option{})
	a, b := opened(t, s, nil), opened(t, s, nil)
	s.create(t, "cn=two,"+groupsDN, map[string][]string{"objectClass": {"groupOfNames"}, "member": {"uid=alice," + people, "uid=bob," + people}})
	for range 20 {
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i, c := range []connectors.Connector{a, b, a, b} {
			wg.Go(func() { errs[i] = c.Revoke(t.Context(), gr([]string{"alice", "bob", "bob", "alice"}[i], "two")) })
		}
		wg.Wait()
		ok(t, errors.Join(errs...))
		want(t, a, "two")
		ok(t, errors.Join(apply(t, a, acts([]grants.Grant{gr("alice", "two"), gr("bob", "two")}, false))...))
		s.modify(t, "cn=two,"+groupsDN, func(r *ldap.ModifyRequest) { r.Delete(attrMember, []string{nobodyDN}) })
	}
}

func TestWhoMayNotSeeAnythingIsToldSo(t *testing.T) {
	s := start(t, option{})
	c := opened(t, s, connectors.Settings{"bindDN": "uid=alice," + people, "password": "pw-alice"})
	found, err := c.Observe(t.Context(), []string{gr("", "dba").Entitlement})
	refused(t, err, "groupBase", "may not be read")
	if found != nil {
		t.Errorf("%v", found)
	}
	k, _ := connectors.AsChecker(c)
	refused(t, errors.Join(k.Check(t.Context(), []string{gr("", "dba").Entitlement})...), "missing right: read uid of the entries below "+people, "groupBase")
	refused(t, c.Revoke(t.Context(), gr("alice", "dba")), "groupBase")
}

func TestAnOverlappingListIsNamedByCheck(t *testing.T) {
	s := adWorld(t, 1)
	s.put("CN=both,"+adGroups, map[string][]string{"objectClass": {"top", "group", "posixGroup"}, "sAMAccountName": {"both"}})
	scope := []string{gr("", "both").Entitlement}
	k, _ := connectors.AsChecker(adOpen(t, s, nil))
	refused(t, errors.Join(k.Check(t.Context(), scope)...), "more than one list of members", "now: member")
	k, _ = connectors.AsChecker(adOpen(t, s, connectors.Settings{"memberAttribute": "member"}))
	ok(t, errors.Join(k.Check(t.Context(), scope)...))
}

func TestABatchThatIsCutByACrashIsFinishedByTheNext(t *testing.T) {
	s := start(t, option{ldif: manyPeople(250)})
	c := opened(t, s, nil)
	groups := []string{"dba", "readers", "auditors", "ops"}
	var all []grants.Grant
	for i := range 1000 {
		all = append(all, gr(fmt.Sprintf("user%05d", i/4), groups[i%4]))
	}
	count := func() (n int) {
		for _, g := range groups {
			n += len(holders(t, c, g))
		}
		return n
	}
	for _, revoke := range []bool{false, true, false, true} {
		before, done := count(), make(chan struct{})
		go func() {
			defer close(done)
			apply(t, c, acts(all, revoke)) // whether it came through is unknown
		}()
		for started := false; !started; { // as soon as a part shows
			select {
			case <-done:
				started = true
			default:
				started = count() != before
			}
		}
		s.Kill()
		<-done
		s.Restart(t)
		ok(t, errors.Join(apply(t, c, acts(all, revoke))...))
		if n := count(); revoke && n != 0 || !revoke && n != 1000 {
			t.Fatalf("revoke=%v: %d memberships", revoke, n)
		}
	}
}
