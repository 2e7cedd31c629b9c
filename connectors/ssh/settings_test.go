package ssh

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
)

const (
	hostKey  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
	aliceKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6YWJjZGVm"
	// A key that was made for this test and is used nowhere.
	privateKey = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACAw+Ug8bf5h+qvXuy6idBvK0Ld5G87H0QosGY7KnoRJpQAAAIgkT09xJE9P
cQAAAAtzc2gtZWQyNTUxOQAAACAw+Ug8bf5h+qvXuy6idBvK0Ld5G87H0QosGY7KnoRJpQ
AAAECfBiL5+nqr9nG67RGK2byF9xvmF/V1nsZb0iRhG5TixTD5SDxt/mH6q9e7LqJ0G8rQ
t3kbzsfRCiwZjsqehEmlAAAAAAECAwQF
-----END OPENSSH PRIVATE KEY-----
`
)

func base(more connectors.Settings) connectors.Settings {
	set := connectors.Settings{
		"hosts": map[string]any{"web-1": "web-1.example.com"}, "key": privateKey, "hostKeys": map[string]any{"web-1": hostKey},
	}
	for k, v := range more {
		if set[k] = v; v == nil {
			delete(set, k)
		}
	}
	return set
}

func texts(pairs ...string) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func TestTheSchemasAgreeWithTheCode(t *testing.T) {
	var specs []connectors.Spec
	for _, name := range []any{"docker", "Docker", "", "-x", "_x", "x_1-", strings.Repeat("x", 32), strings.Repeat("x", 33), "root", "a b", "é", 1, nil, []any{"a"}} {
		for _, kind := range kinds {
			specs = append(specs, connectors.Spec{"host": "web-1", kind: name})
		}
		specs = append(specs, connectors.Spec{"host": name, "group": "docker"})
	}
	specs = append(specs, connectors.Spec{}, connectors.Spec{"host": "web-1"}, connectors.Spec{"group": "x"},
		connectors.Spec{"host": "web-1", "group": "x", "sudo": "x"}, connectors.Spec{"host": "web-1", "group": "x", "user": "x"},
		connectors.Spec{"host": "a.b-c.1", "sudo": "x"}, connectors.Spec{"host": "a.", "sudo": "x"}, connectors.Spec{"host": strings.Repeat("a", 64), "sudo": "x"})
	conformance.SchemasAgree(t, Driver{}, specs, []connectors.Settings{
		{}, base(nil), base(connectors.Settings{"hosts": nil}), base(connectors.Settings{"hosts": map[string]any{}}), base(connectors.Settings{"key": nil}),
		base(connectors.Settings{"keyFile": "/dev/null"}), base(connectors.Settings{"hosts": texts("Web", "x")}), base(connectors.Settings{"hosts": texts("web-1", "a@b")}),
		base(connectors.Settings{"hosts": texts("web-1", "")}), base(connectors.Settings{"hosts": map[string]any{"web-1": 7}}),
		base(connectors.Settings{"retired": []any{"web-9"}}), base(connectors.Settings{"retired": []any{"-"}}), base(connectors.Settings{"user": "Root"}), base(connectors.Settings{"user": "root"}),
		base(connectors.Settings{"groups": []any{"docker"}}), base(connectors.Settings{"groups": []any{"Docker"}}), base(connectors.Settings{"groups": "docker"}),
		base(connectors.Settings{"logins": []any{"deploy"}, "keys": texts("alice", aliceKey)}), base(connectors.Settings{"logins": []any{"root"}, "keys": texts("alice", aliceKey)}),
		base(connectors.Settings{"sudo": texts("x", "ALL=(root) /bin/true")}), base(connectors.Settings{"sudo": texts("X", "ALL=(root) /bin/true")}), base(connectors.Settings{"sudo": texts("x", "")}),
		base(connectors.Settings{"keys": texts("alice", aliceKey), "keysFile": "/x"}), base(connectors.Settings{"keysFile": "/x"}), base(connectors.Settings{"keys": texts("Alice", aliceKey)}),
		base(connectors.Settings{"parallel": 0}), base(connectors.Settings{"parallel": 1000}), base(connectors.Settings{"parallel": 1001}), base(connectors.Settings{"timeout": "5s"}), base(connectors.Settings{"timeout": "soon"}),
		base(connectors.Settings{"password": "x"}), base(connectors.Settings{"knownHosts": "", "knownHostsFile": "/dev/null"}),
	})
}

func TestSettingsAreStrictAndKeepSecrets(t *testing.T) {
	for word, more := range map[string]connectors.Settings{
		"setting key is not a private key":               {"key": "hunter2"},
		"setting certificate must be one line":           {"certificate": "hunter2"},
		"setting certificate holds a key":                {"certificate": aliceKey},
		"nothing is trusted at first sight":              {"hostKeys": nil},
		"the key of \"web-1\" must be such as":           {"hostKeys": texts("web-1", "hunter2")},
		"the key of \"web-1\" is empty":                  {"hostKeys": texts("web-1", "\n")},
		"names \"web-2\", which setting hosts does not":  {"hostKeys": texts("web-1", hostKey, "web-2", hostKey)},
		"knownHosts is not in the form":                  {"knownHosts": "hunter2"},
		"have the same address":                          {"hosts": texts("web-1", "a", "web-2", "a:22")},
		"in the settings hosts and retired":              {"retired": []any{"web-1"}},
		"needs the public keys of accounts":              {"logins": []any{"deploy"}},
		"the user that the reconciler itself logs in as": {"logins": []any{"tenure"}, "keys": texts("alice", aliceKey)},
		"nobody logs in as root":                         {"logins": []any{"root"}, "keys": texts("alice", aliceKey)},
		"\"alice\" and \"bob\" have the same key":        {"keys": texts("alice", aliceKey, "bob", aliceKey+" other")},
		"without options":                                {"keys": texts("alice", `command="x" `+aliceKey)},
		"the key of \"alice\" must":                      {"keys": texts("alice", "hunter2")},
		"keys and keysFile are both given":               {"keys": texts("alice", aliceKey), "keysFile": "/x"},
		"have the same rule":                             {"sudo": texts("a", "ALL=(root) /bin/true", "b", "ALL=(root)  /bin/true")},
		"unknown setting":                                {"hostKey": "x"},
	} {
		_, err := Driver{}.Open(t.Context(), "web", base(more))
		if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v", word, err)
		}
	}
}

func TestRulesOfSudoAreOneRule(t *testing.T) {
	for rule, good := range map[string]bool{
		"ALL=(root) NOPASSWD: /usr/bin/systemctl restart nginx": true,
		"ALL=(ALL:ALL) ALL": true,
		"web-1,web-2 = (www:www) /bin/a, !/bin/b, NOPASSWD: SETENV: /bin/c": true,
		"ALL=(root) sha256:0a1b /bin/a":                                     true,
		`ALL=(root) /bin/chown a\:b /srv`:                                   true,
		"ALL=(root) CWD=/srv /bin/a":                                        true,
		"ALL=/bin/a":                                                        true,
		"":                                                                  false,
		"ALL":                                                               false,
		"ALL=":                                                              false,
		"ALL=(root)":                                                        false,
		"alice ALL=(root) /bin/a":                                           false,
		"ALL=(root) /bin/a # comment":                                       false,
		`ALL=(root) /bin/a \`:                                               false,
		"ALL=(root) /bin/a : web-2=(root) /bin/b":     false,
		"ALL=(root) /bin/a:web-2=(root) /bin/b":       false,
		"ALL=(root) NOTAFTER=20300101000000Z /bin/a":  false,
		"ALL=(root) NOTBEFORE=20300101000000Z /bin/a": false,
		"ALL=(root) /bin/a\n/bin/b":                   false,
		"ALL=(root) /bin/é":                           false,
		"ALL=(root) " + strings.Repeat("x", 2000):     false,
	} {
		if err := checkRule(rule); (err == nil) != good {
			t.Errorf("%q: %v", rule, err)
		}
	}
}

func TestAFileOfKeysIsReadAgainForEachUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	keys, err := newKeySource(nil, file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.read(); err == nil {
		t.Error("a file that is not there is an empty one")
	}
	for text, want := range map[string]int{
		"": 0, "# comment\n\nalice " + aliceKey + "\n": 1, "alice " + aliceKey + "\nalice " + hostKey: 2,
		"alice " + aliceKey + "\nbob " + aliceKey: -1, "alice\n": -1, "alice " + aliceKey + "\nbroken": -1, "Alice " + aliceKey: -1,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := keys.read()
		if (want < 0) != (err != nil) || want >= 0 && len(got["alice"]) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestNativeExpiryIsThereWhereAllThatMayBeGivenHasIt(t *testing.T) {
	for _, groups := range []any{nil, []any{}, []any{"docker"}} {
		c, err := Driver{}.Open(t.Context(), "web", base(connectors.Settings{"groups": groups}))
		if err != nil {
			t.Fatal(err)
		}
		if _, ends := connectors.AsNativeExpirer(c); ends != (groups == nil || len(groups.([]any)) == 0) {
			t.Errorf("%v: %v", groups, ends)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnAnswerIsWholeOrAnError(t *testing.T) {
	whole := "tenure-host 1 abc 1790000000 +0200\n2 see alice\n2 see bob\n2 ok\n3 no-account\n4 error it is late\ndone\n"
	a, err := parseAnswer(whole)
	if err != nil {
		t.Fatal(err)
	}
	if a.hash != "abc" || a.now.Unix() != 1790000000 || len(a.line(2).see) != 2 || a.line(2).err() != nil || a.line(3).err() != errNoAccount ||
		a.line(4).err().Error() != "it is late" || a.line(5).err() == nil {
		t.Errorf("%+v", a)
	}
	for n := range len(whole) {
		if _, err := parseAnswer(whole[:n]); err == nil {
			t.Errorf("%q is taken for whole", whole[:n])
		}
	}
	for _, bad := range []string{whole + "x", whole + whole, strings.Replace(whole, "2 ok", "x ok", 1), strings.Replace(whole, "2 ok", "2 fine", 1),
		"error no\n", strings.Replace(whole, "2 ok", "error disk full", 1), strings.Replace(whole, "1 abc", "2 abc", 1), strings.Replace(whole, "+0200", "noon", 1), strings.Replace(whole, "1790000000", "now", 1)} {
		if _, err := parseAnswer(bad); err == nil {
			t.Errorf("%q is taken for an answer", bad)
		}
	}
}

// FuzzCutAnswer cuts what is taken for an answer: no part of it is taken for one.
func FuzzCutAnswer(f *testing.F) {
	f.Add("tenure-host 1 abc 1790000000 +0200\n2 see alice\n2 ok\n3 no-account\n4 error no\ndone\n", 40)
	f.Add("tenure-host 1 - 0 +0000\ndone\n", 5)
	f.Fuzz(func(t *testing.T, text string, at int) {
		a, err := parseAnswer(text)
		if err != nil {
			return
		}
		for _, r := range a.lines {
			if r.err() == nil && (!r.ok || r.noAccount || len(r.problems) > 0) {
				t.Errorf("%q: done and not done", text)
			}
		}
		if at >= 0 && at < len(text) {
			if _, err := parseAnswer(text[:at]); err == nil {
				t.Errorf("%q is taken for whole, and so is its part %q", text, text[:at])
			}
		}
	})
}
