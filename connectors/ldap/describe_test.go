package ldap

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
)

func TestTheSchemaOfEntitlementsAgreesWithCanonical(t *testing.T) {
	conformance.SchemasAgree(t, Driver{}, []connectors.Spec{
		{}, {"group": "dba"}, {"group": ""}, {"group": 7}, {"group": strings.Repeat("x", 1024)}, {"group": strings.Repeat("x", 1025)}, {"group": "a=b"},
		{"groupDN": "cn=dba,dc=example,dc=com"}, {"groupDN": "dba"}, {"groupDN": "CN=dba"}, {"groupDN": ""}, {"groupDN": "cn="}, {"groupDN": "cn= a"},
		{"group": "dba", "groupDN": "cn=dba"}, {"group": "dba", "dn": "x"}, {"groupDN": []any{"cn=dba"}},
	}, nil)
}

// good are settings that Open takes.
func good(more connectors.Settings) connectors.Settings {
	set := connectors.Settings{
		"url": "ldaps://dir.example.com", "bindDN": "cn=tenure,dc=example,dc=com", "password": "hunter2",
		"groupBase": "ou=groups,dc=example,dc=com", "accountBase": "ou=people,dc=example,dc=com",
	}
	for k, v := range more {
		if set[k] = v; v == nil {
			delete(set, k)
		}
	}
	return set
}

func TestTheSchemaOfSettingsAgreesWithOpen(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue(t, loopback)
	list := []connectors.Settings{{}, good(nil), good(connectors.Settings{"dsn": "x"})}
	for _, more := range []connectors.Settings{
		{"url": "ldap://dir.example.com:1389"}, {"url": "ldap://[::1]:1389/"}, {"url": "dir.example.com"}, {"url": "http://dir.example.com"}, {"url": "ldap://user@dir"},
		{"url": "ldap://"}, {"url": "ldap://h/dc=x"}, {"url": "ldap://h?x"}, {"url": nil}, {"password": ""}, {"password": nil}, {"passwordFile": "/dev/null"},
		{"bindDN": nil}, {"bindDN": "tenure"}, {"bindDN": nil, "password": nil}, {"bindDN": nil, "password": nil, "clientCertificate": cert, "clientKey": key},
		{"clientCertificate": cert, "clientKey": key}, {"ca": a.pem}, {"ca": ""}, {"ca": a.pem, "caFile": "/dev/null"}, {"url": "ldap://h", "plainText": "true"}, {"plainText": "yes"},
		{"groupBase": nil}, {"groupBase": ""}, {"groupBase": "groups"}, {"accountBase": nil}, {"accountBase": "people"}, {"placeholder": "nobody"}, {"placeholder": "cn=none,dc=x"},
		{"groupBy": "name"}, {"groupBy": "dn"}, {"groupBy": "id"}, {"groupAttribute": "sAMAccountName"}, {"groupAttribute": "c n"}, {"groupAttribute": "cn)(x"}, {"accountAttribute": "mail"},
		{"accountAttribute": ""}, {"memberAttribute": "member"}, {"memberAttribute": "owner"}, {"accountFilter": "(objectClass=person)"}, {"accountFilter": "objectClass=person"},
		{"groups": []any{"dba"}}, {"groups": []any{""}}, {"groups": "dba"}, {"ignoreReferrals": true}, {"ignoreReferrals": 1}, {"maxConns": 0}, {"maxConns": 101}, {"maxConns": "8"},
	} {
		list = append(list, good(more))
	}
	conformance.SchemasAgree(t, Driver{}, nil, list)
}

func TestSettingsAreStrictAndKeepSecrets(t *testing.T) {
	for _, bad := range []struct {
		more connectors.Settings
		word string
	}{
		{connectors.Settings{"password": ""}, "password is missing or empty"},
		{connectors.Settings{"bindDN": nil}, "password is given without bindDN"},
		{connectors.Settings{"url": "ldaps://hunter2@dir.example.com"}, "url must be"},
		{connectors.Settings{"url": "ldaps://dir.example.com", "plainText": true}, "keep one"},
		{connectors.Settings{"url": "ldap://dir.example.com", "plainText": true, "ca": "hunter2"}, "keep one"},
		{connectors.Settings{"ca": "hunter2"}, "no certificate in PEM"},
		{connectors.Settings{"clientCertificate": "hunter2"}, "go together"},
		{connectors.Settings{"clientCertificate": "hunter2", "clientKey": "hunter2"}, "in PEM"},
		{connectors.Settings{"accountFilter": "(hunter2"}, "accountFilter must be"},
		{connectors.Settings{"groupBase": "hunter2"}, "groupBase must be a DN"},
		{connectors.Settings{"placeholder": "uid=nobody,OU=People,dc=example,dc=com"}, "must not be below accountBase"},
		{connectors.Settings{"placeholder": "CN=tenure,dc=example,dc=com"}, "the reconciler's own"},
		{connectors.Settings{"groups": []string{" dba"}}, "setting groups"},
		{connectors.Settings{"groupBy": "dn", "groups": []string{"dba"}}, "setting groups"},
		{connectors.Settings{"groupBy": "dn", "groups": []string{"CN=dba"}}, "write"},
		{connectors.Settings{"maxConns": "x"}, "whole number"},
		{connectors.Settings{"pasword": "hunter2"}, "did you mean"},
	} {
		_, err := Driver{}.Open(t.Context(), "dir", good(bad.more))
		refused(t, err, bad.word)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret in %q", err)
		}
	}
	set := good(nil)
	before := maps.Clone(set)
	c, err := Driver{}.Open(t.Context(), "dir", set) // no server is there
	ok(t, err)
	ok(t, c.Close())
	if !maps.Equal(before, set) {
		t.Error("Open changed its argument")
	}
}

func TestThePageAndTheSchemaNameEverySettingAndNoOther(t *testing.T) {
	want := map[string]bool{"connector": true}
	for i := range reflect.TypeFor[settings]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[settings]().Field(i).Tag.Get("setting"), ",")
		want[name] = true
		if !strings.Contains(string(settingsSchema), `"`+name+`": {`) {
			t.Errorf("the schema does not know %s", name)
		}
	}
	text, err := os.ReadFile("../../docs/connectors/ldap.md")
	ok(t, err)
	_, page, _ := strings.Cut(string(text), "## Settings")
	page, _, _ = strings.Cut(page, "### ")
	got := map[string]bool{}
	for line := range strings.Lines(page) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && cells[0] == "" {
			for i, part := range strings.Split(cells[1], "`") {
				if i%2 == 1 {
					got[part] = true
				}
			}
		}
	}
	if !maps.Equal(want, got) {
		t.Errorf("the page names %v, the code %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}
