package azure

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/azure/azuretest"
)

const (
	onARM   = "/roleAssignments"
	onUsers = "/v1.0/users"
)

func refusal4(code int, word string) *azuretest.Answer {
	return &azuretest.Answer{Code: code, Body: `{"error": {"code": "` + word + `", "message": "no"}}`}
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	for name, f := range map[string]azuretest.Fault{
		"throttled":   {Answer: &azuretest.Answer{Code: 429, Header: map[string]string{"Retry-After": "1"}, Body: "{}"}},
		"unavailable": {Answer: &azuretest.Answer{Code: 503, Body: "<html>"}, Times: 2},
		"gateway":     {Answer: &azuretest.Answer{Code: 502}},
		"cut":         {Cut: true},
		"lost":        {Lose: true},
		"half":        {Half: true},
	} {
		for _, path := range []string{onARM, onUsers, "/token", "/roleDefinitions"} {
			if f.Half && path == "/token" {
				continue // half of an answer to a POST is not tried again
			}
			f := f
			f.Path = path
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				w := scene(t)
				c := w.open(t, w.settings())
				w.hand(t).assign(t, subPath, reader, person(1), "eeeeeeee-0000-4000-8000-00000000aaaa", "")
				start := time.Now()
				w.Fail(f)
				if got := observe(t, c, on("").Entitlement); len(got) != 1 || got[0] != "bob" {
					t.Errorf("observed %q", got)
				}
				if w.Unused() > 0 {
					t.Error("the fault was not met")
				}
				if name == "throttled" && time.Since(start) < time.Second {
					t.Error("Retry-After was not honoured")
				}
			})
		}
	}
}

func TestALostAnswerToAChangeIsNoMatter(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	for _, g := range []struct {
		path string
		act  connectors.Act
	}{
		{nameOf(on("alice")), connectors.Act{Grant: on("alice"), Until: soon()}},
		{nameOf(on("alice")), connectors.Act{Grant: on("alice"), Revoke: true}},
		{"/members/$ref", connectors.Act{Grant: in("alice", crew), Until: soon()}},
		{person(0) + "/$ref", connectors.Act{Grant: in("alice", crew), Revoke: true}},
	} {
		w.Fail(azuretest.Fault{Path: g.path, Lose: true})
		if err := c.Apply(t.Context(), []connectors.Act{g.act})[0]; err != nil {
			t.Errorf("%+v: %v", g.act, err)
		}
	}
	if w.Unused() > 0 || w.May(person(0), readAny, subPath) || w.Member(crew, person(0)) {
		t.Error("a fault was not met, or access remains")
	}
}

func TestObserveIsCompleteOrAnError(t *testing.T) {
	for name, f := range map[string]azuretest.Fault{
		"401":                      {Answer: refusal4(401, "InvalidAuthenticationToken")},
		"403":                      {Answer: refusal4(403, "AuthorizationFailed")},
		"404 of a subscription":    {Answer: refusal4(404, "SubscriptionNotFound")},
		"404 of a proxy":           {Answer: &azuretest.Answer{Code: 404, Body: "not found"}},
		"409":                      {Answer: refusal4(409, "Conflict")},
		"redirect":                 {Answer: &azuretest.Answer{Code: 307, Header: map[string]string{"Location": "http://127.0.0.1:1/"}}},
		"garbage":                  {Answer: &azuretest.Answer{Code: 200, Body: "<html>"}},
		"empty":                    {Answer: &azuretest.Answer{Code: 200, Body: ""}},
		"no list":                  {Answer: &azuretest.Answer{Code: 200, Body: "{}"}},
		"null":                     {Answer: &azuretest.Answer{Code: 200, Body: `{"value": null}`}},
		"entries of nothing":       {Answer: &azuretest.Answer{Code: 200, Body: `{"value": [{}]}`}},
		"next page elsewhere":      {Answer: &azuretest.Answer{Code: 200, Body: `{"value": [], "nextLink": "http://127.0.0.1:1/x", "@odata.nextLink": ""}`}},
		"next page of a like name": {Answer: &azuretest.Answer{Code: 200, Body: `{"value": [], "@odata.nextLink": "https://graph.microsoft.com.example.com/x"}`}},
	} {
		for _, path := range []string{onARM, onUsers, "/roleDefinitions", "/members"} {
			if path == "/roleDefinitions" && name == "entries of nothing" {
				continue // entries of other names are no matter
			}
			f := f
			f.Path, f.Times = path, 10
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				w := scene(t)
				c := w.open(t, w.settings())
				h := w.hand(t)
				h.assign(t, subPath, reader, person(1), "eeeeeeee-0000-4000-8000-00000000aaaa", "")
				h.join(t, crew, person(1))
				w.Fail(f)
				if found, err := c.Observe(t.Context(), []string{on("").Entitlement, in("", crew).Entitlement}); err == nil {
					t.Errorf("observed %v", found)
				}
			})
		}
	}
}

func TestPagesInACircleAreAnError(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	w.Fail(azuretest.Fault{Path: onARM, Times: 10, Answer: &azuretest.Answer{Code: 200, Body: `{"value": [], "nextLink": "` + w.ARM + subPath + `/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"}`}})
	if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err == nil || !strings.Contains(err.Error(), "circle") {
		t.Error(err)
	}
}

func TestALockIsNamed(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	grant(t, c, on("alice"))
	w.Fail(azuretest.Fault{Path: nameOf(on("alice")), Answer: refusal4(409, "ScopeLocked")})
	refused(t, c.Revoke(t.Context(), on("alice")), "ScopeLocked", "remove the lock")
	w.Fail(azuretest.Fault{Path: nameOf(on("alice")), Answer: refusal4(409, "AnotherWriter"), Times: 2})
	revoke(t, c, on("alice"))
}

func TestAListThatIsNotUpToDateIsNoOtherHand(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	grant(t, c, on("alice"))
	old := `{"value": [{"name": "` + nameOf(on("alice")) + `", "properties": {"roleDefinitionId": "/x/` + reader + `", "principalId": "` + person(0) + `", "principalType": "User", "scope": "` + subPath + `"}}]}`
	w.Fail(azuretest.Fault{Path: onARM, Answer: &azuretest.Answer{Code: 200, Body: old}})
	revoke(t, c, on("alice"))
	if w.Unused() > 0 || w.May(person(0), readAny, subPath) {
		t.Error("the list was not read, or access remains")
	}
}

func TestAResourceGroupThatIsGoneHasNoHolders(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	g := to1("alice", "subscription", sub, "resourceGroup", "gone", "role", "Reader")
	if got := observe(t, c, g.Entitlement); len(got) > 0 {
		t.Errorf("observed %q", got)
	}
	revoke(t, c, g)
	refused(t, c.Grant(t.Context(), g, soon()), "does not exist")
}

func TestSecretsAreInNoError(t *testing.T) {
	w := scene(t)
	wrong := "wrong~Secret.9"
	c := w.open(t, w.with("secret", wrong))
	_, err := c.Observe(t.Context(), []string{on("").Entitlement})
	refused(t, err, "invalid_client", "AADSTS7000215")
	errs := append(c.Check(t.Context(), []string{on("").Entitlement, in("", crew).Entitlement}), err, c.Grant(t.Context(), on("alice"), soon()), c.Revoke(t.Context(), on("alice")))
	w.Fail(azuretest.Fault{Path: "/token", Answer: &azuretest.Answer{Code: 200, Body: wrong}})
	_, err = c.Observe(t.Context(), []string{on("").Entitlement})
	if text := errors.Join(append(errs, err)...).Error(); strings.Contains(text, wrong) {
		t.Error(text)
	}
}

func TestEveryCallEndsWithItsContext(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	for _, path := range []string{"/token", onUsers, onARM, "/roleDefinitions", nameOf(on("alice"))} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		w.Fail(azuretest.Fault{Path: path, Hang: true})
		start := time.Now()
		_, err := c.Observe(ctx, []string{on("").Entitlement})
		err = errors.Join(err, c.Grant(ctx, on("alice"), soon()), c.Revoke(ctx, on("alice")))
		if err == nil || time.Since(start) > 20*time.Second {
			t.Errorf("%s: %v after %s", path, err, time.Since(start))
		}
		cancel()
	}
}

func TestALongWaitIsLeftToTheCaller(t *testing.T) {
	w := scene(t)
	c := w.open(t, w.settings())
	w.Fail(azuretest.Fault{Path: onARM, Answer: &azuretest.Answer{Code: 429, Header: map[string]string{"Retry-After": "3600"}, Body: "{}"}})
	start := time.Now()
	if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err == nil || time.Since(start) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}

func TestATokenIsNotSentToAnotherHost(t *testing.T) {
	var met atomic.Int32
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stranger := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { met.Add(1) })}
	done := make(chan struct{})
	go func() { defer close(done); _ = stranger.Serve(l) }()
	t.Cleanup(func() { _ = stranger.Close(); <-done })
	w := scene(t)
	c := w.open(t, w.settings())
	there := "http://" + l.Addr().String() + "/"
	for _, a := range []azuretest.Answer{
		{Code: 307, Header: map[string]string{"Location": there}},
		{Code: 200, Body: `{"value": [], "nextLink": "` + there + `"}`},
	} {
		for _, path := range []string{onARM, "/token"} {
			w.Fail(azuretest.Fault{Path: path, Answer: &a})
			_, _ = c.Observe(t.Context(), []string{on("").Entitlement})
		}
	}
	if met.Load() > 0 {
		t.Error("a request went to another host")
	}
}

func TestUsersWithoutNamesAreAnError(t *testing.T) {
	w := scene(t)
	w.App(weak, secret, "", weakBot, "GroupMember.ReadWrite.All")
	w.hand(t).join(t, crew, person(0))
	c := w.open(t, w.with("client", weak))
	if found, err := c.Observe(t.Context(), []string{in("", crew).Entitlement}); err == nil {
		t.Errorf("observed %v", found)
	}
}
