package minihub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// obj is a JSON object. Answers are built from them, near to GitHub's examples.
type obj = map[string]any

// maxBody bounds REST request bodies.
const maxBody = 16 << 20

// call is one REST request under way. The hub's lock is held.
type call struct {
	hub      *Hub
	r        *http.Request
	user     *user // nil: anonymous
	login    string
	app      *app // set when the request carries an app's JWT
	params   map[string]string
	body     []byte
	limitKey string
	urls     urls

	status int
	header http.Header
	out    any
}

func (c *call) ctx() context.Context { return c.r.Context() }

// reply sets the answer; nil out is an empty body.
func (c *call) reply(status int, out any) { c.status, c.out = status, out }

func (c *call) query(key string) string { return c.r.URL.Query().Get(key) }

// decode reads the body; an empty one leaves v alone.
func (c *call) decode(v any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, v); err != nil {
		return refuse(http.StatusBadRequest, "Problems parsing JSON")
	}
	return nil
}

// repo finds the repository of the path and checks that the caller may see it.
// What may not be seen does not exist.
func (c *call) repo(need Permission) (*repo, error) {
	full := c.params["owner"] + "/" + c.params["repo"]
	r := c.hub.repoByName(full)
	if r == nil {
		if id, ok := c.hub.moved[strings.ToLower(full)]; ok {
			return nil, c.redirect(full, id)
		}
		return nil, notFound()
	}
	have := r.permission(c.user)
	if c.app != nil {
		have = None
	}
	if !have.atLeast(Read) {
		return nil, notFound()
	}
	if !have.atLeast(need) {
		if c.user == nil {
			return nil, refuse(http.StatusUnauthorized, "Requires authentication")
		}
		return nil, forbidden()
	}
	return r, nil
}

// redirect points at the repository's new name.
func (c *call) redirect(from string, id int64) error {
	r := c.hub.repoByID(id)
	if r == nil {
		return notFound()
	}
	to := strings.Replace(c.r.URL.RequestURI(), "/repos/"+from, "/repos/"+r.fullName(), 1)
	c.header.Set("Location", c.urls.html+to)
	return refuse(http.StatusMovedPermanently, "Moved Permanently")
}

// api serves the REST API; prefix is "/api/v3" or "".
func (h *Hub) api(routes []route, prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.EscapedPath(), prefix)
		seen := Request{
			Method: r.Method, Path: path, Query: r.URL.RawQuery,
			Conditional: r.Header.Get("If-None-Match") != "",
		}
		rt, params, known := find(routes, r.Method, path)
		seen.Route = rt.name
		// The request is listed before it is answered: who has the answer finds it there.
		seenAs := func(status int) {
			seen.Status = status
			h.log.add(seen)
		}

		w.Header().Set("Date", h.opts.Now().UTC().Format(http.TimeFormat))
		failure := h.failureFor(r)
		if failure != nil && !failure.Late {
			seenAs(failure.Status)
			failure.inject(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			seenAs(http.StatusRequestEntityTooLarge)
			writeJSON(w, seen.Status, errorBody(refuse(seen.Status, "request body too large or incomplete")))
			return
		}
		c := &call{hub: h, r: r, params: params, body: body, header: http.Header{}, urls: h.urlsOf(r, prefix)}
		status, out := h.answer(c, rt, known)
		seen.User = c.login
		if failure != nil {
			seenAs(failure.Status)
			failure.inject(w, r)
			return
		}
		for k, v := range c.header {
			w.Header()[k] = v
		}
		seenAs(status)
		if out == nil {
			w.WriteHeader(status)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(out)
	})
}

// answer runs a call under the lock and renders it.
func (h *Hub) answer(c *call, rt route, known bool) (int, []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.header.Set("X-GitHub-Media-Type", "github.v3; format=json")
	err := h.serve(c, rt, known)
	if err != nil {
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			refusal = refuse(http.StatusInternalServerError, "%v", err)
		}
		return refusal.Status, mustJSON(errorBody(refusal))
	}
	if c.out == nil {
		return c.status, nil
	}
	out := mustJSON(c.out)
	if c.r.Method == http.MethodGet && c.status == http.StatusOK {
		sum := sha256.Sum256(append(out, c.header.Get("Link")...))
		etag := `W/"` + hex.EncodeToString(sum[:]) + `"`
		c.header.Set("ETag", etag)
		c.header.Set("Cache-Control", "private, max-age=60, s-maxage=60")
		if matches(c.r.Header.Get("If-None-Match"), etag) {
			// An unchanged answer is free, as on GitHub.
			if w := h.window(c.limitKey); w.used > 0 {
				w.used--
				h.rateHeaders(c.header, w)
			}
			return http.StatusNotModified, nil
		}
	}
	return c.status, out
}

func (h *Hub) serve(c *call, rt route, known bool) error {
	if h.closed {
		return refuse(http.StatusServiceUnavailable, "the hub is closed")
	}
	if err := h.authenticate(c); err != nil {
		return err
	}
	if c.user != nil {
		c.login = c.user.login
	}
	w := h.window(c.limitKey)
	if rt.pattern != "/rate_limit" {
		if w.used >= h.limitMax {
			h.rateHeaders(c.header, w)
			return refuse(http.StatusForbidden, "API rate limit exceeded for user ID %d.", idOf(c.user))
		}
		w.used++
	}
	h.rateHeaders(c.header, w)
	if rt.handle == nil {
		if known {
			return refuse(http.StatusMethodNotAllowed, "Method Not Allowed")
		}
		return notFound()
	}
	return rt.handle(c)
}

func idOf(u *user) int64 {
	if u == nil {
		return 0
	}
	return u.id
}

// matches implements If-None-Match with weak comparison.
func matches(header, etag string) bool {
	for _, v := range strings.Split(header, ",") {
		v = strings.TrimSpace(v)
		if v == "*" || strings.TrimPrefix(v, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

func errorBody(r *Refusal) obj {
	body := obj{"message": r.Message, "documentation_url": "https://docs.github.com/rest"}
	if len(r.Errors) > 0 {
		body["errors"] = r.Errors
	}
	return body
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(v))
}

// mustJSON encodes our own objects, which hold nothing that cannot be encoded.
func mustJSON(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}
