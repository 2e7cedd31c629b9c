package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// heartbeat is how often the connection of the leases is tried: how late its
// death is noticed when nobody uses it.
const heartbeat = 2 * time.Second

// opTimeout bounds one statement on that connection.
const opTimeout = 5 * time.Second

// leases are this process's session locks. All live on one connection that is
// used for nothing else; when it dies, the server frees them and all are lost.
type leases struct {
	cfg *pgx.ConnConfig

	mu     sync.Mutex // held during statements: a connection does one at a time
	conn   *pgx.Conn  // nil: none yet, or lost
	held   map[string]*lease
	closed bool
	stop   context.CancelFunc // of the heartbeat
	done   chan struct{}      // closed when it ended
}

type lease struct {
	all  *leases
	name string
	key  int64
	lost chan struct{}
}

func newLeases(cfg *pgx.ConnConfig) *leases {
	cfg.RuntimeParams["application_name"] = "tenure leases"
	return &leases{cfg: cfg, held: map[string]*lease{}}
}

// lockKey is the advisory lock of a lease: the name's hash, apart from other
// programs' keys by its prefix.
func lockKey(name string) int64 {
	sum := sha256.Sum256([]byte("tenure lease " + name))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // all 64 bits are wanted
}

func (l *leases) take(ctx context.Context, name string) (ledger.Lock, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.New("ledger is closed")
	}
	if l.held[name] != nil {
		return nil, ledger.ErrLeased // the server would say yes to the same session
	}
	op, cancel := context.WithTimeout(ctx, 3*opTimeout)
	defer cancel()
	key := lockKey(name)
	used := l.conn != nil
	got, err := l.try(op, key)
	if err != nil && used {
		// The connection may have died since it was last used, and its leases with
		// it; that is no reason to refuse a new one.
		got, err = l.try(op, key)
	}
	if err != nil {
		return nil, err
	}
	if !got {
		return nil, ledger.ErrLeased
	}
	if err := l.verify(op, key); err != nil {
		l.lose() // closes the connection, and with it the lock
		return nil, err
	}
	held := &lease{all: l, name: name, key: key, lost: make(chan struct{})}
	l.held[name] = held
	return held, nil
}

// try asks for the lock; after an error there is no connection.
func (l *leases) try(ctx context.Context, key int64) (got bool, err error) {
	if err := l.connect(ctx); err != nil {
		return false, err
	}
	if err := l.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, key).Scan(&got); err != nil {
		l.lose()
		return false, err
	}
	return got, nil
}

// verify asks in a statement of its own whether this session has the lock. Behind
// a transaction pooler the next statement may be somebody else's session.
func (l *leases) verify(ctx context.Context, key int64) error {
	var mine bool
	err := l.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks
		WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = pg_backend_pid()
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND classid::bigint = $1 AND objid::bigint = $2)`,
		int64(uint64(key)>>32), int64(uint64(key)&0xffffffff)).Scan(&mine) //nolint:gosec // halves of the key
	if err != nil {
		return err
	}
	if !mine {
		return errPooler
	}
	return nil
}

// connect makes the connection and starts its heartbeat.
func (l *leases) connect(ctx context.Context) error {
	if l.conn != nil && !l.conn.IsClosed() {
		return nil
	}
	l.lose()
	conn, err := pgx.ConnectConfig(ctx, l.cfg)
	if err != nil {
		return fmt.Errorf("connect for leases: %w", err)
	}
	beat, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.conn, l.stop, l.done = conn, stop, make(chan struct{})
	go l.beat(beat, conn, l.done)
	return nil
}

// beat tries the connection until it dies or is replaced.
func (l *leases) beat(ctx context.Context, conn *pgx.Conn, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !l.alive(ctx, conn) {
			return
		}
	}
}

func (l *leases) alive(ctx context.Context, conn *pgx.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != conn {
		return false
	}
	op, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := conn.Ping(op); err != nil && ctx.Err() == nil {
		l.lose()
		return false
	}
	return true
}

// lose forgets the connection and tells all leases. The caller holds mu.
func (l *leases) lose() {
	for name, held := range l.held {
		close(held.lost)
		delete(l.held, name)
	}
	if l.conn == nil {
		return
	}
	l.stop()
	// The server may not answer any more: it is not asked for long.
	bye, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(bye) // it is given up either way
	l.conn = nil
}

// close gives every lock back, ends the connection and waits for the heartbeat.
func (l *leases) close() error {
	l.mu.Lock()
	l.closed = true
	done := l.done
	if l.conn != nil {
		// The server frees them with the session, but some time after: another
		// replica should not have to wait for that.
		bye, cancel := context.WithTimeout(context.Background(), time.Second)
		_, _ = l.conn.Exec(bye, `SELECT pg_advisory_unlock_all()`) // best effort
		cancel()
	}
	l.lose()
	l.mu.Unlock()
	if done != nil {
		<-done
	}
	return nil
}

func (l *lease) Lost() <-chan struct{} { return l.lost }

func (l *lease) Unlock(ctx context.Context) error {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if l.all.held[l.name] != l {
		return nil
	}
	delete(l.all.held, l.name)
	close(l.lost)
	op, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var was bool
	if err := l.all.conn.QueryRow(op, `SELECT pg_advisory_unlock($1)`, l.key).Scan(&was); err != nil {
		// The server frees it with the session.
		l.all.lose()
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}
