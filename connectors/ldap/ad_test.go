package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

const (
	adPeople = "OU=People,DC=example,DC=com"
	adGroups = "OU=Groups,DC=example,DC=com"
)

func adUser(i int) (login, name string) {
	return fmt.Sprintf("user%04d", i), fmt.Sprintf(`CN=Last\, First %04d,%s`, i, adPeople)
}

// adWorld is a stand-in with n people and some groups.
func adWorld(t testing.TB, n int) *standin {
	s := startStandin(t)
	for _, ou := range []string{adPeople, adGroups} {
		s.put(ou, map[string][]string{"objectClass": {"top", "organizationalUnit"}})
	}
	for i := range n {
		login, name := adUser(i)
		s.put(name, map[string][]string{
			"objectClass": {"top", "person", "organizationalPerson", "user"},
			"cn":          {fmt.Sprintf("Last, First %04d", i)}, "sAMAccountName": {login}, "userPrincipalName": {login + "@example.com"},
		})
	}
	for _, g := range []string{"dba", "readers", "Domain Admins"} {
		s.put("CN="+g+","+adGroups, map[string][]string{"objectClass": {"top", "group"}, "cn": {g}, "sAMAccountName": {g}, "uSNChanged": {"1"}})
	}
	s.find("CN=Domain Admins," + adGroups).attrs["iscriticalsystemobject"] = []string{"TRUE"}
	return s
}

func adOpen(t testing.TB, s *standin, more connectors.Settings) connectors.Connector {
	t.Helper()
	set := connectors.Settings{
		"url": "ldap://" + s.address, "bindDN": "CN=tenure,OU=Services,DC=example,DC=com", "password": tenurePass,
		"groupBase": adGroups, "groupAttribute": "sAMAccountName", "accountBase": adPeople, "accountAttribute": "sAMAccountName",
	}
	for k, v := range more {
		set[k] = v
	}
	c, err := Driver{}.Open(t.Context(), "dir", set)
	ok(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func adAll(n int, group string) (all []grants.Grant) {
	for i := range n {
		login, _ := adUser(i)
		all = append(all, gr(login, group))
	}
	return all
}

func TestActiveDirectoryGivesLongListsInRanges(t *testing.T) {
	s := adWorld(t, 1300)
	s.rangeSize = 400 // 1,500 in the real one
	c := adOpen(t, s, nil)
	all := adAll(1300, "dba")
	for part := range slices.Chunk(all, 1000) {
		ok(t, errors.Join(apply(t, c, acts(part, false))...))
		ok(t, errors.Join(apply(t, c, acts(part, false))...)) // again: nothing to do
	}
	if got := holders(t, c, "dba"); len(got) != 1300 || got[0] != "user0000" || got[1299] != "user1299" {
		t.Fatalf("%d members", len(got))
	}
	for part := range slices.Chunk(all, 1000) {
		ok(t, errors.Join(apply(t, c, acts(part, true))...))
		ok(t, errors.Join(apply(t, c, acts(part, true))...))
	}
	want(t, c, "dba")
}

func TestAGroupThatChangesWhileItsRangesAreReadIsReadAgain(t *testing.T) {
	s := adWorld(t, 40)
	s.rangeSize = 10
	c := adOpen(t, s, nil)
	ok(t, errors.Join(apply(t, c, acts(adAll(40, "dba"), false))...))
	times := 0
	dba := s.find("CN=dba," + adGroups)
	s.onRange = func() { // the first member goes, and all others move up
		if times++; times <= 3 {
			dba.attrs["member"] = dba.attrs["member"][1:]
			s.usn++
			dba.attrs["usnchanged"] = []string{fmt.Sprint(s.usn)}
		}
	}
	if got := holders(t, c, "dba"); len(got) != 37 {
		t.Errorf("%d members", len(got))
	}
	times = -1000
	_, err := c.Observe(t.Context(), []string{gr("", "dba").Entitlement})
	refused(t, err, "changed 5 times while its members were read")
}

func TestActiveDirectorysWordsForAlreadySo(t *testing.T) {
	s := adWorld(t, 3)
	c := adOpen(t, s, nil).(*connector)
	g := group{dn: "CN=dba," + adGroups, attr: attrMember}
	_, name := adUser(0)
	// Without the control, which old servers lack, it answers 68 and 53.
	for _, remove := range []bool{false, true} {
		for range 2 {
			m := &modifier{connector: c, group: g, remove: remove, errs: map[string]error{}}
			s.mu.Lock()
			s.fault = func(request string, _ int) string {
				if request == "modify" {
					held := len(s.find(g.dn).get("member")) > 0
					switch {
					case held && !remove:
						return "code 68"
					case !held && remove:
						return "code 53"
					}
				}
				return ""
			}
			s.mu.Unlock()
			ok(t, m.change(t.Context(), []string{name}))
			if len(m.errs) != 0 {
				t.Errorf("remove=%v: %v", remove, m.errs)
			}
		}
	}
}

func TestGroupsOfAdministratorsMustBeListed(t *testing.T) {
	s := adWorld(t, 2)
	g := gr("user0000", "Domain Admins")
	c := adOpen(t, s, nil)
	refused(t, c.Grant(t.Context(), g, time.Time{}), "administrators' groups")
	s.find("CN=readers," + adGroups).attrs["admincount"] = []string{"1"}
	refused(t, c.Grant(t.Context(), gr("user0000", "readers"), time.Time{}), "administrators' groups")
	ok(t, c.Revoke(t.Context(), g))
	c = adOpen(t, s, connectors.Settings{"groups": []string{"Domain Admins"}})
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	want(t, c, "Domain Admins", "user0000")
}

func TestActiveDirectorySaysItselfWhatMayBeWritten(t *testing.T) {
	s := adWorld(t, 1)
	c := adOpen(t, s, nil)
	k, _ := connectors.AsChecker(c)
	ok(t, errors.Join(k.Check(t.Context(), []string{gr("", "dba").Entitlement})...))
	s.mu.Lock()
	s.readOnly = true
	s.mu.Unlock()
	refused(t, errors.Join(k.Check(t.Context(), []string{gr("", "dba").Entitlement})...), "missing right: write member of CN=dba,"+adGroups)
	if n := s.requests("modify"); n != 0 {
		t.Errorf("%d changes were tried", n)
	}
}

func TestPagesOfAServerWithALimit(t *testing.T) {
	s := adWorld(t, 500)
	s.pageMax = 7
	c := adOpen(t, s, connectors.Settings{"accountAttribute": "userPrincipalName"})
	var all []grants.Grant
	for i := range 500 {
		login, _ := adUser(i)
		all = append(all, gr(login+"@example.com", "dba"))
	}
	ok(t, errors.Join(apply(t, c, acts(all, false))...))
	if n := len(holders(t, c, "dba")); n != 500 {
		t.Errorf("%d members", n)
	}
}

func TestTheRootOfADomainRefersElsewhere(t *testing.T) {
	s := adWorld(t, 2)
	set := connectors.Settings{"accountBase": "DC=example,DC=com"}
	refused(t, adOpen(t, s, set).Grant(t.Context(), gr("user0000", "dba"), time.Time{}), "another server", "DomainDnsZones")
	set["ignoreReferrals"] = true
	c := adOpen(t, s, set)
	ok(t, c.Grant(t.Context(), gr("user0000", "dba"), time.Time{}))
	want(t, c, "dba", "user0000")
}

// faulty opens a stand-in that fails from the next request on.
func faulty(t *testing.T, fault func(request string, nth int) string) (*standin, connectors.Connector) {
	s := adWorld(t, 300)
	var members []string
	for i := range 300 {
		_, name := adUser(i)
		members = append(members, name)
	}
	s.find("CN=dba," + adGroups).attrs["member"] = members
	c := adOpen(t, s, nil)
	ok(t, c.Grant(t.Context(), gr("user0000", "dba"), time.Time{})) // so that a connection is kept
	s.mu.Lock()
	s.seen, s.fault = nil, fault
	s.mu.Unlock()
	return s, c
}

func TestWhatFailsOnceIsTriedAgain(t *testing.T) {
	for _, f := range []string{"cut", "half", "garbage", "code 51", "code 52"} {
		s, c := faulty(t, func(request string, nth int) string {
			if nth == 1 && request != "bind" {
				return f
			}
			return ""
		})
		if n := len(holders(t, c, "dba")); n != 300 {
			t.Errorf("%s: %d members", f, n)
		}
		ok(t, c.Revoke(t.Context(), gr("user0000", "dba")))
		if n := s.requests("search"); n > 12 {
			t.Errorf("%s: %d searches", f, n)
		}
	}
}

func TestWhatGoesOnFailingIsAnErrorAndNeverAPart(t *testing.T) {
	for _, f := range []string{"cut", "half", "garbage", "code 51", "code 1", "code 3", "code 4", "code 11", "code 80", "code 10"} {
		for from := 1; from <= 3; from++ { // the groups, the first and the second search of accounts
			t.Run(fmt.Sprint(f, " from ", from), func(t *testing.T) {
				t.Parallel()
				s, c := faulty(t, func(request string, nth int) string {
					if request == "search" && nth >= from {
						return f
					}
					return ""
				})
				found, err := c.Observe(t.Context(), []string{gr("", "dba").Entitlement})
				if err == nil || found != nil {
					t.Errorf("%d grants, %v", len(found), err)
				}
				if n := s.requests("search"); n > 20 {
					t.Errorf("%d searches", n)
				}
			})
		}
	}
}

func TestARefusedChangeIsAnErrorOfEachAct(t *testing.T) {
	for f, word := range map[string]string{"code 50": "doctor names it", "code 10": "set url to the one that takes changes", "code 53": "Unwilling", "code 51": "Busy", "cut": "EOF", "code 13": "wants TLS"} {
		_, c := faulty(t, func(request string, nth int) string {
			if request == "modify" {
				return f
			}
			return ""
		})
		for i, err := range apply(t, c, acts(adAll(20, "dba"), true)) {
			login, _ := adUser(i)
			refused(t, err, login, word)
		}
	}
}

func TestACallEndsWithItsContextAlthoughTheServerHangs(t *testing.T) {
	_, c := faulty(t, func(request string, nth int) string {
		if request != "bind" {
			return "hang"
		}
		return ""
	})
	for _, call := range []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := c.Observe(ctx, []string{gr("", "dba").Entitlement})
			return err
		},
		func(ctx context.Context) error { return c.Grant(ctx, gr("user0000", "dba"), time.Time{}) },
		func(ctx context.Context) error { return c.Revoke(ctx, gr("user0000", "dba")) },
		func(ctx context.Context) error { return errors.Join(c.(*connector).Check(ctx, nil)...) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		cancel()
	}
}

func TestALoginThatHangsEndsWithItsContext(t *testing.T) {
	s := adWorld(t, 1)
	s.fault = func(string, int) string { return "hang" }
	c := adOpen(t, s, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Grant(ctx, gr("user0000", "dba"), time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestThePoolIsBounded(t *testing.T) {
	s := adWorld(t, 50)
	c := adOpen(t, s, connectors.Settings{"maxConns": 2})
	var wg sync.WaitGroup
	errs := make([]error, 30)
	for i := range errs {
		wg.Go(func() {
			login, _ := adUser(i)
			errs[i] = c.Grant(t.Context(), gr(login, "dba"), time.Time{})
		})
	}
	wg.Wait()
	ok(t, errors.Join(errs...))
	if n := len(holders(t, c, "dba")); n != 30 || s.most > 2 {
		t.Errorf("%d members over %d connections", n, s.most)
	}
	if n := s.requests("bind"); n > 2 {
		t.Errorf("%d logins", n)
	}
	ok(t, c.Close())
	refused(t, c.Grant(t.Context(), gr("user0000", "dba"), time.Time{}), "closed")
}

func TestManyActsAreFewRequests(t *testing.T) {
	s := adWorld(t, 1000)
	c := adOpen(t, s, nil)
	list := acts(adAll(1000, "dba"), false)
	ok(t, errors.Join(apply(t, c, list)...))
	if n, m := s.requests("search"), s.requests("modify"); n > 6 || m != 2 {
		t.Errorf("%d searches and %d changes for 1,000 grants", n, m)
	}
}

func TestASecretIsInNoError(t *testing.T) {
	s := adWorld(t, 1)
	c := adOpen(t, s, connectors.Settings{"password": "hunter2"})
	err := c.Grant(t.Context(), gr("user0000", "dba"), time.Time{})
	refused(t, err, "log in as CN=tenure", "does not take the reconciler's credentials")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}
