package ldap

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// search answers one page. False: the connection is to be cut.
func (s *standin) search(c net.Conn, id int64, op *ber.Packet, controls []*ber.Packet, fault string) bool {
	s.mu.Lock()
	base, scope := op.Children[0].Data.String(), op.Children[1].Value.(int64)
	var wanted []string
	for _, a := range op.Children[7].Children {
		wanted = append(wanted, a.Data.String())
	}
	if s.onRange != nil && slices.ContainsFunc(wanted, func(a string) bool { return strings.Contains(a, ";range=") }) {
		s.onRange()
	}
	at, err := parseDN(base)
	var found []*adEntry
	matches, root := filterOf(op.Children[6]), at.key()
	for key, e := range s.entries {
		if matches(e) && (key == root || scope == 2 && e.id.below(at)) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(x, y *adEntry) int { return strings.Compare(x.dn, y.dn) })
	exists := s.entries[at.key()] != nil || scope == 2
	page, offset, paged := s.pageMax, 0, false
	for _, ctl := range controls {
		if ctl.Children[0].Data.String() == ldap.ControlTypePaging {
			value := ber.DecodePacket(ctl.Children[len(ctl.Children)-1].Data.Bytes())
			page, paged = min(page, int(value.Children[0].Value.(int64))), true
			offset, _ = strconv.Atoi(value.Children[1].Data.String())
		}
	}
	rest := found[min(offset, len(found)):]
	if len(rest) > page {
		rest = rest[:page]
	}
	var out []byte
	for i, e := range rest {
		if fault == "half" && i == len(rest)/2 {
			s.mu.Unlock()
			_, _ = c.Write(out)
			return false
		}
		out = append(out, envelope(id, s.entry(e, wanted))...)
	}
	if strings.HasPrefix(lower(base), "dc=") && scope == 2 && offset == 0 {
		ref := ber.Encode(ber.ClassApplication, ber.TypeConstructed, 19, nil, "")
		ref.AppendChild(text("ldap://DomainDnsZones.example.com/DC=DomainDnsZones,DC=example,DC=com"))
		out = append(out, envelope(id, ref)...)
	}
	s.mu.Unlock()
	_, _ = c.Write(out)
	switch {
	case err != nil:
		reply(c, id, 5, ldap.LDAPResultInvalidDNSyntax, nil)
	case !exists:
		reply(c, id, 5, ldap.LDAPResultNoSuchObject, nil)
	case !paged && len(found) > page:
		reply(c, id, 5, ldap.LDAPResultSizeLimitExceeded, nil)
	case paged:
		next := ldap.NewControlPaging(0)
		if offset+len(rest) < len(found) {
			next.SetCookie([]byte(strconv.Itoa(offset + len(rest))))
		}
		reply(c, id, 5, ldap.LDAPResultSuccess, next.Encode())
	default:
		reply(c, id, 5, ldap.LDAPResultSuccess, nil)
	}
	return true
}

func (e *adEntry) get(attribute string) []string {
	return e.attrs[lower(attribute)]
}

// entry writes an entry with the attributes that are asked for by name.
func (s *standin) entry(e *adEntry, wanted []string) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, 4, nil, "")
	op.AppendChild(text(e.dn))
	list := ber.NewSequence("")
	add := func(name string, vals []string) {
		if len(vals) == 0 {
			return
		}
		a := ber.NewSequence("")
		a.AppendChild(text(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range vals {
			set.AppendChild(text(v))
		}
		a.AppendChild(set)
		list.AppendChild(a)
	}
	for _, name := range wanted {
		plainName, bounds, isRange := strings.Cut(name, ";range=")
		all := e.get(plainName)
		switch {
		case lower(name) == lower(effectiveAttr) && s.lists:
			writable := []string{"description"}
			if !s.readOnly {
				writable = append(writable, "member")
			}
			add(name, writable)
		case lower(plainName) == "member" && (isRange || len(all) > s.rangeSize):
			lo, _, _ := strings.Cut(bounds, "-")
			from, _ := strconv.Atoi(lo)
			from = min(from, len(all))
			end, hi := from+s.rangeSize, ""
			if end >= len(all) {
				end, hi = len(all), "*"
			} else {
				hi = strconv.Itoa(end - 1)
			}
			add(fmt.Sprintf("member;range=%d-%s", from, hi), all[from:end])
		default:
			add(name, all)
		}
	}
	op.AppendChild(list)
	return op
}

// filterOf makes a test of a filter. Alternatives of equality are looked up at once.
func filterOf(f *ber.Packet) func(*adEntry) bool {
	var parts []func(*adEntry) bool
	equal := map[string]map[string]bool{}
	add := func(x *ber.Packet) {
		attr, value := lower(x.Children[0].Data.String()), strings.ToLower(x.Children[1].Data.String())
		if equal[attr] == nil {
			equal[attr] = map[string]bool{}
		}
		equal[attr][value] = true
	}
	switch f.Tag {
	case ldap.FilterAnd, ldap.FilterNot:
		for _, x := range f.Children {
			parts = append(parts, filterOf(x))
		}
		return func(e *adEntry) bool {
			all := !slices.ContainsFunc(parts, func(p func(*adEntry) bool) bool { return !p(e) })
			return all == (f.Tag == ldap.FilterAnd)
		}
	case ldap.FilterPresent:
		return func(e *adEntry) bool { return len(e.get(f.Data.String())) > 0 }
	case ldap.FilterEqualityMatch:
		add(f)
	case ldap.FilterOr:
		for _, x := range f.Children {
			if x.Tag == ldap.FilterEqualityMatch {
				add(x)
			} else {
				parts = append(parts, filterOf(x))
			}
		}
	}
	return func(e *adEntry) bool {
		for attr, set := range equal {
			if slices.ContainsFunc(e.attrs[attr], func(v string) bool { return set[strings.ToLower(v)] }) {
				return true
			}
		}
		return slices.ContainsFunc(parts, func(p func(*adEntry) bool) bool { return p(e) })
	}
}
