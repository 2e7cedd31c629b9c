package ldap

import (
	"bytes"
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
