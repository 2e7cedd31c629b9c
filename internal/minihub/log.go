package minihub

import "sync"

// Request is a REST request that the hub has answered (or dropped).
type Request struct {
	Method      string
	Path        string // without /api/v3
	Query       string
	Route       string // "GET /repos/{owner}/{repo}/pulls", as GitHub's description names it; empty: unknown
	User        string // login, empty for anonymous
	Conditional bool   // it carried If-None-Match
	Status      int    // 0: the connection was dropped
}

type requestLog struct {
	mu   sync.Mutex
	seen []Request
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, r)
}

// Requests lists the REST requests seen since the start or the last ResetRequests.
func (h *Hub) Requests() []Request {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	return append([]Request(nil), h.log.seen...)
}

// Count returns how many requests a route has had: "GET /repos/{owner}/{repo}".
func (h *Hub) Count(route string) int {
	n := 0
	for _, r := range h.Requests() {
		if r.Route == route {
			n++
		}
	}
	return n
}

// ResetRequests forgets the requests seen so far.
func (h *Hub) ResetRequests() {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	h.log.seen = nil
}
