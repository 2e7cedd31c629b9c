//go:build unix

package rabbitmq

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// hook runs something before the first request of a method goes out, or after it.
type hook struct {
	http.RoundTripper
	method        string
	before, after func()
}

func (h *hook) RoundTrip(r *http.Request) (*http.Response, error) {
	mine := r.Method == h.method
	if mine {
		h.method = ""
		if h.before != nil {
			h.before()
		}
	}
	res, err := h.RoundTripper.RoundTrip(r)
	if mine && h.after != nil {
		h.after()
	}
	return res, err
}

func removedBetween(t *testing.T, b *broker) {
	for _, of := range []connectors.Spec{tag("monitoring"), spec("shop", "read", "resource", "orders")} {
		c := b.opened(t, nil)
		b.do(t, "PUT", path("users", "gone"), map[string]string{"password": "x", "tags": ""}, nil)
		c.api.http.Transport = &hook{c.api.http.Transport, "PUT", func() { b.do(t, "DELETE", path("users", "gone"), nil, nil) }, nil}
		if err := c.Grant(t.Context(), gr("gone", of), time.Time{}); !errors.Is(err, connectors.ErrNoAccount) {
			t.Error(err)
		}
		says(t, b.try(t.Context(), "GET", path("users", "gone"), nil, nil), "404")
	}
	c := b.opened(t, nil)
	b.do(t, "PUT", path("users", "gone"), map[string]string{"password": "x", "tags": "monitoring"}, nil)
	c.api.http.Transport = &hook{c.api.http.Transport, "PUT", func() { b.do(t, "DELETE", path("users", "gone"), nil, nil) }, nil}
	ok(t, c.Revoke(t.Context(), gr("gone", tag("monitoring"))))
	says(t, b.try(t.Context(), "GET", path("users", "gone"), nil, nil), "404")
}

func overwritten(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	defer b.clear(t, "shop", "alice")
	g := gr("alice", spec("shop", "read", "resource", "orders"))
	c.api.http.Transport = &hook{c.api.http.Transport, "PUT", nil, func() { b.set(t, "shop", "alice", "^theirs$", "", "^stale$") }}
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	if now := b.see(t, "shop", "alice"); !slices.Equal(now, []string{"^theirs$", "", "^stale$|^orders$"}) {
		t.Errorf("%q", now)
	}
}

func consumerEnds(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	for _, vhost := range []string{"shop", "back/office"} {
		admin := channel(t, b.admin(t, vhost))
		_, err := admin.QueueDeclare("orders", true, false, false, false, nil)
		ok(t, err)
		defer b.clear(t, vhost, "alice")
	}
	in, other := gr("alice", spec("shop", "read", "resource", "orders")), gr("alice", spec("back/office", "read", "resource", "orders"))
	ok(t, c.Grant(t.Context(), in, time.Time{}))
	ok(t, c.Grant(t.Context(), other, time.Time{}))
	ends, stays := b.dial(t, "alice", "pw-alice", "shop"), b.dial(t, "alice", "pw-alice", "back/office")
	closed := ends.NotifyClose(make(chan *amqp.Error, 1))
	got, err := channel(t, ends).Consume("orders", "", true, false, false, false, nil)
	ok(t, err)
	ok(t, c.Revoke(t.Context(), in))
	// The broker's own behaviour, and the reason for EndSessions.
	publish := channel(t, b.admin(t, "shop"))
	ok(t, publish.PublishWithContext(t.Context(), "", "orders", false, false, amqp.Publishing{Body: []byte("x")}))
	select {
	case <-got:
	case <-time.After(30 * time.Second):
		t.Fatal("the consumer gets nothing, although it was not ended")
	}
	ok(t, c.EndSessions(t.Context(), []grants.Grant{in}))
	select {
	case err := <-closed:
		if err == nil || err.Code != amqp.ConnectionForced {
			t.Errorf("closed with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the connection lives")
	}
	if stays.IsClosed() {
		t.Error("a connection to another virtual host was closed")
	}
	_, _, err = channel(t, stays).Get("orders", true)
	ok(t, err)
	// With the last one gone all can be closed at once, also a connection just opened.
	ok(t, c.Revoke(t.Context(), other))
	began := time.Now()
	ok(t, c.EndSessions(t.Context(), []grants.Grant{other, gr("nobody", tag("impersonator"))}))
	t.Logf("ended in %s", time.Since(began))
	for deadline := time.Now().Add(30 * time.Second); !stays.IsClosed(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the connection lives")
		}
	}
}

func otherRight(t *testing.T, b *broker) {
	c := b.opened(t, nil)
	g := gr("alice", spec("shop", "read", "resource", "orders.eu"))
	defer b.clear(t, "shop", "alice")
	for _, of := range []struct {
		read  string
		stays bool
	}{
		{"^orders\\.eu$", true}, {"^orders\\..*$", true}, {"^.*$", true}, {"^x$|.*", true}, {".*", true},
		{"", false}, {"^orders$", false}, {"^orders\\.eux.*$", false}, {"orders", false},
	} {
		b.set(t, "shop", "alice", "", "", of.read)
		conn := b.dial(t, "alice", "pw-alice", "shop")
		ok(t, c.EndSessions(t.Context(), []grants.Grant{g, gr("alice", tag("monitoring"))}))
		if _, err := conn.Channel(); (err == nil) != of.stays {
			t.Errorf("%q: %v", of.read, err)
		}
		_ = conn.Close()
	}
}
