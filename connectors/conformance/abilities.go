package conformance

import (
	"errors"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func (u *suite) sessions() {
	ender, ok := connectors.AsSessionEnder(u.c)
	if !ok {
		u.t.Fatal("the connector cannot end sessions, and NotApplicable gives no reason")
	}
	lost, kept := u.g(u.Accounts[0], u.ents[0]), u.g(u.Accounts[1], u.ents[0])
	u.grant(lost, kept)
	works, stillWorks := u.Session(u.t, lost), u.Session(u.t, kept)
	if !works() || !stillWorks() {
		u.t.Fatal("a session cannot use what was granted")
	}
	u.must(apply(u.ctx, u.c, acts([]grants.Grant{lost}, true)))
	for range 2 { // ending what has ended is fine
		if err := ender.EndSessions(u.ctx, []grants.Grant{lost}); err != nil {
			u.t.Fatalf("end sessions: %v", err)
		}
	}
	if works() {
		u.t.Error("a session outlived the revoke")
	}
	if !stillWorks() {
		u.t.Error("somebody else's session was ended")
	}
	// Who still holds the same keeps the session.
	if err := ender.EndSessions(u.ctx, []grants.Grant{kept}); err != nil {
		u.t.Fatalf("end sessions: %v", err)
	}
	if !stillWorks() {
		u.t.Error("a session was ended although the right remains")
	}
	if err := ender.EndSessions(u.ctx, nil); err != nil {
		u.t.Errorf("end sessions of nobody: %v", err)
	}
	gone := []grants.Grant{u.g("no-such-account", u.ents[0])}
	if err := ender.EndSessions(u.ctx, gone); err != nil {
		u.t.Errorf("end sessions of an account that is gone: %v", err)
	}
}

func (u *suite) nativeExpiry() {
	e, ok := connectors.AsNativeExpirer(u.c)
	if !ok {
		u.t.Fatal("the connector has no native expiry, and NotApplicable gives no reason")
	}
	if e.NativeExpiry() == "" {
		u.t.Error("no word on how access ends")
	}
	g, h := u.g(u.Accounts[0], u.ents[0]), u.g(u.Accounts[1], u.ents[0])
	end := time.Now().Add(2 * time.Second)
	u.andDie(func(c connectors.Connector) {
		for _, x := range []grants.Grant{g, h} {
			if err := c.Grant(u.ctx, x, end); err != nil {
				u.t.Fatal(err)
			}
		}
		if err := c.Grant(u.ctx, h, end.Add(time.Hour)); err != nil { // renewed
			u.t.Fatal(err)
		}
	})
	grace := u.Grace
	if grace == 0 {
		grace = 20 * time.Second
	}
	if u.Expired(u.t, g) && time.Now().Before(end) {
		u.t.Error("ended too early")
	}
	for deadline := end.Add(grace); !u.Expired(u.t, g); {
		if time.Now().After(deadline) {
			u.t.Fatal("the target did not end it")
		}
		select {
		case <-u.ctx.Done():
			u.t.Fatal(u.ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	if u.Expired(u.t, h) {
		u.t.Error("a renewed grant ended at its old end")
	}
}

// andDie does something on a connection of its own and closes it: what follows is
// without any reconciler.
func (u *suite) andDie(do func(connectors.Connector)) {
	c := u.Open(u.t)
	defer c.Close()
	do(c)
}

func (u *suite) check() {
	k, ok := connectors.AsChecker(u.c)
	if !ok {
		u.t.Fatal("the connector cannot check itself, and NotApplicable gives no reason")
	}
	if errs := k.Check(u.ctx, u.ents); len(errs) > 0 {
		u.t.Errorf("good credentials: %v", errors.Join(errs...))
	}
	weak, missing := u.Weak(u.t)
	defer weak.Close()
	k, ok = connectors.AsChecker(weak)
	if !ok {
		u.t.Fatal("the weak connection cannot check itself")
	}
	text := ""
	if err := errors.Join(k.Check(u.ctx, u.ents)...); err != nil {
		text = err.Error()
	}
	for _, word := range missing {
		if !strings.Contains(text, word) {
			u.t.Errorf("check does not name %q: %s", word, text)
		}
	}
}
