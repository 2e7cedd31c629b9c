package sqlite

import (
	"context"
	"sync"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// leases are the locks of this process. The file's lock makes it the only one.
type leases struct {
	mu     sync.Mutex
	held   map[string]*lease
	closed bool
}

type lease struct {
	all  *leases
	name string
	lost chan struct{}
}

func (l *leases) take(name string) (ledger.Lock, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.held[name] != nil {
		return nil, ledger.ErrLeased
	}
	if l.held == nil {
		l.held = map[string]*lease{}
	}
	l.held[name] = &lease{all: l, name: name, lost: make(chan struct{})}
	return l.held[name], nil
}

func (l *leases) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for name, held := range l.held {
		close(held.lost)
		delete(l.held, name)
	}
}

func (l *lease) Lost() <-chan struct{} { return l.lost }

func (l *lease) Unlock(context.Context) error {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if l.all.held[l.name] == l {
		delete(l.all.held, l.name)
		close(l.lost)
	}
	return nil
}
