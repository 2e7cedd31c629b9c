package minihub

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hookQueue delivers webhooks in order, one at a time, outside the hub's lock.
type hookQueue struct {
	mu      sync.Mutex
	hooks   map[int64][]webhook // by repository
	pending []delivery
	running bool
	done    chan struct{}
	cancel  context.CancelFunc
	closed  bool
}

type webhook struct {
	id          int64
	url, secret string
}

type delivery struct {
	webhook
	id    int64 // of the event
	repo  int64
	event string
	body  []byte
}

// AddWebhook has push, pull_request and pull_request_review events of a repository
// sent to a URL, signed with the secret. A delivery that fails is not repeated, as
// on GitHub.
func (h *Hub) AddWebhook(fullName, url, secret string) error {
	return h.withRepo(fullName, func(r *repo) error {
		q := &h.hooks
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.hooks == nil {
			q.hooks = map[int64][]webhook{}
		}
		q.hooks[r.id] = append(q.hooks[r.id], webhook{id: h.id(), url: url, secret: secret})
		return nil
	})
}

func (q *hookQueue) of(r *repo) []webhook {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.hooks[r.id]
}

func (h *Hub) hookURLs() urls {
	base := h.opts.BaseURL
	if base == "" {
		base = "http://minihub.invalid"
	}
	return urls{html: base, api: base + apiPrefix}
}

func (q *hookQueue) push(h *Hub, r *repo, ref, before, after string, by *user, forced bool) {
	if len(q.of(r)) == 0 {
		return
	}
	u := h.hookURLs()
	q.send(h, r, "push", obj{
		"ref": ref, "before": before, "after": after, "created": before == zero, "deleted": after == zero,
		"forced": forced, "base_ref": nil, "compare": u.repoHTML(r), "commits": []obj{}, "head_commit": nil,
		"pusher": obj{"name": loginOf(by)}, "repository": u.repository(r), "sender": u.user(by),
	})
}

func loginOf(u *user) string {
	if u == nil {
		return "ghost"
	}
	return u.login
}

// pull sends what happened to a pull request; extra is what only this action has.
func (q *hookQueue) pull(h *Hub, p *pull, action string, by *user, extra obj) {
	if len(q.of(p.base)) == 0 {
		return
	}
	u := h.hookURLs()
	body, err := h.pullFull(goSide(), u, p)
	if err != nil {
		return // lost, as one that nobody took
	}
	payload := obj{
		"action": action, "number": p.number, "pull_request": body, "repository": u.repository(p.base), "sender": u.user(by),
	}
	maps.Copy(payload, extra)
	q.send(h, p.base, "pull_request", payload)
}

func (q *hookQueue) review(h *Hub, p *pull, rv *review, action string, by *user) {
	if len(q.of(p.base)) == 0 || rv.state == Pending {
		return
	}
	u := h.hookURLs()
	body := u.review(p, rv)
	body["state"] = strings.ToLower(rv.state) // hooks spell it in small letters
	q.send(h, p.base, "pull_request_review", obj{
		"action": action, "review": body, "pull_request": u.pullSimple(p), "repository": u.repository(p.base), "sender": u.user(by),
	})
}

// send queues an event for every hook of a repository.
func (q *hookQueue) send(h *Hub, r *repo, event string, payload obj) {
	body := mustJSON(payload)
	hooks := q.of(r)
	id := h.id()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	for _, hook := range hooks {
		q.pending = append(q.pending, delivery{webhook: hook, id: id, repo: r.id, event: event, body: body})
	}
	if !q.running {
		ctx, cancel := context.WithCancel(goSide())
		q.running, q.done, q.cancel = true, make(chan struct{}), cancel
		go q.run(ctx, q.done)
	}
}

// run delivers until the queue is empty.
func (q *hookQueue) run(ctx context.Context, done chan struct{}) {
	defer close(done)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		q.mu.Lock()
		if len(q.pending) == 0 || q.closed {
			q.running = false
			q.cancel()
			q.mu.Unlock()
			return
		}
		next := q.pending[0]
		q.pending = q.pending[1:]
		q.mu.Unlock()
		next.deliver(ctx, client)
	}
}

func (d delivery) deliver(ctx context.Context, client *http.Client) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(d.body))
	if err != nil {
		return
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/minihub", "X-GitHub-Event": d.event,
		"X-GitHub-Delivery": fmt.Sprintf("00000000-0000-4000-8000-%012d", d.id), "X-GitHub-Hook-ID": strconv.FormatInt(d.webhook.id, 10),
		"X-GitHub-Hook-Installation-Target-ID": strconv.FormatInt(d.repo, 10), "X-GitHub-Hook-Installation-Target-Type": "repository",
	} {
		req.Header.Set(k, v)
	}
	mac := hmac.New(sha256.New, []byte(d.secret))
	mac.Write(d.body)
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	_ = resp.Body.Close()
}

func (q *hookQueue) close() {
	q.mu.Lock()
	q.closed = true
	done := q.done
	if q.running {
		q.cancel()
	}
	q.mu.Unlock()
	if done != nil {
		<-done
	}
}
