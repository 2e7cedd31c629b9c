package gcp

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

const (
	// early is how long before its end a token is replaced.
	early = time.Minute
	// fetchTimeout bounds getting one, over all tries.
	fetchTimeout = 45 * time.Second
)

// tokens keeps the current access token. It is fetched once for all who wait for it, in
// a goroutine that close waits for; who waits gives up with its own context.
type tokens struct {
	fetch func(context.Context) (*oauth2.Token, error)

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	current *oauth2.Token
	flight  *flight
}

type flight struct {
	done  chan struct{}
	token *oauth2.Token
	err   error
}

func newTokens(fetch func(context.Context) (*oauth2.Token, error)) *tokens {
	t := &tokens{fetch: fetch}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// get returns an access token that is good for a while.
func (t *tokens) get(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	t.mu.Lock()
	if err := t.ctx.Err(); err != nil {
		t.mu.Unlock()
		return "", errors.New("the connector is closed")
	}
	if t.current != nil && (t.current.Expiry.IsZero() || time.Until(t.current.Expiry) > early) {
		defer t.mu.Unlock()
		return t.current.AccessToken, nil
	}
	f := t.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		t.flight = f
		t.wg.Go(func() { t.fly(f) })
	}
	t.mu.Unlock()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-f.done:
		if f.err != nil {
			return "", f.err
		}
		return f.token.AccessToken, nil
	}
}

func (t *tokens) fly(f *flight) {
	ctx, cancel := context.WithTimeout(t.ctx, fetchTimeout)
	defer cancel()
	f.err = again(ctx, func() (err error) {
		f.token, err = t.fetch(ctx)
		return err
	})
	if f.err != nil && ctx.Err() == nil {
		f.err = &tokenError{f.err.Error()}
	}
	if f.err == nil && (f.token == nil || f.token.AccessToken == "") {
		f.err = errors.New("the token endpoint answers without a token")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flight = nil
	if f.err == nil {
		t.current = f.token
	}
	close(f.done)
}

// tokenError is the last word on getting a token. It wraps nothing: what the token
// endpoint answers is no answer of the API, and was tried often enough.
type tokenError struct{ text string }

func (e *tokenError) Error() string { return e.text }

// forget drops a token that the server does not take.
func (t *tokens) forget(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil && t.current.AccessToken == token {
		t.current = nil
	}
}

func (t *tokens) close() {
	t.mu.Lock()
	t.cancel()
	t.mu.Unlock()
	t.wg.Wait()
}
