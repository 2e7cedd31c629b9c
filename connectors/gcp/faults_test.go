package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	crm "google.golang.org/api/cloudresourcemanager/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/gcp/gcptest"
)

const (
	getPath = ":getIamPolicy"
	setPath = ":setIamPolicy"
)

func unavailable(after string) *gcptest.Answer {
	return &gcptest.Answer{Code: 503, Header: map[string]string{"Retry-After": after},
		Body: `{"error": {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}}`}
}

func TestAChangeOfAnotherHandInTheMeantimeIsNotLost(t *testing.T) {
	t.Parallel()
	w := scene(t)
	c, byHand := w.open(t), w.hand(t)
	n := 0
	w.Fail(gcptest.Fault{Path: setPath, Times: 3, Meantime: func() {
		n++
		w.Edit(project, func(doc map[string]any) {
			doc["bindings"] = append(doc["bindings"].([]any), map[string]any{"role": fmt.Sprintf("roles/new%d", n), "members": []any{"user:bob@example.com"}})
		})
		w.Role(fmt.Sprintf("roles/new%d", n))
	}})
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	for i := range 3 {
		if !strings.Contains(w.Policy(project), fmt.Sprintf("roles/new%d", i+1)) {
			t.Errorf("change %d is lost", i+1)
		}
	}
	if !w.may("alice") || w.Calls("setIamPolicy") != 4 {
		t.Errorf("alice may: %v, after %d writes", w.may("alice"), w.Calls("setIamPolicy"))
	}
	byHand.unbind(t, project, "roles/new1", "user:bob@example.com")
}

func TestEndlessConflictsAreAnErrorInTheEnd(t *testing.T) {
	t.Parallel()
	w := scene(t)
	c := w.open(t)
	w.Fail(gcptest.Fault{Path: setPath, Times: 1000, Meantime: func() { w.Edit(project, func(map[string]any) {}) }})
	err := c.Grant(t.Context(), on("alice"), soon())
	if err == nil || !strings.Contains(err.Error(), "concurrent policy changes") || w.Calls("setIamPolicy") != attempts {
		t.Errorf("after %d tries: %v", w.Calls("setIamPolicy"), err)
	}
}

func TestALostAnswerIsLookedUpAndNotDoneTwice(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	w.Fail(gcptest.Fault{Path: setPath, Lose: true})
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	if !w.may("alice") || w.Calls("setIamPolicy") != 1 {
		t.Errorf("alice may: %v, after %d writes", w.may("alice"), w.Calls("setIamPolicy"))
	}
	w.Fail(gcptest.Fault{Path: setPath, Half: true})
	must(t, c.Revoke(t.Context(), on("alice")))
	if w.may("alice") || w.Calls("setIamPolicy") != 2 {
		t.Errorf("alice may: %v, after %d writes", w.may("alice"), w.Calls("setIamPolicy"))
	}
}

func TestCutConnectionsAreTriedAgain(t *testing.T) {
	t.Parallel()
	w := scene(t)
	c := w.open(t)
	for _, f := range []gcptest.Fault{{Path: getPath, Cut: true}, {Path: getPath, Half: true}, {Path: setPath, Cut: true}, {Path: "/token", Cut: true},
		{Path: setPath, Answer: &gcptest.Answer{Code: 502, Body: "<html>bad gateway"}}} {
		w.Fail(f)
	}
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	if !w.may("alice") || w.Unused() != 0 {
		t.Errorf("alice may: %v; %d faults did not happen", w.may("alice"), w.Unused())
	}
}

func TestTheServersPauseIsKept(t *testing.T) {
	t.Parallel()
	w := scene(t)
	c := w.open(t)
	for _, code := range []int{503, 429} {
		a := unavailable("1")
		a.Code = code
		w.Fail(gcptest.Fault{Path: setPath, Answer: a})
		w.Fail(gcptest.Fault{Path: getPath, Answer: a})
		began := time.Now()
		must(t, c.Grant(t.Context(), on("alice"), soon()))
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("%d: two pauses of a second took %s", code, took)
		}
		must(t, c.Revoke(t.Context(), on("alice")))
	}
	// A pause that nobody can wait for is an error at once.
	for _, after := range []string{"3600", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)} {
		w.Fail(gcptest.Fault{Path: getPath, Answer: unavailable(after)})
		began := time.Now()
		if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err == nil || time.Since(began) > 20*time.Second {
			t.Errorf("Retry-After %s: %v after %s", after, err, time.Since(began))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	w.Fail(gcptest.Fault{Path: getPath, Answer: unavailable("25")})
	if _, err := c.Observe(ctx, []string{on("").Entitlement}); err == nil || ctx.Err() != nil {
		t.Errorf("a pause beyond the deadline: %v, %v", err, ctx.Err())
	}
}

func TestObserveIsWholeOrAnError(t *testing.T) {
	t.Parallel()
	google := func(code int, status string) *gcptest.Answer {
		return &gcptest.Answer{Code: code, Body: fmt.Sprintf(`{"error": {"code": %d, "message": "Told so.", "status": %q}}`, code, status)}
	}
	for name, x := range map[string]struct {
		fault gcptest.Fault
		want  string
	}{
		"unauthorized":                {gcptest.Fault{Answer: google(401, "UNAUTHENTICATED")}, "does not take the reconciler's credentials"},
		"forbidden":                   {gcptest.Fault{Answer: google(403, "PERMISSION_DENIED")}, "lacks a right"},
		"not found, but not Google's": {gcptest.Fault{Answer: &gcptest.Answer{Code: 404, Body: "<html>nothing here"}}, "404"},
		"not found, by a proxy":       {gcptest.Fault{Answer: &gcptest.Answer{Code: 404, Body: `{"error": "no route"}`}}, "404"},
		"server error":                {gcptest.Fault{Answer: google(500, "INTERNAL")}, "500"},
		"garbage":                     {gcptest.Fault{Answer: &gcptest.Answer{Code: 200, Body: `{"etag": "BwWW", "bindings": [{"role": `}}, "not a policy"},
		"no policy":                   {gcptest.Fault{Answer: &gcptest.Answer{Code: 200, Body: `[]`}}, "not a policy"},
		"no etag":                     {gcptest.Fault{Answer: &gcptest.Answer{Code: 200, Body: `{"bindings": []}`}}, "without an etag"},
		"empty":                       {gcptest.Fault{Answer: &gcptest.Answer{Code: 200, Body: ``}}, "not a policy"},
		"a binding without a role":    {gcptest.Fault{Answer: &gcptest.Answer{Code: 200, Body: `{"etag": "BwWW", "bindings": [{"members": ["user:a@b.c"]}]}`}}, "binding 0"},
		"members that are no texts":   {gcptest.Fault{Answer: &gcptest.Answer{Code: 200, Body: `{"etag": "BwWW", "bindings": [{"role": "roles/x", "members": [7]}]}`}}, "binding 0"},
		"a redirect":                  {gcptest.Fault{Answer: &gcptest.Answer{Code: 302, Header: map[string]string{"Location": "https://example.com/"}}}, "302"},
		"half an answer, for ever":    {gcptest.Fault{Half: true}, "EOF"},
		"cut, for ever":               {gcptest.Fault{Cut: true}, "EOF"},
		"no answer":                   {gcptest.Fault{Hang: true}, "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := scene(t)
			c := w.open(t)
			must(t, c.Grant(t.Context(), on("alice"), soon()))
			x.fault.Path, x.fault.Times = getPath, 1000
			w.Fail(x.fault)
			patience := time.Minute
			if x.fault.Hang {
				patience = 2 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			found, err := c.Observe(ctx, []string{on("").Entitlement, grant("", "projects/desk-prod", viewer).Entitlement})
			if err == nil || len(found) > 0 || !strings.Contains(err.Error(), x.want) {
				t.Errorf("want an error with %q: %v, %v", x.want, found, err)
			}
			if err := c.Revoke(ctx, on("alice")); err == nil {
				t.Error("a revoke that nobody knows of came through")
			}
		})
	}
}

func TestWhatIsGoneHasNoHoldersAndNeedsNoRevoke(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	gone := &gcptest.Answer{Code: 404, Body: `{"error": {"code": 404, "message": "Folder 22 not found.", "status": "NOT_FOUND"}}`}
	w.Fail(gcptest.Fault{Path: "folders/22" + getPath, Times: 3, Answer: gone})
	g := grant("alice", "folders/22", viewer)
	if got := holders(t, c, g); len(got) > 0 {
		t.Errorf("observe says %v", got)
	}
	must(t, c.Revoke(t.Context(), g))
	if err := c.Grant(t.Context(), g, soon()); err == nil || !strings.Contains(err.Error(), `folder "22" does not exist`) {
		t.Error(err)
	}
}

func TestARevokeOfAProjectThatCannotBeReadIsAnError(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	w.Remove(project) // Google does not tell a deleted project from one without rights
	for _, err := range []error{c.Revoke(t.Context(), on("alice")), c.Grant(t.Context(), on("alice"), soon())} {
		if err == nil || !strings.Contains(err.Error(), "403") {
			t.Error(err)
		}
	}
}

func TestAPolicyThatTheServerRefusesForNoReasonOfOursStopsSoon(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	var acts []connectors.Act
	for _, a := range []string{"alice", "bob", "carol", "dave"} {
		acts = append(acts, connectors.Act{Grant: on(a), Until: soon()})
	}
	no := &gcptest.Answer{Code: 400, Body: `{"error": {"code": 400, "message": "One or more users named in the policy do not belong to a permitted customer.", "status": "FAILED_PRECONDITION"}}`}
	w.Fail(gcptest.Fault{Path: setPath, Times: 1000, Answer: no})
	for _, err := range c.Apply(t.Context(), acts) {
		if err == nil || !strings.Contains(err.Error(), "permitted customer") || errors.Is(err, connectors.ErrNoAccount) {
			t.Error(err)
		}
	}
	if n := 1000 - w.Unused(); n > 2*len(acts) {
		t.Errorf("%d writes", n)
	}
}

func TestOnlyTheActThatTheServerRefusesFails(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	var acts []connectors.Act
	for i := range 20 {
		account := fmt.Sprintf("user%02d", i)
		w.Account("user:" + account + "@example.com")
		acts = append(acts, connectors.Act{Grant: on(account), Until: soon()})
	}
	w.Refuse(func(members []string) bool { return slices.Contains(members, "user:user13@example.com") })
	for i, err := range c.Apply(t.Context(), acts) {
		if (err != nil) != (i == 13) {
			t.Errorf("act %d: %v", i, err)
		}
	}
	if n := len(holders(t, c, on(""))); n != 19 {
		t.Errorf("%d holders", n)
	}
}

func TestNoAnswerEndsWithTheCallersContext(t *testing.T) {
	t.Parallel()
	w := scene(t)
	c := w.open(t)
	w.Fail(gcptest.Fault{Path: "/token", Times: 2, Hang: true})
	w.Fail(gcptest.Fault{Path: setPath, Times: 2, Hang: true})
	for _, what := range []string{"token", "token", "policy"} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		err := c.Grant(ctx, on("alice"), soon())
		cancel()
		if err == nil || !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "deadline") {
			t.Errorf("%s: %v", what, err)
		}
		if what == "token" {
			c.api.tokens.close() // the flight of a token belongs to nobody's context
			c.api.tokens = newTokens(c.api.tokens.fetch)
		}
	}
}

func TestATokenThatIsWithdrawnIsReplaced(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	w.Withdraw()
	if got := holders(t, c, on("")); len(got) != 1 || w.Calls("token") != 2 {
		t.Errorf("observe says %v, after %d tokens", got, w.Calls("token"))
	}
}

func TestGooglesCertificateIsVerified(t *testing.T) {
	w := scene(t)
	var asked atomic.Int32
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	other.Config.ErrorLog = nil
	defer other.Close()
	c := connect(t, w.with("endpoint", other.URL))
	defer c.Close()
	if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	if asked.Load() > 0 {
		t.Error("a token went to a server that nobody knows")
	}
}

// TestTheStandInKeepsGooglesRules shows that what the connector must not do would be
// found.
func TestTheStandInKeepsGooglesRules(t *testing.T) {
	w := scene(t)
	h, c := w.hand(t), w.open(t)
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	old, err := h.api.Projects.GetIamPolicy(project, &crm.GetIamPolicyRequest{}).Do()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range old.Bindings {
		if b.Condition != nil || b.Role == viewer {
			t.Errorf("a reader of version 1 sees conditions: %+v", b)
		}
	}
	now := func() *crm.Policy {
		p, err := h.api.Projects.GetIamPolicy(project, &crm.GetIamPolicyRequest{Options: &crm.GetPolicyOptions{RequestedPolicyVersion: 3}}).Do()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, change := range map[string]func(p *crm.Policy){
		"an old etag":             func(p *crm.Policy) { p.Etag = "BwWWja0YfJA=" },
		"no version":              func(p *crm.Policy) { p.Version = 0 },
		"a condition on a basic":  func(p *crm.Policy) { p.Bindings[len(p.Bindings)-1].Role = "roles/owner" },
		"a condition of no truth": func(p *crm.Policy) { p.Bindings[0].Condition = &crm.Expr{Title: "x", Expression: "request.time"} },
		"a condition with errors": func(p *crm.Policy) { p.Bindings[0].Condition = &crm.Expr{Title: "x", Expression: "request.tim <"} },
		"no title":                func(p *crm.Policy) { p.Bindings[0].Condition = &crm.Expr{Expression: "true"} },
		"all users":               func(p *crm.Policy) { p.Bindings[0].Members = append(p.Bindings[0].Members, "allUsers") },
		"an unknown user":         func(p *crm.Policy) { p.Bindings[0].Members = append(p.Bindings[0].Members, "user:x@example.com") },
		"two spellings": func(p *crm.Policy) {
			p.Bindings[0].Members = append(p.Bindings[0].Members, "user:alice@example.com", "user:Alice@example.com")
		},
	} {
		p := now()
		change(p)
		if _, err := h.api.Projects.SetIamPolicy(project, &crm.SetIamPolicyRequest{Policy: p}).Do(); err == nil {
			t.Errorf("%s passed", name)
		}
	}
}
