package ldap

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// benchWorld is a slapd that waits for its disk, with 2,500 people, of whom 2,000 are
// members of one group.
func benchWorld(b *testing.B) (*slapd, connectors.Connector, []grants.Grant) {
	s := start(b, option{ldif: manyPeople(2500), durable: true})
	c := opened(b, s, nil)
	var all []grants.Grant
	for i := range 2500 {
		all = append(all, gr(fmt.Sprintf("user%05d", i), "dba"))
	}
	ok(b, errors.Join(apply(b, c, acts(all[:1000], false))...))
	ok(b, errors.Join(apply(b, c, acts(all[1000:2000], false))...))
	return s, c, all
}

// BenchmarkObserve2000Members is compared with one search for each member.
func BenchmarkObserve2000Members(b *testing.B) {
	s, c, all := benchWorld(b)
	const sample = 200
	l := s.as(b, tenureDN, tenurePass)
	began := time.Now()
	for _, g := range all[:sample] {
		_, err := l.Search(ldap.NewSearchRequest("uid="+g.Account+","+people, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"uid"}, nil))
		ok(b, err)
	}
	single := time.Since(began) * time.Duration(2000) / sample
	for b.Loop() {
		found, err := c.Observe(b.Context(), []string{all[0].Entitlement})
		ok(b, err)
		if len(found) != 2000 {
			b.Fatal(len(found))
		}
	}
	b.ReportMetric(float64(single)/(float64(b.Elapsed())/float64(b.N)), "x-faster-than-one-search-a-member")
}

// BenchmarkApply1000InAGroupOf2000 grants 500 and revokes 500 in a group of 2,000, and is
// compared with one request for each value.
func BenchmarkApply1000InAGroupOf2000(b *testing.B) {
	s, c, all := benchWorld(b)
	const sample = 50
	l := s.as(b, tenureDN, tenurePass)
	began := time.Now()
	for _, g := range all[2000 : 2000+sample/2] {
		for _, op := range []func(*ldap.ModifyRequest, string, []string){(*ldap.ModifyRequest).Add, (*ldap.ModifyRequest).Delete} {
			req := ldap.NewModifyRequest("cn=dba,"+groupsDN, nil)
			op(req, attrMember, []string{"uid=" + g.Account + "," + people})
			ok(b, l.Modify(req))
		}
	}
	single := time.Since(began) * 1000 / sample
	out, in := all[:500], all[2000:]
	for b.Loop() {
		ok(b, errors.Join(apply(b, c, append(acts(out, true), acts(in, false)...))...))
		out, in = in, out
	}
	b.ReportMetric(float64(single)/(float64(b.Elapsed())/float64(b.N)), "x-faster-than-one-request-a-value")
}
