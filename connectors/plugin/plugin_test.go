package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// script answers each request with what a plug-in would.
type script func(r request) (string, error)

func (s script) Send(ctx context.Context, text []byte) ([]byte, error) {
	var r request
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, err
	}
	answer, err := s(r)
	return []byte(strings.ReplaceAll(answer, "ID", r.ID)), err
}
func (script) Close() error { return nil }

const secret = "hunter2-hunter2"

func open(t *testing.T, s script, abilities ...string) *connector {
	t.Helper()
	c, err := New(Options{Target: "t", Transport: s, Abilities: abilities, Secrets: []string{secret}, Pauses: []time.Duration{1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*connector)
}

func says(answer string) script { return func(request) (string, error) { return answer, nil } }

const head = `{"protocol":"tenure.plugin/v1","id":"ID",`

func g(account, entitlement string) grants.Grant {
	return grants.Grant{Target: "t", Account: account, Entitlement: entitlement}
}

func TestObserveIsCompleteOrAnError(t *testing.T) {
	good := head + `"complete":true,"grants":[{"account":"alice","entitlement":{"role":"a"}}]}`
	found, err := open(t, says(good)).Observe(t.Context(), []string{"role=a"})
	if err != nil || len(found) != 1 || found[0] != g("alice", "role=a") {
		t.Fatalf("%v, %v", found, err)
	}
	for name, answer := range map[string]string{
		"nothing":               "",
		"garbage":               "Traceback: " + secret,
		"half":                  good[:len(good)-4],
		"two messages":          good + good,
		"words after it":        good + " ok",
		"a list":                "[" + good + "]",
		"null":                  "null",
		"another protocol":      strings.Replace(good, "v1", "v2", 1),
		"no protocol":           strings.Replace(good, `"protocol":"tenure.plugin/v1",`, "", 1),
		"another id":            strings.Replace(good, "ID", "0123456789abcdef", 1),
		"no complete mark":      strings.Replace(good, `"complete":true,`, "", 1),
		"complete is false":     strings.Replace(good, `"complete":true`, `"complete":false`, 1),
		"complete is a text":    strings.Replace(good, `"complete":true`, `"complete":"true"`, 1),
		"complete in capitals":  strings.Replace(good, `"complete"`, `"Complete"`, 1),
		"no list":               head + `"complete":true}`,
		"null list":             head + `"complete":true,"grants":null}`,
		"an unknown key":        strings.Replace(good, `"complete":`, `"more":"`+secret+`","complete":`, 1),
		"a page":                strings.Replace(good, `"complete":true`, `"complete":true,"next":"2"`, 1),
		"no account":            strings.Replace(good, "alice", "", 1),
		"not UTF-8":             strings.Replace(good, "alice", "al\xffice", 1),
		"half a surrogate pair": strings.Replace(good, "alice", `al\ud800ice`, 1),
		"not asked for":         strings.Replace(good, `"role":"a"`, `"role":"b"`, 1),
		"asked without it":      strings.Replace(good, `"role":"a"`, `"role":"a","resource":"x"`, 1),
		"the same twice":        strings.Replace(good, `}}]`, `}},{"account":"alice","entitlement":{"role":"a"}}]`, 1),
		"an answer of apply":    head + `"results":[]}`,
		"a failure beside it":   strings.Replace(good, `"complete"`, `"error":{"code":"failed","message":"x"},"complete"`, 1),
		"a failure":             head + `"error":{"code":"failed","message":"cannot log in as root:` + secret + `"}}`,
		"too long":              good + strings.Repeat(" ", MaxAnswer),
	} {
		found, err := open(t, says(answer)).Observe(t.Context(), []string{"role=a"})
		if err == nil || found != nil {
			t.Errorf("%s: %v, %v", name, found, err)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > shown+200 {
			t.Errorf("%s: %q", name, err)
		}
		if !strings.HasPrefix(err.Error(), "t: plug-in: observe: ") {
			t.Errorf("%s: the error does not say where: %q", name, err)
		}
	}
}

func TestABatchIsBelievedOnlyWithOneResultForEachAct(t *testing.T) {
	acts := []connectors.Act{
		{Grant: g("alice", "role=a")}, {Grant: g("bob", "not canonical")}, {Grant: g("bob", "role=a"), Revoke: true},
	}
	ok, bad := `{"id":0,"ok":true}`, `{"id":2,"error":{"code":"noAccount","message":"no bob"}}`
	errs := open(t, says(head+`"results":[`+bad+`,`+ok+`]}`)).Apply(t.Context(), acts)
	if errs[0] != nil || errs[1] == nil || !errors.Is(errs[2], connectors.ErrNoAccount) {
		t.Errorf("%v", errs)
	}
	for _, results := range []string{
		ok, ok + "," + ok, ok + "," + ok + "," + bad, ok + "," + bad + `,{"id":1,"ok":true}`, ok + `,{"id":7,"ok":true}`,
		ok + `,{"id":2}`, ok + `,{"id":2,"ok":false}`, ok + `,{"id":2,"ok":true,"error":{"code":"failed","message":"x"}}`,
		ok + `,{"id":2.5,"ok":true}`, ok + `,{"id":-1,"ok":true}`, "",
	} {
		for i, err := range open(t, says(head+`"results":[`+results+`]}`)).Apply(t.Context(), acts) {
			if err == nil {
				t.Errorf("act %d of [%s] is believed", i, results)
			}
		}
	}
}

func TestALargeBatchIsSentInPartsAndInOrder(t *testing.T) {
	var acts []connectors.Act
	for i := range 1201 {
		acts = append(acts, connectors.Act{Grant: g(fmt.Sprint("u", i), "role=a")})
	}
	next, calls := 0, 0
	c := open(t, func(r request) (string, error) {
		calls++
		var out []string
		for _, a := range r.Acts {
			if a.Account != fmt.Sprint("u", next) {
				t.Errorf("got %s, want u%d", a.Account, next)
			}
			next++
			out = append(out, fmt.Sprintf(`{"id":%d,"ok":true}`, a.ID))
		}
		if calls == 2 { // one message is lost; its acts fail, the others do not
			return "", errors.New("lost")
		}
		return head + `"results":[` + strings.Join(out, ",") + `]}`, nil
	})
	failed := 0
	for _, err := range c.Apply(t.Context(), acts) {
		if err != nil {
			failed++
		}
	}
	if calls != 3 || next != 1201 || failed != maxActs {
		t.Errorf("%d calls, %d acts, %d failed", calls, next, failed)
	}
}

func TestOnlyWhatCouldNotBeReachedIsTriedAgainAndUnderAnotherID(t *testing.T) {
	for _, c := range []struct {
		err   error
		tries int
	}{{fmt.Errorf("%w: down", ErrTransient), 3}, {errors.New("refused"), 1}} {
		ids := map[string]bool{}
		_, err := open(t, func(r request) (string, error) { ids[r.ID] = true; return "", c.err }).Observe(t.Context(), []string{"role=a"})
		if !errors.Is(err, c.err) || len(ids) != c.tries {
			t.Errorf("%d tries, want %d: %v", len(ids), c.tries, err)
		}
	}
}

func TestWhatJSONCannotCarryIsNotSent(t *testing.T) {
	sent := 0
	c := open(t, func(request) (string, error) { sent++; return "", errors.New("sent") })
	for _, bad := range []grants.Grant{g("", "role=a"), g("a\xff", "role=a"), g("a\ufffd", "role=a"), g("a", "group=a"), g("a", `role="a\ufffd"`)} {
		if c.Grant(t.Context(), bad, time.Time{}) == nil || c.Revoke(t.Context(), bad) == nil || c.EndSessions(t.Context(), []grants.Grant{bad}) == nil {
			t.Errorf("%v passed", bad)
		}
	}
	if sent != 0 {
		t.Errorf("%d messages were sent", sent)
	}
}

func TestCheckComparesTheAbilities(t *testing.T) {
	hello := func(abilities string) script {
		return func(r request) (string, error) {
			if r.Call == callHello {
				return head + `"name":"wiki","version":"1","abilities":[` + abilities + `]}`, nil
			}
			return head + `"problems":["missing right: ` + secret + `"]}`, nil
		}
	}
	for _, c := range []struct {
		settings []string
		plugin   string
		want     string
	}{
		{nil, "", ""},
		{[]string{"sessions"}, `"sessions"`, ""},
		{[]string{"sessions"}, "", "does not have the ability sessions"},
		{nil, `"expiry"`, "has the ability expiry, which is not used"},
		{nil, `"check"`, "missing right: [secret]"},
	} {
		text := ""
		if err := errors.Join(open(t, hello(c.plugin), c.settings...).Check(t.Context(), nil)...); err != nil {
			text = err.Error()
		}
		if (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
			t.Errorf("settings %v, plug-in %v: %q, want %q", c.settings, c.plugin, text, c.want)
		}
	}
	if _, err := New(Options{Abilities: []string{"magic"}}); err == nil {
		t.Error("an unknown ability passed")
	}
}

func TestRequestsFitTheirSchema(t *testing.T) {
	requests, err := compile("request")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	c := open(t, func(q request) (string, error) {
		seen[q.Call] = true
		text, _ := json.Marshal(q)
		var v any
		_ = json.Unmarshal(text, &v)
		if err := requests.Validate(v); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if q.Call == callHello {
			return head + `"name":"x","version":"1","abilities":["check"]}`, nil
		}
		return "", errors.New("down")
	})
	all := []grants.Grant{g("alice", "role=a"), g("名前", `resource="x y" role=a`)}
	_, _ = c.Observe(t.Context(), []string{"role=a"})
	_ = c.Grant(t.Context(), all[1], time.Date(2026, 11, 24, 1, 2, 3, 999_999_999, time.FixedZone("", 3600)))
	_ = c.Revoke(t.Context(), all[0])
	_ = c.EndSessions(t.Context(), all)
	_ = c.Check(t.Context(), []string{"role=a"})
	if len(seen) != 5 {
		t.Errorf("only %v", seen)
	}
	one, err := toAct(0, connectors.Act{Grant: all[0], Until: time.Date(2026, 11, 24, 1, 2, 3, 999_999_999, time.FixedZone("", 3600))})
	if err != nil || one.Until != "2026-11-24T00:02:03.999999Z" {
		t.Errorf("%v, %v", one.Until, err)
	}
}

func TestTheSchemaOfEntitlementsAgreesWithTheCode(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(EntitlementSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("urn:e", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("urn:e")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"role":"a"}`:                    "role=a",
		`{"role":"a b","resource":"c/d"}`: `resource=c/d role="a b"`,
		`{"role":"größe"}`:                `role="gr\u00f6\u00dfe"`,
		`{}`:                              "", `{"resource":"x"}`: "", `{"role":""}`: "", `{"role":1}`: "", `{"role":["a"]}`: "",
		`{"role":"a","resource":""}`: "", `{"role":"a","resource":null}`: "", `{"role":"a","group":"b"}`: "", `{"Role":"a"}`: "",
	} {
		var spec connectors.Spec
		if err := json.Unmarshal([]byte(text), &spec); err != nil {
			t.Fatal(err)
		}
		got, err := Canonical(spec)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s became %q, want %q: %v", text, got, want, err)
		}
		if err := s.Validate(map[string]any(spec)); (err == nil) != (want != "") {
			t.Errorf("the schema on %s: %v", text, err)
		}
		if want != "" {
			if e, err := decode(want); err != nil || e.canonical() != want {
				t.Errorf("%s: read back as %v: %v", want, e, err)
			}
		}
	}
}

func TestNoSecretAndNoControlCharacterGetsIntoAnError(t *testing.T) {
	c := NewCleaner(secret, "-----BEGIN-----\nline-two-of-it\n", "abc")
	for in, want := range map[string]string{
		"password " + secret + "!":         "password [secret]!",
		"x line-two-of-it y":               "x [secret] y",
		"red \x1b[31m\nnext\u202e\x00 end": "red [31m next end",
		"abc":                              "abc", // too short to be a secret
	} {
		if got := c.Clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	// A secret that the start of the tail cuts in two stays out.
	for n := range len(secret) + 2 {
		tail := &Tail{}
		_, _ = tail.Write([]byte("x" + secret + strings.Repeat(" ", kept-n)))
		if got := tail.Clean(c); strings.Contains(got, "hunter2") || strings.Contains(got, "unter") {
			t.Fatalf("%d: %q", n, got)
		}
	}
}
