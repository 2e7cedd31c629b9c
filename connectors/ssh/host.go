package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tenure-dev/tenure/connectors/ssh/onhost"
)

const (
	// dialTimeout bounds the way to a session: connection, keys, login.
	dialTimeout = 10 * time.Second
	// restTime is after how much rest a connection is tried before it is used.
	restTime = 15 * time.Second
	// tryTimeout is how long that may take.
	tryTimeout = 5 * time.Second
	// hangUp is how long a host may take to close a session that we gave up.
	hangUp = 2 * time.Second
	// maxAnswer bounds what a host may say, in bytes.
	maxAnswer = 64 << 20
)

// host is one machine, with at most one connection, which is made when it is needed and
// made again when it is gone.
type host struct {
	name, address string
	cfg           *ssh.ClientConfig

	turn   chan struct{} // held by who makes, tries or drops the connection
	client *ssh.Client   // nil: there is none
	used   time.Time
	closed bool
	busy   chan struct{} // one place a session; sshd allows ten by default
}

func newHost(name, address string, cfg *ssh.ClientConfig) *host {
	return &host{name: name, address: address, cfg: cfg, turn: make(chan struct{}, 1), busy: make(chan struct{}, 4)}
}

// errDown wraps what went wrong with a connection, as opposed to what a host answered.
var errDown = errors.New("out of reach")

func (h *host) lock(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errDown, ctx.Err())
	}
}

func (h *host) unlock() { <-h.turn }

// connected returns the connection, and makes it if there is none that is alive.
func (h *host) connected(ctx context.Context) (*ssh.Client, error) {
	if err := h.lock(ctx); err != nil {
		return nil, err
	}
	defer h.unlock()
	if h.closed {
		return nil, errors.New("the connector is closed")
	}
	if h.client != nil && time.Since(h.used) > restTime && !alive(ctx, h.client) {
		h.client = nil
	}
	if h.client == nil {
		client, err := h.dial(ctx)
		if err != nil {
			return nil, err
		}
		h.client = client
	}
	h.used = time.Now()
	return h.client, nil
}

// alive asks the host for a sign of life and closes the connection if there is none.
func alive(ctx context.Context, client *ssh.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
	if !stop() || err != nil {
		_ = client.Close()
		return false
	}
	return true
}

func (h *host) dial(ctx context.Context) (*ssh.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: restTime, Interval: tryTimeout, Count: 3}}
	conn, err := dialer.DialContext(ctx, "tcp", h.address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDown, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, h.address, h.cfg)
	if !stop() && err == nil {
		_ = c.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", errDown, ctx.Err())
		}
		var bad badHostKey
		if errors.As(err, &bad) {
			return nil, bad
		}
		if strings.Contains(err.Error(), "unable to authenticate") {
			return nil, fmt.Errorf("the host does not let %q in with the setting key", h.cfg.User)
		}
		return nil, fmt.Errorf("%w: %w", errDown, err)
	}
	return ssh.NewClient(c, channels, requests), nil
}

// drop closes a connection that has failed, unless another one has taken its place.
func (h *host) drop(client *ssh.Client) {
	_ = client.Close()
	h.turn <- struct{}{}
	defer h.unlock()
	if h.client == client {
		h.client = nil
	}
}

func (h *host) close() {
	h.turn <- struct{}{}
	defer h.unlock()
	h.closed = true
	if h.client != nil {
		_ = h.client.Close()
		_ = h.client.Wait()
		h.client = nil
	}
}

// enter waits for a free session, at most as long as a request may take.
func (h *host) enter(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case h.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errDown, ctx.Err())
	}
}

func (h *host) leave() { <-h.busy }

// run gives the script a request and returns its answer, whole or with an error. What a
// request does may be done twice, so it is sent again if the connection was lost.
func (h *host) run(ctx context.Context, timeout time.Duration, r *request) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for try := 1; ; try++ {
		a, err := h.once(ctx, r)
		if err == nil || try == 2 || ctx.Err() != nil || !errors.Is(err, errDown) {
			return a, err
		}
	}
}

func (h *host) once(ctx context.Context, r *request) (*answer, error) {
	client, err := h.connected(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		h.drop(client)
		return nil, fmt.Errorf("%w: %w", errDown, errors.Join(err, ctx.Err()))
	}
	defer session.Close()
	deadline, _ := ctx.Deadline()
	var out, diag limited
	out.left, diag.left = maxAnswer, 2000
	session.Stdin = strings.NewReader(r.text(time.Until(deadline)))
	session.Stdout, session.Stderr = &out, &diag
	command := "sudo -n " + onhost.Path
	if h.cfg.User == "root" {
		command = onhost.Path
	}
	if err = session.Start(command); !stop() || err != nil {
		h.drop(client)
		return nil, fmt.Errorf("%w: %w", errDown, errors.Join(err, ctx.Err()))
	}
	done := make(chan error, 1)
	go func() { done <- session.Wait() }()
	select {
	case err = <-done:
	case <-ctx.Done():
		_ = session.Close()
		select {
		case <-done:
		case <-time.After(hangUp):
			h.drop(client)
			<-done
		}
		return nil, fmt.Errorf("%w: %w", errDown, ctx.Err())
	}
	a, broken := parseAnswer(out.String())
	if broken == nil {
		return a, nil
	}
	var exit *ssh.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.drop(client)
		return nil, fmt.Errorf("%w: %w", errDown, err)
	}
	if said := strings.Join(strings.Fields(diag.String()), " "); said != "" {
		broken = fmt.Errorf("%w (%+.300q)", broken, said)
	}
	return nil, broken
}

// limited is a buffer that stops to grow.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := len(p)
	p = p[:min(n, l.left)]
	l.left -= len(p)
	_, _ = l.Buffer.Write(p)
	return n, nil
}
