package sqlite

import (
	"context"
	"database/sql"
	"sync"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

func newRiver(pool *sql.DB) *riversqlite.Driver { return riversqlite.New(pool) }

// driver is River's SQLite driver with a listener inside the process. River's own
// one polls a table every 50 ms and writes a row a notification; here there is
// only one process, and it knows when it inserted a job.
type driver struct {
	*riversqlite.Driver
	kick *kicker
}

// SupportsListenNotify reports false, so that nothing writes notification rows.
func (d *driver) SupportsListenNotify() bool { return false }

// GetListener returns a listener that hears of this process's inserts.
func (d *driver) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return &listener{kick: d.kick, schema: p.Schema}
}

// kicker tells every connected listener that jobs were inserted.
type kicker struct {
	mu        sync.Mutex
	listeners map[*listener]chan struct{}
}

func newKicker() *kicker { return &kicker{listeners: map[*listener]chan struct{}{}} }

func (k *kicker) notify() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.listeners {
		select {
		case c <- struct{}{}:
		default: // one is waiting already
		}
	}
}

func (k *kicker) add(l *listener) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.listeners[l] = make(chan struct{}, 1)
}

func (k *kicker) remove(l *listener) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.listeners, l)
}

func (k *kicker) channel(l *listener) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.listeners[l]
}

// insertTopic is River's name for notifications of inserted jobs.
const insertTopic = "river_insert"

type listener struct {
	kick   *kicker
	schema string
}

func (l *listener) Connect(context.Context) error          { l.kick.add(l); return nil }
func (l *listener) Close(context.Context) error            { l.kick.remove(l); return nil }
func (l *listener) Listen(context.Context, string) error   { return nil }
func (l *listener) Unlisten(context.Context, string) error { return nil }
func (l *listener) Ping(context.Context) error             { return nil }
func (l *listener) Schema() string                         { return l.schema }
func (l *listener) SetAfterConnectExec(string)             {}

func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.kick.channel(l):
		return &riverdriver.Notification{Topic: insertTopic, Payload: `{"queue": "` + river.QueueDefault + `"}`}, nil
	}
}
