package ldap

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// standin speaks as much LDAP as Active Directory would need for this connector, by
// its specification (MS-ADTS): lists in ranges, pages with a limit, its own answers to
// what is already so, rights in an attribute, referrals at the root of the domain. It
// is not Active Directory. It can also fail in ways that a real server cannot be made to.
type standin struct {
	address   string
	rangeSize int  // members that it gives at once
	pageMax   int  // entries that a search gives at most without pages, and on a page
	readOnly  bool // the caller may not write members
	lists     bool // it computes allowedAttributesEffective

	mu      sync.Mutex
	entries map[string]*adEntry // by folded DN
	usn     int
	seen    []string // requests, such as "search"
	open    int      // connections now
	most    int      // connections at once, at most
	fault   func(request string, nth int) string
	onRange func() // called before each range but the first
	raw     bytes.Buffer
}

type adEntry struct {
	dn    string
	id    dn
	attrs map[string][]string // by name in lower case
}

// startStandin listens until the end of the test.
func startStandin(t testing.TB) *standin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	s := &standin{address: l.Addr().String(), rangeSize: 1500, pageMax: 1000, lists: true, entries: map[string]*adEntry{}}
	var wg sync.WaitGroup
	var conns sync.Map
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(c, true)
			wg.Go(func() {
				defer c.Close()
				s.count(1)
				defer s.count(-1)
				s.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
		wg.Wait()
	})
	return s
}

func (s *standin) count(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += by
	s.most = max(s.most, s.open)
}

func (s *standin) put(name string, attrs map[string][]string) {
	d, err := parseDN(name)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &adEntry{dn: name, id: d, attrs: map[string][]string{}}
	for k, v := range attrs {
		e.attrs[lower(k)] = v
	}
	s.entries[d.key()] = e
}

func (s *standin) find(name string) *adEntry {
	d, err := parseDN(name)
	if err != nil {
		return nil
	}
	return s.entries[d.key()]
}

func (s *standin) requests(kind string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.seen {
		if k == kind {
			n++
		}
	}
	return n
}

var operations = map[ber.Tag]string{0: "bind", 2: "unbind", 3: "search", 6: "modify", 14: "compare", 23: "extended"}

func (s *standin) serve(c net.Conn) {
	for {
		p, err := ber.ReadPacket(io.TeeReader(c, lockedWriter{s}))
		if err != nil || len(p.Children) < 2 {
			return
		}
		id, op := p.Children[0].Value.(int64), p.Children[1]
		kind := operations[op.Tag]
		s.mu.Lock()
		s.seen = append(s.seen, kind)
		fault := ""
		if s.fault != nil {
			n := 0
			for _, k := range s.seen {
				if k == kind {
					n++
				}
			}
			fault = s.fault(kind, n)
		}
		s.mu.Unlock()
		var controls []*ber.Packet
		if len(p.Children) > 2 {
			controls = p.Children[2].Children
		}
		switch {
		case kind == "unbind" || fault == "cut":
			return
		case fault == "hang":
			continue
		case fault == "garbage":
			_, _ = c.Write([]byte("\x30\x84\x00\x00\x00\x05HTTP/1.1 400 Bad Request\r\n\r\n"))
			return
		case strings.HasPrefix(fault, "code "):
			code, _ := strconv.Atoi(fault[5:])
			reply(c, id, op.Tag+1, uint16(code), nil)
			continue
		}
		switch kind {
		case "bind":
			code := uint16(ldap.LDAPResultSuccess)
			if op.Children[2].Data.String() != tenurePass {
				code = ldap.LDAPResultInvalidCredentials
			}
			reply(c, id, 1, code, nil)
		case "search":
			if !s.search(c, id, op, controls, fault) {
				return
			}
		case "modify":
			reply(c, id, 7, s.modify(op, controls), nil)
		case "compare":
			reply(c, id, 15, s.compare(op), nil)
		default:
			reply(c, id, 24, ldap.LDAPResultProtocolError, nil)
		}
	}
}

type lockedWriter struct{ s *standin }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.s.raw.Write(b)
}

func text(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func envelope(id int64, op *ber.Packet, controls ...*ber.Packet) []byte {
	p := ber.NewSequence("")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	if len(controls) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, c := range controls {
			list.AppendChild(c)
		}
		p.AppendChild(list)
	}
	return p.Bytes()
}

func reply(c net.Conn, id int64, tag ber.Tag, code uint16, control *ber.Packet) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	op.AppendChild(text(""))
	op.AppendChild(text(""))
	var controls []*ber.Packet
	if control != nil {
		controls = append(controls, control)
	}
	_, _ = c.Write(envelope(id, op, controls...))
}

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

// modify does all changes or none.
func (s *standin) modify(op *ber.Packet, controls []*ber.Packet) uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(op.Children[0].Data.String())
	if e == nil {
		return ldap.LDAPResultNoSuchObject
	}
	if s.readOnly {
		return ldap.LDAPResultInsufficientAccessRights
	}
	permissive := slices.ContainsFunc(controls, func(c *ber.Packet) bool {
		return c.Children[0].Data.String() == ldap.ControlTypeMicrosoftPermissiveModify
	})
	now := slices.Clone(e.get("member"))
	at := map[string]int{}
	for i, v := range now {
		d, _ := parseDN(v)
		at[d.key()] = i
	}
	gone := map[int]bool{}
	for _, change := range op.Children[1].Children {
		kind, attr := change.Children[0].Value.(int64), change.Children[1]
		if lower(attr.Children[0].Data.String()) != "member" {
			return ldap.LDAPResultObjectClassViolation
		}
		for _, v := range attr.Children[1].Children {
			target := s.find(v.Data.String())
			if target == nil {
				return ldap.LDAPResultNoSuchObject
			}
			d, _ := parseDN(target.dn)
			i, there := at[d.key()]
			there = there && !gone[i]
			switch {
			case kind == ldap.AddAttribute && there && !permissive:
				return ldap.LDAPResultEntryAlreadyExists
			case kind == ldap.DeleteAttribute && !there && !permissive:
				return ldap.LDAPResultUnwillingToPerform
			case kind == ldap.AddAttribute && !there:
				at[d.key()] = len(now)
				now = append(now, target.dn)
			case kind == ldap.DeleteAttribute && there:
				gone[i] = true
			}
		}
	}
	var left []string
	for i, v := range now {
		if !gone[i] {
			left = append(left, v)
		}
	}
	s.usn++
	e.attrs["member"], e.attrs["usnchanged"] = left, []string{strconv.Itoa(s.usn)}
	return ldap.LDAPResultSuccess
}

func (s *standin) compare(op *ber.Packet) uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(op.Children[0].Data.String())
	if e == nil {
		return ldap.LDAPResultNoSuchObject
	}
	all := e.get(op.Children[1].Children[0].Data.String())
	if len(all) == 0 {
		return ldap.LDAPResultNoSuchAttribute
	}
	want, _ := parseDN(op.Children[1].Children[1].Data.String())
	for _, v := range all {
		if d, _ := parseDN(v); d.key() == want.key() {
			return ldap.LDAPResultCompareTrue
		}
	}
	return ldap.LDAPResultCompareFalse
}
