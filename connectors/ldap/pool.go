package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	// callTimeout bounds one request, or one search with all its pages, besides the
	// caller's context.
	callTimeout = 60 * time.Second
	// maxIdle is how long an unused connection is kept: less than what firewalls
	// between here and a directory usually allow.
	maxIdle = time.Minute
	// attempts of one request. Everything here may be done twice.
	attempts = 4
)

// conn is a connection that is logged in. The library knows no contexts, so a call is
// ended by closing the network connection under it.
type conn struct {
	*ldap.Conn
	raw  net.Conn
	used time.Time
}

// cut ends whatever waits for this connection. It never blocks.
func (c *conn) cut() { _ = c.raw.Close() }

// discard cuts the connection and waits for the library's own goroutines.
func (c *conn) discard() {
	c.cut()
	_ = c.Conn.Close()
}

// pool holds at most so many connections as it has slots.
type pool struct {
	dialer *dialer
	slots  chan struct{}

	mu     sync.Mutex
	idle   []*conn
	closed bool
}

func newPool(d *dialer, size int) *pool { return &pool{dialer: d, slots: make(chan struct{}, size)} }

var errClosed = errors.New("the connector is closed")

// do runs f on a connection that is its alone, and again on another one when a try
// fails in a way that this can mend. It returns soon after ctx ends.
func (p *pool) do(ctx context.Context, f func(*conn) error) error {
	for i := 1; ; i++ {
		err := p.once(ctx, f)
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		if err == nil || i == attempts || !retryable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(i*i) * 30 * time.Millisecond):
		}
	}
}

func (p *pool) once(ctx context.Context, f func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case p.slots <- struct{}{}:
	}
	defer func() { <-p.slots }()
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	stop := context.AfterFunc(call, c.cut)
	err = f(c)
	switch {
	case !stop(): // it was cut, perhaps after it had succeeded
		c.discard()
		if err != nil && ctx.Err() == nil {
			err = &dialError{fmt.Errorf("no answer within %s: %w", callTimeout, err)}
		}
	case c.IsClosing() || err != nil && !answered(err):
		c.discard()
		p.forget() // they died with the same server
	default:
		p.put(c)
	}
	return err
}

// take returns an idle connection that seems alive, or a new one.
func (p *pool) take(ctx context.Context) (*conn, error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, errClosed
		}
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return p.dialer.dial(ctx)
		}
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if !c.IsClosing() && time.Since(c.used) < maxIdle {
			return c, nil
		}
		c.discard()
	}
}

func (p *pool) put(c *conn) {
	c.used = time.Now()
	p.mu.Lock()
	if !p.closed {
		p.idle = append(p.idle, c)
		c = nil
	}
	p.mu.Unlock()
	if c != nil {
		c.discard()
	}
}

// forget drops all idle connections.
func (p *pool) forget() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		c.discard()
	}
}

// close says good-bye on idle connections. Those in use end with their calls.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		_ = c.raw.SetDeadline(time.Now().Add(time.Second))
		_ = c.Unbind()
		c.discard()
	}
}

// answered reports whether the server itself refused, over a connection that is good.
// The library's own codes begin at 200.
func answered(err error) bool {
	var le *ldap.Error
	return errors.As(err, &le) && le.ResultCode < ldap.ErrorNetwork
}

// retryable: the server asks to come back, or a kept connection died. A server that
// cannot be reached is the caller's to come back to.
func retryable(err error) bool {
	var de *dialError
	var ie *incompleteError
	if errors.As(err, &de) || errors.As(err, &ie) || errors.Is(err, errClosed) {
		return false
	}
	return !answered(err) || is(err, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable)
}

// is reports whether the server answered with one of these codes.
func is(err error, codes ...uint16) bool { return answered(err) && ldap.IsErrorAnyOf(err, codes...) }

// explain adds what to do to errors that an operator can mend.
func explain(err error) error {
	hint := ""
	switch {
	case is(err, ldap.LDAPResultInsufficientAccessRights):
		hint = "the reconciler's own entry lacks a right; doctor names it"
	case is(err, ldap.LDAPResultInvalidCredentials):
		hint = "the server does not take the reconciler's credentials"
	case is(err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultTimeLimitExceeded):
		hint = "the server limits what the reconciler's own entry may read; raise its limits, or narrow groupBase and accountBase"
	case is(err, ldap.LDAPResultReferral):
		hint = "this server refers to another one; set url to the one that takes changes"
	case is(err, ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultStrongAuthRequired):
		hint = "the server wants TLS; use ldaps, or ldap with ca for StartTLS"
	default:
		return err
	}
	return fmt.Errorf("%w (%s)", err, hint)
}
