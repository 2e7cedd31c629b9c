package ldap

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/testserver"
)

const (
	suffix     = "dc=example,dc=com"
	people     = "ou=people," + suffix
	groupsDN   = "ou=groups," + suffix
	tenureDN   = "cn=tenure,ou=services," + suffix
	weakDN     = "cn=weak,ou=services," + suffix
	adminDN    = "cn=admin," + suffix
	schemaDir  = "/etc/ldap/schema"
	nobodyDN   = "cn=nobody"
	tenurePass = "change-me"
)

// slapd is a real OpenLDAP server.
type slapd struct {
	*testserver.Server
	dir, address, secure string // host:port of plain text and of TLS
}

// option changes the configuration of a slapd.
type option struct {
	global, database, ldif string
	rights                 string // default: those that the documentation gives
	durable                bool   // wait for the disk, as servers of people do
}

// start runs a slapd with the rights that the documentation gives, and a scene.
func start(t testing.TB, o option) *slapd {
	t.Helper()
	program, load := testserver.Find(t, "slapd", "slapd"), testserver.Find(t, "slapadd", "slapd")
	dir := t.TempDir()
	ok(t, os.Mkdir(filepath.Join(dir, "db"), 0o700))
	conf := filepath.Join(dir, "slapd.conf")
	sync := "dbnosync\n"
	if o.durable {
		sync = ""
	}
	if o.rights == "" {
		o.rights = rights(t)
	}
	var include strings.Builder
	for _, s := range []string{"core", "cosine", "inetorgperson", "nis"} {
		fmt.Fprintf(&include, "include %s/%s.schema\n", schemaDir, s)
	}
	write(t, conf, include.String()+"modulepath /usr/lib/ldap\nmoduleload back_mdb\n"+o.global+`
access to attrs=userPassword by anonymous auth by * none
`+o.rights+`
access to dn.base="cn=secret,`+suffix+`" by group.exact="cn=dba,`+groupsDN+`" read by * none
access to dn.subtree="`+groupsDN+`" by dn.exact="`+weakDN+`" read by * none
database mdb
suffix "`+suffix+`"
rootdn "`+adminDN+`"
rootpw secret
directory `+filepath.Join(dir, "db")+`
maxsize 1073741824
index objectClass,uid,cn eq
`+sync+o.database)
	ldif := filepath.Join(dir, "scene.ldif")
	write(t, ldif, scene+o.ldif)
	if out, err := exec.Command(load, "-q", "-f", conf, "-l", ldif).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v: %s", err, out)
	}
	s := &slapd{dir: dir, address: testserver.Address(t), secure: testserver.Address(t)}
	listen := "ldap://" + s.address
	if strings.Contains(o.global, "TLSCertificateFile") {
		listen += " ldaps://" + s.secure
	}
	s.Server = testserver.Start(t, testserver.Program{
		Path: program, Args: []string{"-d", "0", "-f", conf, "-h", listen}, Dir: dir, Ready: testserver.Dial(s.address),
	})
	return s
}

// rights returns the rules that the documentation gives for the reconciler's own entry.
func rights(t testing.TB) string {
	text, err := os.ReadFile("../../docs/connectors/ldap.md")
	ok(t, err)
	_, block, found := strings.Cut(string(text), "```text rights\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("the documentation has no rights")
	}
	return block
}

func write(t testing.TB, path, text string) {
	t.Helper()
	ok(t, os.WriteFile(path, []byte(text), 0o600))
}

var scene = `dn: ` + suffix + `
objectClass: domain
dc: example

dn: ` + people + `
objectClass: organizationalUnit
ou: people

dn: ` + groupsDN + `
objectClass: organizationalUnit
ou: groups

dn: ou=services,` + suffix + `
objectClass: organizationalUnit
ou: services

dn: ` + tenureDN + `
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: tenure
userPassword: ` + tenurePass + `

dn: ` + weakDN + `
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: weak
userPassword: weak

dn: cn=secret,` + suffix + `
objectClass: applicationProcess
cn: secret

` + person("alice") + person("bob") + person("carol") + person("dave") +
	namesGroup("dba") + namesGroup("readers") + `dn: cn=auditors,` + groupsDN + `
objectClass: groupOfUniqueNames
cn: auditors
uniqueMember: ` + nobodyDN + `

dn: cn=ops,` + groupsDN + `
objectClass: posixGroup
cn: ops
gidNumber: 2000

`

func person(uid string) string {
	return "dn: uid=" + uid + "," + people + "\nobjectClass: inetOrgPerson\nuid: " + uid + "\ncn: " + uid + "\nsn: " + uid + "\nuserPassword: pw-" + uid + "\n\n"
}

func namesGroup(cn string) string {
	return "dn: cn=" + cn + "," + groupsDN + "\nobjectClass: groupOfNames\ncn: " + cn + "\nmember: " + nobodyDN + "\n\n"
}

// manyPeople is for the scene: user00000 and so on.
func manyPeople(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(person(fmt.Sprintf("user%05d", i)))
	}
	return b.String()
}

// as opens a connection of somebody.
func (s *slapd) as(t testing.TB, who, password string) *ldap.Conn {
	t.Helper()
	l, err := s.login(who, password)
	ok(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func (s *slapd) login(who, password string) (*ldap.Conn, error) {
	raw, err := net.Dial("tcp", s.address)
	if err != nil {
		return nil, err
	}
	l := ldap.NewConn(raw, false)
	l.Start()
	if err := l.Bind(who, password); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func (s *slapd) admin(t testing.TB) *ldap.Conn { return s.as(t, adminDN, "secret") }

// byHand changes a group as the directory's administrator would.
func (s *slapd) byHand(t testing.TB, g grants.Grant, revoke bool) {
	t.Helper()
	pairs, err := connectors.Parse(g.Entitlement)
	ok(t, err)
	attr, value := attrMember, "uid="+g.Account+","+people
	switch pairs["group"] {
	case "auditors":
		attr = attrUniqueMember
	case "ops":
		attr, value = attrMemberUid, g.Account
	}
	req := ldap.NewModifyRequest("cn="+pairs["group"]+","+groupsDN, nil)
	if revoke {
		req.Delete(attr, []string{value})
	} else {
		req.Add(attr, []string{value})
	}
	if err := s.admin(t).Modify(req); !revoke || !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchAttribute) {
		ok(t, err)
	}
}

// create adds an entry; false: the server refuses the name.
func (s *slapd) create(t testing.TB, name string, attributes map[string][]string) bool {
	t.Helper()
	l, err := s.login(adminDN, "secret")
	ok(t, err)
	defer l.Close()
	req := ldap.NewAddRequest(name, nil)
	for k, v := range attributes {
		req.Attribute(k, v)
	}
	err = l.Add(req)
	return err == nil || ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists)
}

func (s *slapd) createPerson(t testing.TB, uid string) bool {
	name := dn{[][]ava{{{"uid", uid}}}}.String() + "," + people
	return s.create(t, name, map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {"x"}, "sn": {"x"}})
}

func (s *slapd) createGroup(t testing.TB, cn string) bool {
	name := dn{[][]ava{{{"cn", cn}}}}.String() + "," + groupsDN
	return s.create(t, name, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {cn}, "member": {nobodyDN}})
}

// values reads an attribute as the administrator.
func (s *slapd) values(t testing.TB, name, attribute string) []string {
	t.Helper()
	res, err := s.admin(t).Search(ldap.NewSearchRequest(name, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{attribute}, nil))
	ok(t, err)
	return res.Entries[0].GetAttributeValues(attribute)
}

func (s *slapd) modify(t testing.TB, name string, change func(*ldap.ModifyRequest)) {
	t.Helper()
	req := ldap.NewModifyRequest(name, nil)
	change(req)
	ok(t, s.admin(t).Modify(req))
}

func (s *slapd) settings(more connectors.Settings) connectors.Settings {
	set := connectors.Settings{
		"url": "ldap://" + s.address, "bindDN": tenureDN, "password": tenurePass,
		"groupBase": groupsDN, "accountBase": people,
	}
	for k, v := range more {
		if set[k] = v; v == nil {
			delete(set, k)
		}
	}
	return set
}

func open(t testing.TB, s *slapd, more connectors.Settings) connectors.Connector {
	t.Helper()
	c, err := Driver{}.Open(t.Context(), "dir", s.settings(more))
	ok(t, err)
	return c
}

func opened(t testing.TB, s *slapd, more connectors.Settings) connectors.Connector {
	c := open(t, s, more)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

func gr(account, group string) grants.Grant {
	return grants.Grant{Target: "dir", Account: account, Entitlement: connectors.Format(map[string]string{"group": group})}
}
