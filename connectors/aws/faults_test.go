package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/aws/awstest"
	"github.com/tenure-dev/tenure/grants"
)

const secret = "hunter2hunter2"

// scripted opens a connector whose calls the test answers itself. Who it is, is answered.
func scripted(t *testing.T, answer func(awstest.Call, http.ResponseWriter)) connectors.Connector {
	front := awstest.NewFront(t, "")
	front.Intercept(func(c awstest.Call, w http.ResponseWriter) bool {
		w.Header().Set("X-Amzn-Requestid", "1")
		w.Header().Set("Content-Type", "text/xml")
		if c.Action == "sts:GetCallerIdentity" {
			fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::%[1]s:assumed-role/tenure/x</Arn><UserId>A:x</UserId><Account>%[1]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, awstest.Account)
			return true
		}
		answer(c, w)
		return true
	})
	c := open(t, connectors.Settings{
		"account": awstest.Account, "policies": map[string]any{"p": reading}, "roles": []any{"deployer"},
		"accessKeyID": "AKIATEST", "secretAccessKey": secret, "endpoint": front.Endpoint(),
	})
	t.Cleanup(func() { awstest.Must(t, c.Close()) })
	return c
}

// page1 is a list of one user with a grant, and perhaps a next page.
func page1(user, marker string) string {
	member := ""
	if user != "" {
		document := url.PathEscape(reading)
		e, _ := Driver{}.Canonical(connectors.Spec{"policy": "p"})
		member = fmt.Sprintf(`<member><UserName>%s</UserName><UserPolicyList><member><PolicyName>%s</PolicyName><PolicyDocument>%s</PolicyDocument></member></UserPolicyList></member>`, user, grantName(target, e), document)
	}
	more := "false"
	if marker != "" {
		more = "true</IsTruncated><Marker>" + marker + "</Marker><IsTruncated>true"
	}
	return `<GetAccountAuthorizationDetailsResponse><GetAccountAuthorizationDetailsResult><UserDetailList>` + member +
		`</UserDetailList><IsTruncated>` + more + `</IsTruncated></GetAccountAuthorizationDetailsResult></GetAccountAuthorizationDetailsResponse>`
}

func fault(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>`, code)
}

func TestAllPagesAreReadOrNone(t *testing.T) {
	scope := []string{"policy=p"}
	second := func(answer func(http.ResponseWriter)) func(awstest.Call, http.ResponseWriter) {
		return func(c awstest.Call, w http.ResponseWriter) {
			if c.Form.Get("Marker") == "" {
				fmt.Fprint(w, page1("alice", "next"))
			} else {
				answer(w)
			}
		}
	}
	c := scripted(t, second(func(w http.ResponseWriter) { fmt.Fprint(w, page1("bob", "")) }))
	found, err := c.Observe(t.Context(), scope)
	if err != nil || len(found) != 2 {
		t.Errorf("two pages: %v, %v", found, err)
	}
	for what, answer := range map[string]func(http.ResponseWriter){
		"denied":  func(w http.ResponseWriter) { fault(w, 403, "AccessDenied") },
		"garbage": func(w http.ResponseWriter) { fmt.Fprint(w, `{"not": "xml"}`) },
		"a page of a proxy": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>log in</html>")
		},
		"an empty body": func(w http.ResponseWriter) {},
		"cut": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "5000")
			fmt.Fprint(w, page1("bob", "")[:80])
		},
		"the same page again and again, without where it goes on": func(w http.ResponseWriter) {
			fmt.Fprint(w, strings.Replace(page1("bob", ""), "false", "true", 1))
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		if found, err := scripted(t, second(answer)).Observe(ctx, scope); err == nil || found != nil {
			t.Errorf("%s: %v, %v", what, found, err)
		}
		cancel()
	}
}

func TestFailuresAreErrorsThatNameNoSecret(t *testing.T) {
	g := grants.Grant{Target: target, Account: "alice", Entitlement: "policy=p"}
	role := grants.Grant{Target: target, Account: "alice", Entitlement: "role=deployer"}
	for _, x := range []struct {
		status     int
		code, want string
	}{
		{401, "InvalidClientTokenId", "does not take the reconciler's credentials"},
		{403, "SignatureDoesNotMatch", "clock"},
		{403, "AccessDenied", "doctor"},
		{409, "DeleteConflict", "DeleteConflict"},
		{409, "LimitExceeded", "2,048"},
		{400, "ValidationError", "ValidationError"},
		{400, "UnmodifiableEntity", "AWS itself"},
		{302, "Moved", ""},
	} {
		c := scripted(t, func(_ awstest.Call, w http.ResponseWriter) { fault(w, x.status, x.code) })
		found, observe := c.Observe(t.Context(), []string{g.Entitlement})
		if found != nil {
			t.Errorf("%s: observe returned %v", x.code, found)
		}
		ender, _ := connectors.AsSessionEnder(c)
		k, _ := connectors.AsChecker(c)
		for what, err := range map[string]error{
			"observe": observe, "grant": c.Grant(t.Context(), g, time.Now().Add(time.Hour)), "revoke": c.Revoke(t.Context(), g),
			"end sessions": ender.EndSessions(t.Context(), []grants.Grant{role}), "check": errors.Join(k.Check(t.Context(), []string{g.Entitlement})...),
		} {
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%d %s: %s: %v", x.status, x.code, what, err)
			} else if what != "check" && !strings.Contains(err.Error(), x.want) {
				t.Errorf("%d %s: %s does not say %q: %v", x.status, x.code, what, x.want, err)
			}
		}
	}
}

func TestAGroupFoundByAnotherCaseIsAnotherGroup(t *testing.T) {
	front := awstest.NewFront(t, "")
	front.Intercept(func(c awstest.Call, w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "text/xml")
		switch c.Form.Get("Action") {
		case "GetCallerIdentity":
			fmt.Fprintf(w, `<R><GetCallerIdentityResult><Arn>arn:aws:iam::%[1]s:user/tenure</Arn><Account>%[1]s</Account></GetCallerIdentityResult></R>`, awstest.Account)
		case "ListUsers":
			fmt.Fprint(w, `<R><ListUsersResult><Users><member><UserName>alice</UserName></member></Users></ListUsersResult></R>`)
		case "GetGroup":
			fmt.Fprint(w, `<R><GetGroupResult><Group><GroupName>developers</GroupName></Group><Users><member><UserName>bob</UserName></member></Users></GetGroupResult></R>`)
		default:
			t.Errorf("called %s", c.Action)
		}
		return true
	})
	c := open(t, connectors.Settings{"account": awstest.Account, "groups": []any{"Developers"}, "accessKeyID": "A", "secretAccessKey": secret, "endpoint": front.Endpoint()})
	defer c.Close()
	found, err := c.Observe(t.Context(), []string{"group=Developers"})
	if err != nil || len(found) != 0 {
		t.Errorf("observe: %v, %v", found, err)
	}
	if found, err := c.Observe(t.Context(), []string{"group=developers"}); err != nil || len(found) != 1 {
		t.Errorf("observe of the right spelling: %v, %v", found, err)
	}
	g := grants.Grant{Target: target, Account: "alice", Entitlement: "group=Developers"}
	if err := c.Grant(t.Context(), g, time.Now().Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("grant: %v", err)
	}
	g.Account = "Alice"
	if err := c.Grant(t.Context(), g, time.Now().Add(time.Hour)); !errors.Is(err, connectors.ErrNoAccount) {
		t.Errorf("grant to a user of another case: %v", err)
	}
}

func TestThrottledCallsAreRepeatedAndBounded(t *testing.T) {
	g := grants.Grant{Target: target, Account: "alice", Entitlement: "policy=p"}
	for _, x := range []struct {
		status int
		code   string
	}{{400, "Throttling"}, {429, "TooManyRequestsException"}, {503, "ServiceUnavailable"}, {500, "ServiceFailure"}, {409, "ConcurrentModification"}, {409, "EntityTemporarilyUnmodifiable"}} {
		var n atomic.Int32
		c := scripted(t, func(_ awstest.Call, w http.ResponseWriter) {
			if n.Add(1) <= 2 {
				fault(w, x.status, x.code)
				return
			}
			fmt.Fprint(w, "<Response/>")
		})
		if err := c.Revoke(t.Context(), g); err != nil || n.Load() != 3 {
			t.Errorf("%s: %d calls, %v", x.code, n.Load(), err)
		}
	}
	c := scripted(t, func(_ awstest.Call, w http.ResponseWriter) { fault(w, 400, "Throttling") })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	if err := c.Revoke(ctx, g); err == nil || time.Since(began) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	var first time.Time
	var waited time.Duration
	c := scripted(t, func(_ awstest.Call, w http.ResponseWriter) {
		if first.IsZero() {
			first = time.Now()
			w.Header().Set("Retry-After", "2")
			fault(w, 503, "ServiceUnavailable")
			return
		}
		waited = time.Since(first)
		fmt.Fprint(w, "<Response/>")
	})
	awstest.Must(t, c.Revoke(t.Context(), grants.Grant{Target: target, Account: "alice", Entitlement: "policy=p"}))
	if waited < 2*time.Second {
		t.Errorf("waited %s", waited)
	}
}

func TestABatchKeepsToItsShareOfCalls(t *testing.T) {
	var now, most atomic.Int32
	c := scripted(t, func(_ awstest.Call, w http.ResponseWriter) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Millisecond) // a server that takes its time
		fmt.Fprint(w, "<Response/>")
	})
	var acts []connectors.Act
	for i := range 200 {
		acts = append(acts, connectors.Act{Revoke: true, Grant: grants.Grant{Target: target, Account: fmt.Sprintf("u%d", i), Entitlement: "policy=p"}})
	}
	b, _ := connectors.AsBatcher(c)
	awstest.Must(t, errors.Join(b.Apply(t.Context(), acts)...))
	if most.Load() > parallel || most.Load() < 2 {
		t.Errorf("%d calls at once", most.Load())
	}
}

func TestACallThatHangsEndsWithItsContext(t *testing.T) {
	stop := make(chan struct{})
	c := scripted(t, func(awstest.Call, http.ResponseWriter) { <-stop })
	t.Cleanup(func() { close(stop) })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := c.Observe(ctx, []string{"policy=p"}); err == nil || time.Since(began) > callTimeout/2 {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

func TestOpenTouchesNothingAndAWrongCertificateIsRefused(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request came through") }))
	server.Config.ErrorLog = nil
	defer server.Close()
	c := open(t, connectors.Settings{"account": awstest.Account, "groups": []any{"g"}, "accessKeyID": "A", "secretAccessKey": secret, "endpoint": server.URL})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := c.Observe(ctx, []string{"group=g"}); err == nil {
		t.Error("a certificate that nobody signed was taken")
	}
}

func TestEndsOfDocuments(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for what, x := range map[string]struct {
		document string
		good     bool
	}{
		"a list":                        {reading, true},
		"one statement":                 {`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`, true},
		"a condition of its own":        {`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"datelessthan": {"aws:EpochTime": "9"}, "Bool": {"aws:SecureTransport": "true"}}}}`, true},
		"an end of its own":             {`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"DATELESSTHAN": {"AWS:currenttime": "2030-01-01T00:00:00Z"}}}}`, false},
		"an old version":                {`{"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`, false},
		"a principal":                   {`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}`, false},
		"an effect of another kind":     {`{"Version": "2012-10-17", "Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}`, false},
		"no statement":                  {`{"Version": "2012-10-17", "Statement": []}`, false},
		"no resource":                   {`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*"}}`, false},
		"action and not action":         {`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}}`, false},
		"a condition that is no object": {`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": null}}`, false},
		"no policy":                     {`"x"`, false}, "nothing": {``, false},
	} {
		d, err := readDocument([]byte(x.document))
		if (err == nil) != x.good {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil {
			continue
		}
		text, err := d.until(now)
		awstest.Must(t, err)
		encoded := url.PathEscape(text)
		if what != "a condition of its own" && (ended(encoded, now.Add(-time.Millisecond)) || !ended(encoded, now)) {
			t.Errorf("%s: ended is wrong for %s", what, text)
		}
		if strings.Count(text, "2026-03-01T12:00:00.000Z") != len(d) {
			t.Errorf("%s: %s", what, text)
		}
	}
	for _, odd := range []string{"", "%zz", url.PathEscape(reading), url.PathEscape(`{"Statement": []}`)} {
		if ended(odd, now) {
			t.Errorf("%q counts as ended", odd)
		}
	}
}
