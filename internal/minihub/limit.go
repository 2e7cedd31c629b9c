package minihub

import (
	"net/http"
	"strconv"
	"time"
)

// rateWindow counts the requests of one token in one hour.
type rateWindow struct {
	used  int
	reset time.Time
}

// SetRateLimit changes the number of requests per token and hour, and starts
// everybody's hour anew.
func (h *Hub) SetRateLimit(limit int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.limitMax = limit
	h.limits = map[string]*rateWindow{}
}

// LimitFiles changes how many files of a pull request are listed, which is 3000 as
// on GitHub. changed_files goes on to count all.
func (h *Hub) LimitFiles(limit int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.maxFiles = limit
}

func (h *Hub) window(key string) *rateWindow {
	w := h.limits[key]
	if w == nil || !h.now().Before(w.reset) {
		w = &rateWindow{reset: h.now().Add(time.Hour)}
		h.limits[key] = w
	}
	return w
}

func (h *Hub) rateHeaders(head http.Header, w *rateWindow) {
	head.Set("X-RateLimit-Limit", strconv.Itoa(h.limitMax))
	head.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, h.limitMax-w.used)))
	head.Set("X-RateLimit-Used", strconv.Itoa(w.used))
	head.Set("X-RateLimit-Reset", strconv.FormatInt(w.reset.Unix(), 10))
	head.Set("X-RateLimit-Resource", "core")
}

func (h *Hub) rateLimit(c *call) error {
	w := h.window(c.limitKey)
	core := obj{"limit": h.limitMax, "remaining": max(0, h.limitMax-w.used), "reset": w.reset.Unix(), "used": w.used}
	search := obj{"limit": 30, "remaining": 30, "reset": w.reset.Unix(), "used": 0}
	c.reply(http.StatusOK, obj{"resources": obj{"core": core, "search": search}, "rate": core})
	return nil
}
