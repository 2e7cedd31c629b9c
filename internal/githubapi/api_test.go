package githubapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCacheOfAnswersIsBounded(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"x"`)
		fmt.Fprint(w, strings.Repeat("x", 100_000))
	}))
	tr := &http.Transport{}
	t.Cleanup(func() { tr.CloseIdleConnections(); srv.Close() })
	c := newETags(tr)
	for i := range 2 * cacheEntries {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/%d", srv.URL, i), nil)
		must(t, err)
		resp, err := c.RoundTrip(req)
		must(t, err)
		must(t, resp.Body.Close())
	}
	if c.size > cacheBytes || c.order.Len() > cacheEntries || c.order.Len() != len(c.byKey) || c.size != c.order.Len()*100_000 {
		t.Errorf("%d answers, %d bytes", c.order.Len(), c.size)
	}
}

// unread is a body that must not be looked at.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }
func (u unread) Close() error             { return nil }

func TestAnAnnouncedSizeIsEnoughToRefuse(t *testing.T) {
	r, err := http.NewRequestWithContext(LimitAnswer(t.Context(), 10), http.MethodGet, "http://127.0.0.1/", nil)
	must(t, err)
	var large *TooLarge
	if _, err := slurp(r, &http.Response{StatusCode: 200, ContentLength: 11, Body: unread{t}}); !errors.As(err, &large) {
		t.Errorf("got %v", err)
	}
}
