package ldap

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestADNHasOneSpelling(t *testing.T) {
	for text, want := range map[string]string{
		"cn=dba,ou=groups,dc=example,dc=com":   "",
		"CN=dba, OU=groups ,DC=example;dc=com": "cn=dba,ou=groups,dc=example,dc=com",
		`cn=a\2cb`:                             `cn=a\,b`,
		`cn=\41`:                               "cn=A",
		`cn=gr\c3\b6\c3\9fe`:                   "cn=größe",
		`cn=a\=b`:                              "cn=a=b",
		`cn=a=b`:                               "",
		`cn=\ a\ `:                             "",
		`cn=\20a\20`:                           `cn=\ a\ `,
		`cn=a\ b`:                              "cn=a b",
		`cn=\#a#`:                              "",
		`cn=\"\+\,\;\<\>\\`:                    "",
		"ou=b+cn=a":                            "cn=a+ou=b",
		"cn=#040161":                           "cn=a",
		`cn=a\00b`:                             "",
		`cn=\ff`:                               "",
		"2.5.4.3=a":                            "",
		"cn=MiXed":                             "",
		"cn=a\u00e9,dc=x":                      "",
		`cn=Last\, First,OU=People,DC=example,DC=x`: `cn=Last\, First,ou=People,dc=example,dc=x`,
	} {
		d, err := parseDN(text)
		ok(t, err)
		if want == "" {
			want = text
		}
		if got := d.String(); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
		_, err = canonicalDN(text)
		if (err == nil) != (want == text) {
			t.Errorf("%s: %v", text, err)
		} else if err != nil {
			refused(t, err, "write")
		}
	}
	for _, bad := range []string{"", " ", "dba", "=x", "cn=", "cn=,dc=x", "cn=a,,dc=x", "cn=a,", `cn=a\`, "c n=a", "cn=a\xff", "a_b=c", `cn=\zz`, "cn=#zz", `c\6e=a`} {
		if d, err := canonicalDN(bad); err == nil {
			t.Errorf("%q passed as %s", bad, d)
		}
	}
}

func TestADNSurvivesItsText(t *testing.T) {
	value := rapid.OneOf(rapid.StringN(1, 8, 40), rapid.StringOfN(rapid.SampledFrom([]rune(` #",+;<>\=a`+"\x00\x7fé")), 1, 6, 40),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 6), func(b []byte) string { return string(b) }))
	part := rapid.Custom(func(t *rapid.T) ava {
		return ava{rapid.SampledFrom([]string{"cn", "ou", "uid", "2.5.4.3"}).Draw(t, "type"), value.Draw(t, "value")}
	})
	rapid.Check(t, func(t *rapid.T) {
		var d dn
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			d.rdns = append(d.rdns, []ava{part.Draw(t, "part")})
		}
		text := d.String()
		back, err := parseDN(text)
		if err != nil || back.String() != text || back.key() != d.key() {
			t.Fatalf("%q became %q became %q: %v", d, text, back, err)
		}
		for i, rdn := range d.rdns {
			if back.rdns[i][0] != rdn[0] {
				t.Fatalf("%q became %q", rdn, back.rdns[i])
			}
		}
	})
}

func TestWhatADirectoryTakesForTheSameHasOneKey(t *testing.T) {
	key := func(text string) string {
		d, err := parseDN(text)
		ok(t, err)
		return d.key()
	}
	for _, same := range [][2]string{
		{"cn=Dba,ou=Groups", "CN=dba, OU=groups"}, {"cn=a  b", "cn=a b"}, {`cn=\ a`, "cn=a"}, {"cn=Größe", "cn=GRÖSSE"},
		{"cn=ou+sn=b", "sn=b+cn=ou"}, {"cn=ｗｉｄｅ", "cn=wide"}, {"cn=e\u0301", "cn=\u00e9"},
	} {
		if key(same[0]) != key(same[1]) {
			t.Errorf("%q and %q differ", same[0], same[1])
		}
	}
	for _, other := range [][2]string{{"cn=a,cn=b", "cn=b,cn=a"}, {"cn=a", "ou=a"}, {"cn=a", "cn=а"}, {`cn=a\,ou=b`, "cn=a,ou=b"}, {"cn=a+ou=b", "cn=a,ou=b"}, {"cn=ab", "cn=a b"}} {
		if key(other[0]) == key(other[1]) {
			t.Errorf("%q and %q are the same", other[0], other[1])
		}
	}
	base, err := parseDN("ou=People,dc=x")
	ok(t, err)
	for text, below := range map[string]bool{
		"uid=a,OU=people,dc=x": true, "uid=a,ou=b,ou=people,dc=x": true, "ou=people,dc=x": false, "uid=a,ou=peoples,dc=x": false,
		"uid=a,dc=x": false, `uid=a\,ou=people,dc=x`: false, "uid=a,ou=people,dc=x,dc=y": false,
	} {
		d, err := parseDN(text)
		ok(t, err)
		if d.below(base) != below {
			t.Errorf("%s below %s: %v", text, base, !below)
		}
	}
}

func TestFiltersAreBoundedAndWhole(t *testing.T) {
	var conditions []string
	for range 999 {
		conditions = append(conditions, equals("uid", strings.Repeat(`*)(uid=*\`, 20)))
	}
	n := 0
	for _, f := range filters(conditions) {
		if len(f) > filterBytes+4 || strings.Contains(f, "*") {
			t.Errorf("%d bytes: %.80s", len(f), f)
		}
		n += strings.Count(f, "(uid=")
	}
	if n != 999 || len(filters(nil)) != 0 {
		t.Errorf("%d conditions", n)
	}
}

func FuzzDN(f *testing.F) {
	for _, s := range []string{"cn=dba,ou=groups,dc=example,dc=com", `cn=a\,b+ou=\ c\20`, "cn=#040161", `cn=\c3\28`, "2.5.4.3=x;dc=y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDN(text)
		if err != nil {
			return
		}
		again, err := parseDN(d.String())
		if err != nil || again.String() != d.String() || again.key() != d.key() {
			t.Fatalf("%q became %q became %q: %v", text, d, again, err)
		}
		if len(d.rdns) > 0 {
			if _, err := canonicalDN(d.String()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
