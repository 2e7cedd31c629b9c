package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// A role is granted by two policies. One on the user lets it assume the role, under the
// user's own name as the name of the session, until the end. One on the role denies
// everything to the sessions of that name from the end on: a session would otherwise
// last for as long as the role's sessions do. aws:userid of such a session is
// ROLEID:NAME, so nobody else's session is meant.

// longestSession is the longest that AWS lets a session of a role last.
const longestSession = 12 * time.Hour

// propagation is how long AWS may take until a change of a policy is in force
// everywhere. A session that began within it after a revoke is ended, too.
const propagation = 5 * time.Minute

// rolePolicy is an inline policy on a role.
type rolePolicy struct{ role, policy string }

// ends is what the policy on a role says of one person's sessions.
type ends struct {
	issuedBefore time.Time // sessions that began earlier are over; zero: none is
	from         time.Time // all sessions are over from then on; zero: never
}

type statement struct {
	Sid       string
	Effect    string
	Action    string
	Resource  string
	Condition map[string]map[string]string
}

func (e ends) document(userid string) (string, error) {
	deny := func(sid, operator, key string, moment time.Time) statement {
		return statement{sid, "Deny", "*", "*", map[string]map[string]string{
			"StringEquals": {"aws:userid": userid}, operator: {key: moment.UTC().Format(stamp)},
		}}
	}
	var out []statement
	if !e.issuedBefore.IsZero() {
		out = append(out, deny("TenureEnded", "DateLessThan", issueTime, e.issuedBefore))
	}
	if !e.from.IsZero() {
		out = append(out, deny("TenureEnds", "DateGreaterThanEquals", currentTime, e.from))
	}
	text, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{version, out})
	return string(text), err
}

// renewed is the same for a grant that begins or goes on now. What has ended stays ended,
// and what begins from now on may live. AWS counts the beginning of a session in whole
// seconds.
func (e ends) renewed(now, until time.Time) ends {
	next := ends{issuedBefore: e.issuedBefore, from: until}
	begins := now.Truncate(time.Second)
	if !e.from.IsZero() && !now.Before(e.from) || next.issuedBefore.After(begins) {
		next.issuedBefore = begins
	}
	last := e.issuedBefore
	if e.from.After(last) {
		last = e.from
	}
	if now.Sub(last) > longestSession {
		next.issuedBefore = time.Time{}
	}
	return next
}

// readEnds reads such a policy back; false: it is not one.
func readEnds(encoded string) (e ends, ok bool) {
	text, err := url.PathUnescape(encoded)
	if err != nil {
		return ends{}, false
	}
	var d struct{ Statement []statement }
	if json.Unmarshal([]byte(text), &d) != nil {
		return ends{}, false
	}
	for _, s := range d.Statement {
		var err error
		switch s.Sid {
		case "TenureEnded":
			e.issuedBefore, err = time.Parse(stamp, s.Condition["DateLessThan"][issueTime])
		case "TenureEnds":
			e.from, err = time.Parse(stamp, s.Condition["DateGreaterThanEquals"][currentTime])
		default:
			return ends{}, false
		}
		if err != nil {
			return ends{}, false
		}
	}
	return e, len(d.Statement) > 0
}

// over reports whether all sessions that these ends are about have ended by themselves.
func (e ends) over(now time.Time) bool {
	last := e.issuedBefore
	if e.from.After(last) {
		last = e.from
	}
	return now.After(last.Add(longestSession + 2*propagation))
}

// useless reports whether a policy on a role is one of Tenure's whose sessions are over.
func useless(p types.PolicyDetail, now time.Time) bool {
	e, ok := readEnds(sdk.ToString(p.PolicyDocument))
	return ok && strings.HasPrefix(sdk.ToString(p.PolicyName), endPrefix) && e.over(now)
}

// sweep deletes policies that the last look found to be of no use, where one of them could
// be in the way: before roles are granted, and never before a revoke. That look may have
// been at an old list, so each is read again. What fails is found by the next look again:
// they deny only what has ended.
func (c *account) sweep(ctx context.Context, acts []connectors.Act) {
	roles := false
	for _, a := range acts {
		if a.Revoke {
			return
		}
		e, err := read(a.Grant.Entitlement)
		roles = roles || err == nil && e.kind == byRole
	}
	if !roles {
		return
	}
	c.mu.Lock()
	old := c.old
	c.old = map[rolePolicy]bool{}
	c.mu.Unlock()
	for p := range old {
		now, e, ok, err := c.readEnd(ctx, p)
		if err == nil && ok && e.over(now) {
			_, err = c.api.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &p.role, PolicyName: &p.policy})
		}
		if err != nil && !missing(err) && !denied(err) {
			return
		}
	}
}

// giveRole writes the end on the role first: without it a session would outlive the grant.
func (c *account) giveRole(ctx context.Context, g grants.Grant, e entitlement, until time.Time, look *names) error {
	r, err := look.role(ctx, e.name)
	if err != nil {
		return err
	}
	who, err := c.self(ctx)
	if err != nil {
		return err
	}
	if who.principal == rolePrefix+r.name {
		return errors.New("the reconciler's own role is not given to anybody")
	}
	now, was, err := c.endOf(ctx, g, r)
	if err != nil {
		return err
	}
	next := was.renewed(now, until)
	if err := c.putEnd(ctx, g, r, next); err != nil {
		return err
	}
	assume, err := json.Marshal([]map[string]any{{
		"Sid": "TenureRole", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": r.arn,
		"Condition": map[string]any{"StringEquals": map[string]string{"sts:RoleSessionName": g.Account}},
	}})
	if err != nil {
		return err
	}
	var d policyDocument
	if err := json.Unmarshal(assume, &d); err != nil {
		return err
	}
	return c.put(ctx, g, d, until)
}

// endOf reads what the role says of an account's sessions, and AWS's clock with it.
func (c *account) endOf(ctx context.Context, g grants.Grant, r role) (now time.Time, was ends, err error) {
	now, was, _, err = c.readEnd(ctx, endPolicy(g, r)) // what another hand wrote there is replaced
	if missing(err) {
		return now, ends{}, nil
	}
	return now, was, err
}

func endPolicy(g grants.Grant, r role) rolePolicy {
	return rolePolicy{r.name, endName(g.Target, g.Account, g.Entitlement)}
}

// readEnd reads a policy on a role; ok: it is one that says when sessions end.
func (c *account) readEnd(ctx context.Context, p rolePolicy) (now time.Time, e ends, ok bool, err error) {
	out, err := c.api.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &p.role, PolicyName: &p.policy})
	if err != nil {
		return clockOf(err), ends{}, false, fmt.Errorf("read the policy %s of role %s: %w", p.policy, p.role, err)
	}
	e, ok = readEnds(sdk.ToString(out.PolicyDocument))
	return clock(out.ResultMetadata), e, ok, nil
}

func (c *account) putEnd(ctx context.Context, g grants.Grant, r role, e ends) error {
	text, err := e.document(r.id + ":" + g.Account)
	if err != nil {
		return err
	}
	p := endPolicy(g, r)
	c.mu.Lock()
	delete(c.old, p) // it is of use again, whatever the last look saw
	c.mu.Unlock()
	_, err = c.api.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &p.role, PolicyName: &p.policy, PolicyDocument: &text})
	if missing(err) {
		return fmt.Errorf("role %q: %w", r.name, errNoRole)
	}
	if err != nil {
		return fmt.Errorf("write the end of sessions on role %s: %w", r.name, err)
	}
	return nil
}

// EndSessions ends the sessions of roles that the accounts lost: those that began before
// now, or while the revoke was not in force everywhere. A session of somebody else is
// none of them. Groups and policies need nothing: AWS checks them anew with each request.
func (c *account) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var roles []grants.Grant
	var entitlements []entitlement
	for _, g := range lost {
		e, err := c.readHere(g.Entitlement)
		if err != nil {
			return c.wrap("end sessions", err)
		}
		if e.kind == byRole && principalPattern.MatchString(g.Account) {
			roles, entitlements = append(roles, g), append(entitlements, e)
		}
	}
	if len(roles) == 0 {
		return nil
	}
	if _, err := c.self(ctx); err != nil {
		return c.wrap("end sessions", err)
	}
	look := &names{api: c.api}
	errs := make([]error, len(roles))
	spread(len(roles), func(i int) {
		if err := c.endSessions(ctx, roles[i], entitlements[i], look); err != nil {
			errs[i] = fmt.Errorf("of %s with %s: %w", roles[i].Account, roles[i].Entitlement, explain(err))
		}
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: end sessions: %w", c.target, err)
	}
	return nil
}

func (c *account) endSessions(ctx context.Context, g grants.Grant, e entitlement, look *names) error {
	r, err := look.role(ctx, e.name)
	if errors.Is(err, errNoRole) {
		return nil // and its sessions with it
	}
	if err != nil {
		return err
	}
	still, now, err := c.holds(ctx, g)
	if err != nil || still {
		return err
	}
	if err := c.putEnd(ctx, g, r, ends{issuedBefore: now.Add(propagation)}); err != nil {
		if errors.Is(err, errNoRole) {
			return nil
		}
		return err
	}
	for _, pause := range append(pauses(), 0) {
		_, is, err := c.endOf(ctx, g, r)
		if err != nil {
			return err
		}
		if is.from.IsZero() && !is.issuedBefore.Before(now) {
			return nil
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
	return fmt.Errorf("the policy that ends them was written to role %s, and is not there", r.name)
}

// holds reports whether the account has the role by a grant in force, and AWS's clock. A
// policy that was just deleted may still be shown for some seconds: it is none.
func (c *account) holds(ctx context.Context, g grants.Grant) (bool, time.Time, error) {
	name := grantName(c.target, g.Entitlement)
	out, err := c.api.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &g.Account, PolicyName: &name})
	if missing(err) {
		return false, clockOf(err), nil
	}
	if err != nil {
		return false, time.Time{}, fmt.Errorf("read the policies of %s: %w", g.Account, err)
	}
	now := clock(out.ResultMetadata)
	return !c.recent.revoked(g) && !ended(sdk.ToString(out.PolicyDocument), now), now, nil
}
