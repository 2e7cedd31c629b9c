package minihub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options configure a hub. Only Dir is required.
type Options struct {
	Dir string           // bare repositories are created below it; never removed by the hub
	Now func() time.Time // the forge's clock: Date header and all recorded times; default time.Now
	// AuthNow is the clock that app tokens and app JWTs are checked against. Their
	// clients sign with the real clock, so it stays time.Now under a fake Now.
	AuthNow func() time.Time
	// RateLimit is the number of requests per token and hour; default 5000.
	RateLimit int
	// BaseURL is how the hub names itself in answers (scheme and host, no slash at
	// the end). Default: the Host header of each request, over http.
	BaseURL string
	// GitTimeout bounds every git command; default 30 s.
	GitTimeout time.Duration
}

// Hub is the server's state. All methods may be called concurrently.
type Hub struct {
	opts Options
	git  gitRunner

	mu       sync.Mutex // guards everything below, and the repositories on disk
	closed   bool
	nextID   int64
	users    []*user
	tokens   map[string]*credential
	repos    []*repo
	moved    map[string]int64 // owner/name of before a rename → repository id
	apps     map[int64]*app
	limits   map[string]*rateWindow
	limitMax int

	slowMergeability int // see SlowMergeability
	maxFiles         int // see LimitFiles

	log requestLog // has its own lock: a hanging request must not block it

	faultMu sync.Mutex
	fault   func(*http.Request) *Failure

	hooks hookQueue
}

// New starts a hub with no users and no repositories.
func New(opts Options) (*Hub, error) {
	if opts.Dir == "" {
		return nil, errors.New("minihub: Options.Dir is empty; give a directory for the bare repositories")
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("minihub: %w", err)
	}
	opts.Dir = dir
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.AuthNow == nil {
		opts.AuthNow = time.Now
	}
	if opts.RateLimit == 0 {
		opts.RateLimit = 5000
	}
	if opts.GitTimeout == 0 {
		opts.GitTimeout = 30 * time.Second
	}
	git, err := newGitRunner(dir, opts.GitTimeout)
	if err != nil {
		return nil, err
	}
	h := &Hub{
		opts:     opts,
		git:      git,
		nextID:   5000,
		tokens:   map[string]*credential{},
		moved:    map[string]int64{},
		apps:     map[int64]*app{},
		limits:   map[string]*rateWindow{},
		limitMax: opts.RateLimit,
		maxFiles: 3000,
	}
	if err := os.MkdirAll(filepath.Join(dir, "repositories"), 0o755); err != nil {
		return nil, fmt.Errorf("minihub: %w", err)
	}
	return h, nil
}

// Close makes every later request fail and waits for webhook deliveries under way.
// The repositories stay on disk.
func (h *Hub) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.hooks.close()
	return nil
}

// now is the forge's clock with the resolution that GitHub shows, in UTC.
func (h *Hub) now() time.Time { return h.opts.Now().UTC().Truncate(time.Second) }

// id returns the next number of a sequence shared by everything that has one.
func (h *Hub) id() int64 {
	h.nextID++
	return h.nextID
}

// goSide is the context of calls from Go tests, which have none of their own;
// every git command under it is bounded by Options.GitTimeout.
func goSide() context.Context { return context.Background() }
