package githubapi

import (
	"bytes"
	"container/list"
	"io"
	"net/http"
	"sync"
)

// What the cache of answers may hold.
const (
	cacheEntries = 512
	cacheBytes   = 16 << 20
)

// etags asks for what it knows with If-None-Match. An unchanged answer costs
// nothing of the rate limit. The cache belongs to one client, and so to one
// account: no answer is given to somebody who may not see it.
type etags struct {
	next http.RoundTripper

	mu    sync.Mutex
	byKey map[string]*list.Element
	order *list.List // of *answer, the last used first
	size  int
}

type answer struct {
	key    string
	etag   string
	header http.Header
	body   []byte
}

func newETags(next http.RoundTripper) *etags {
	return &etags{next: next, byKey: map[string]*list.Element{}, order: list.New()}
}

func (t *etags) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return t.next.RoundTrip(r)
	}
	key := r.URL.String() + "\n" + r.Header.Get("Accept")
	known := t.get(key)
	if known != nil {
		r = r.Clone(r.Context())
		r.Header.Set("If-None-Match", known.etag)
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNotModified && known != nil {
		_ = resp.Body.Close()
		header := known.header.Clone()
		for k, v := range resp.Header { // the date and the limits are of now
			header[k] = v
		}
		resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
		resp.Header, resp.Body, resp.ContentLength = header, io.NopCloser(bytes.NewReader(known.body)), int64(len(known.body))
		return resp, nil
	}
	body, err := slurp(r, resp)
	if err != nil {
		return nil, err
	}
	if etag := resp.Header.Get("ETag"); resp.StatusCode == http.StatusOK && etag != "" {
		t.put(&answer{key: key, etag: etag, header: resp.Header.Clone(), body: body})
	}
	return resp, nil
}

func (t *etags) get(key string) *answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.byKey[key]
	if !ok {
		return nil
	}
	t.order.MoveToFront(e)
	return e.Value.(*answer)
}

func (t *etags) put(a *answer) {
	if len(a.body) > cacheBytes/8 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.byKey[a.key]; ok {
		t.drop(e)
	}
	t.byKey[a.key] = t.order.PushFront(a)
	t.size += len(a.body)
	for t.order.Len() > cacheEntries || t.size > cacheBytes {
		t.drop(t.order.Back())
	}
}

func (t *etags) drop(e *list.Element) {
	a := t.order.Remove(e).(*answer)
	delete(t.byKey, a.key)
	t.size -= len(a.body)
}
