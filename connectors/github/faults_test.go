package github

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

// all has an entitlement of each kind.
func (o *org) all() []string {
	return []string{canon(o.t, teamSpec("orders", "member")), canon(o.t, repoSpec("shop", "push")), canon(o.t, roleSpec("security_manager")), canon(o.t, roleSpec("admin"))}
}

func answer(status int, head map[string]string, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for k, v := range head {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// TestObserveIsCompleteOrAnError lets every single request of an Observe fail in every
// way, one at a time.
func TestObserveIsCompleteOrAnError(t *testing.T) {
	for name, f := range map[string]func(http.ResponseWriter){
		"401": answer(401, nil, `{"message":"Bad credentials"}`),
		"403": answer(403, nil, `{"message":"Must have admin rights"}`),
		"409": answer(409, nil, `{"message":"Conflict"}`),
		"422": answer(422, nil, `{"message":"Validation Failed"}`),
		"500": answer(500, nil, `{"message":"Server Error"}`), "503": answer(503, nil, ``),
		"primary limit": answer(403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(time.Now().Add(time.Hour).Unix())}, `{"message":"API rate limit exceeded"}`),
		"garbage":       answer(200, nil, `<html>`), "nothing": answer(200, nil, ``), "null": answer(200, nil, `null`), "another shape": answer(200, nil, `{"message":"ok"}`),
		"half":        answer(200, map[string]string{"Content-Length": "1000"}, `[{"id":`),
		"cut":         func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"query error": answer(200, nil, `{"data":{"organization":null},"errors":[{"type":"FORBIDDEN","message":"Resource protected by organization SAML enforcement"}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			breakEach(t, f)
		})
	}
}

func breakEach(t *testing.T, f func(http.ResponseWriter)) {
	o := newOrg(t)
	must(t, o.grant("alice", teamSpec("orders", "member")), o.grant("erin", teamSpec("orders", "member")),
		o.grant("alice", repoSpec("shop", "push")), o.grant("erin", repoSpec("shop", "push")), o.grant("alice", roleSpec("security_manager")))
	var n atomic.Int64
	o.Fail(func(http.ResponseWriter, *http.Request, http.Handler) bool { n.Add(1); return false })
	want, err := o.Observe(t.Context(), o.all())
	must(t, err)
	requests := n.Load()
	if requests < 8 || len(want) != 7 { // two owners among them
		t.Fatalf("%d requests, %d grants", requests, len(want))
	}
	for k := range requests {
		var n atomic.Int64
		o.Fail(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			if n.Add(1) <= k { // from the k-th on, so that no repetition mends it
				return false
			}
			f(w)
			return true
		})
		c := connect(t, settingsOf(t, o.Server)) // without what is known of before
		found, err := c.Observe(t.Context(), o.all())
		if err == nil {
			t.Errorf("at request %d of %d: %d grants and no error", k, requests, len(found))
		} else if strings.Contains(err.Error(), "ghp_") {
			t.Errorf("the error holds a token: %v", err)
		}
	}
	o.Fail(nil)
	again, err := o.Observe(t.Context(), o.all())
	must(t, err)
	if len(again) != len(want) {
		t.Errorf("%d grants after the faults, %d before", len(again), len(want))
	}
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	for name, f := range map[string]func(http.ResponseWriter){
		"500": answer(500, nil, `{"message":"Server Error"}`), "cut": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"secondary limit": answer(403, map[string]string{"Retry-After": "1"}, `{"message":"You have exceeded a secondary rate limit"}`),
		"429":             answer(429, map[string]string{"Retry-After": "1"}, `{"message":"You have exceeded a secondary rate limit"}`),
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			must(t, o.grant("alice", teamSpec("orders", "member")))
			var n atomic.Int64
			o.Fail(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
				if n.Add(1) != 2 {
					return false
				}
				f(w)
				return true
			})
			if !o.holds("alice", teamSpec("orders", "member")) {
				t.Error("alice is lost")
			}
		})
	}
}

func TestALongLimitFailsAtOnceAndIsNotAskedAgain(t *testing.T) {
	o := newOrg(t, "timeout", "5s")
	var n atomic.Int64
	o.Fail(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		n.Add(1)
		answer(403, map[string]string{"Retry-After": "3600"}, `{"message":"You have exceeded a secondary rate limit"}`)(w)
		return true
	})
	begin := time.Now()
	for range 3 {
		_, err := o.Observe(t.Context(), o.all()[:1])
		wants(t, err, "rate limit")
	}
	if time.Since(begin) > 4*time.Second || n.Load() != 1 {
		t.Errorf("took %s and %d requests", time.Since(begin), n.Load())
	}
}

func TestEveryRequestHasATimeAndHonoursItsContext(t *testing.T) {
	o := newOrg(t, "timeout", "300ms")
	o.Fail(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
	begin := time.Now()
	if _, err := o.Observe(t.Context(), o.all()[:1]); err == nil {
		t.Error("an answer that never came")
	}
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("took %s", d)
	}
	patient := connect(t, settingsOf(t, o.Server))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := patient.Revoke(ctx, o.g("alice", teamSpec("orders", "member"))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAListThatMovesWhileItIsReadLosesNobody(t *testing.T) {
	o := newOrg(t)
	for i := range 130 {
		login := fmt.Sprintf("user%03d", i)
		o.Member(login, "member")
		o.Assign("security_manager", login, "direct")
	}
	var once atomic.Bool
	o.Fail(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.URL.Query().Get("page") == "2" && once.CompareAndSwap(false, true) {
			o.Assign("security_manager", "user000", "") // from the first page
		}
		return false
	})
	found, err := o.Observe(t.Context(), []string{canon(t, roleSpec("security_manager"))})
	must(t, err)
	if len(found) != 129 || !once.Load() {
		t.Errorf("%d of 129 are shown", len(found))
	}
	n := 0
	o.Fail(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.URL.Query().Get("page") == "2" {
			n++
			o.Assign("security_manager", fmt.Sprintf("user%03d", n), "")
		}
		return false
	})
	_, err = o.Observe(t.Context(), []string{canon(t, roleSpec("security_manager"))})
	wants(t, err, "changes faster")
}

// TestHiddenIsNotGone: who may not see a thing must not say that nobody has it.
func TestHiddenIsNotGone(t *testing.T) {
	s := world(t)
	team, repo := canon(t, teamSpec("ghost", "member")), canon(t, repoSpec("ghost", "push"))
	for name, c := range map[string]struct{ token, scope, word string }{
		"no owner, team":           {s.Token("alice", "admin:org", "repo"), team, "HTTP 403"},
		"no owner, repository":     {s.Token("alice", "admin:org", "repo"), repo, "HTTP 403"},
		"no scope for teams":       {s.Token("tenure-bot", "repo"), team, "required scopes"},
		"no scope for repository":  {s.Token("tenure-bot", "admin:org"), repo, "lacks the scope repo"},
		"a token of selected ones": {s.FineGrained("tenure-bot"), repo, "fine-grained"},
		"a wrong token":            {"ghp_wrong", team, "HTTP 401"},
	} {
		c0 := connect(t, settingsOf(t, s), "token", c.token)
		found, err := c0.Observe(t.Context(), []string{c.scope})
		if err == nil {
			t.Errorf("%s: %v and no error", name, found)
			continue
		}
		wants(t, err, c.word)
	}
	s.Fail(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if !strings.HasSuffix(r.URL.Path, "/invitations") {
			return false
		}
		answer(404, nil, `{"message":"Not Found"}`)(w) // as GitHub says of a secret team
		return true
	})
	_, err := connect(t, settingsOf(t, s), "token", s.Token("alice", "admin:org", "repo")).Observe(t.Context(), []string{team})
	wants(t, err, "no owner of the organisation")
	_, err = connect(t, settingsOf(t, s)).Observe(t.Context(), []string{canon(t, teamSpec("orders", "member"))})
	wants(t, err, "who is invited")
	s.Fail(nil)
	other := connect(t, settingsOf(t, s), "organization", "ACME")
	_, err = other.Observe(t.Context(), []string{team})
	wants(t, err, `organisation "ACME" is "acme"`)
	other = connect(t, settingsOf(t, s), "organization", "elsewhere")
	_, err = other.Observe(t.Context(), []string{team})
	wants(t, err, `organisation "elsewhere" is not there`)
}

func TestSingleSignOnIsExplained(t *testing.T) {
	o := newOrg(t)
	o.Fail(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		answer(403, map[string]string{"X-GitHub-SSO": "required; url=https://example.com"}, `{"message":"Resource protected"}`)(w)
		return true
	})
	_, err := o.Observe(t.Context(), o.all()[:1])
	wants(t, err, "single sign-on", "authorise the token")
}

func TestALostAnswerIsFoundByTheNextPass(t *testing.T) {
	o := newOrg(t)
	for name, spec := range map[string]connectors.Spec{"team": teamSpec("orders", "member"), "repository": repoSpec("shop", "push"), "role": roleSpec("security_manager")} {
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			o.Fail(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
				if r.Method != method {
					return false
				}
				next.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			})
			var err error
			if method == http.MethodPut {
				err = o.grant("alice", spec)
			} else {
				err = o.revoke("alice", spec)
			}
			o.Fail(nil)
			if err == nil {
				t.Errorf("%s %s: a lost answer is no error", name, method)
			}
			if o.holds("alice", spec) != (method == http.MethodPut) {
				t.Errorf("%s %s: the change is not seen", name, method)
			}
		}
	}
}

func TestTheServersCertificateIsVerified(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(404, nil, `{"message":"Not Found"}`)(w)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	set := func() connectors.Settings {
		return connectors.Settings{"organization": "acme", "baseURL": s.URL, "token": "ghp_secret"}
	}
	_, err := connect(t, set()).Observe(t.Context(), []string{"role=member team=orders"})
	wants(t, err, "certificate")
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	_, err = connect(t, set(), "ca", ca).Observe(t.Context(), []string{"role=member team=orders"})
	wants(t, err, "HTTP 404")
}

func TestAnAnswerNeverLeadsElsewhere(t *testing.T) {
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	t.Cleanup(thief.Close)
	o := newOrg(t)
	o.Fail(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
		return true
	})
	if _, err := o.Observe(t.Context(), o.all()); err == nil || stolen.Load() > 0 {
		t.Errorf("%v; %d requests went elsewhere", err, stolen.Load())
	}
}

func TestARevokeThatIsNotSeenIsAnError(t *testing.T) {
	o := newOrg(t)
	for _, spec := range []connectors.Spec{teamSpec("orders", "member"), repoSpec("shop", "push"), roleSpec("security_manager")} {
		must(t, o.grant("alice", spec))
		o.Fail(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if r.Method != http.MethodDelete {
				return false
			}
			w.WriteHeader(http.StatusNoContent)
			return true
		})
		wants(t, o.revoke("alice", spec), "still shows it")
		o.Fail(nil)
		must(t, o.revoke("alice", spec))
	}
}
