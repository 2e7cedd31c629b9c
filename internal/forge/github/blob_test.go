package github

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/minihub"
)

func filed(status string) *gh.CommitFile {
	return &gh.CommitFile{Filename: gh.String("a"), SHA: gh.String("b"), Status: &status}
}

func TestReadBlobReturnsTheBytes(t *testing.T) {
	w := newWorld(t)
	binary := "\x00\xff\r\n" + strings.Repeat("any bytes at all\n", 500)
	c := w.push(minihub.Commit{By: "bob", Write: map[string]string{"text": "kind: AccessRequest\n", "binary": binary, "empty": ""}})
	w.push(minihub.Commit{Branch: "open", By: "alice", Write: map[string]string{"open": "not merged\n"}})
	g := w.client()
	for path, want := range map[string]string{"text": "kind: AccessRequest\n", "binary": binary, "empty": "", "open": "not merged\n"} {
		commit := c
		if path == "open" {
			commit = w.head("open")
		}
		blob, err := g.BlobAt(t.Context(), commit, path)
		must(t, err)
		got, err := g.ReadBlob(t.Context(), blob, int64(len(want)))
		if err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v; want %d", path, len(got), err, len(want))
		}
		if _, err := g.ReadBlob(t.Context(), blob, int64(len(want))-1); !errors.Is(err, forge.ErrTooMany) {
			t.Errorf("%s with a limit of one byte less: %v", path, err)
		}
		if _, err := w.client().ReadBlob(t.Context(), blob, int64(len(want))-1); !errors.Is(err, forge.ErrTooMany) {
			t.Errorf("%s with a limit of one byte less, read for the first time: %v", path, err)
		}
	}
	for _, id := range []string{strings.Repeat("1", 40), c} { // unknown, and a commit
		if _, err := g.ReadBlob(t.Context(), id, 10); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	w.hub.ResetRequests()
	for _, id := range []string{"", "abc", "../../pulls", strings.Repeat("A", 40), strings.Repeat("1", 41)} {
		if _, err := g.ReadBlob(t.Context(), id, 10); err == nil {
			t.Errorf("%q was taken for the id of a blob", id)
		}
	}
	if n := len(w.hub.Requests()); n != 0 {
		t.Errorf("%d requests for what is no id", n)
	}
}

// stub is a client of a server that answers everything alike.
func stub(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(answer)
	tr := &http.Transport{}
	t.Cleanup(func() { tr.CloseIdleConnections(); srv.Close() })
	g, err := New(Config{Repo: repo, BaseURL: srv.URL, Token: "t", HTTPTransport: tr})
	must(t, err)
	return g
}

func blobJSON(content string, size int, encoding string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"sha":"x","size":%d,"encoding":%q,"content":%q}`, size, encoding, content)
	}
}

func TestBytesThatAreNotTheBlobsAreRefused(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	blob := forge.BlobID([]byte("hello\n"))
	if blob != "ce013625030ba8dba906f756967f9e9ca394464a" { // git hash-object
		t.Fatalf("the id of a blob is %s", blob)
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"the bytes":             {blobJSON(b64([]byte("hello\n")), 6, "base64"), nil},
		"other bytes":           {blobJSON(b64([]byte("hullo\n")), 6, "base64"), forge.ErrUnavailable},
		"fewer bytes":           {blobJSON(b64([]byte("hello")), 6, "base64"), forge.ErrUnavailable},
		"no bytes":              {blobJSON("", 6, "base64"), forge.ErrUnavailable},
		"no base64":             {blobJSON("§", 6, "base64"), forge.ErrUnavailable},
		"another encoding":      {blobJSON("hello\n", 6, "utf-8"), forge.ErrUnavailable},
		"a size over the limit": {blobJSON(b64([]byte("hello\n")), 101, "base64"), forge.ErrTooMany},
		"more than it says":     {blobJSON(b64(make([]byte, 101)), 6, "base64"), forge.ErrTooMany},
		"no JSON":               {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, forge.ErrUnavailable},
		"a long page of trouble": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(502)
			fmt.Fprint(w, strings.Repeat("x", 100_000))
		}, forge.ErrUnavailable},
	} {
		got, err := stub(t, tt.answer).ReadBlob(t.Context(), blob, 100)
		if tt.want == nil && (err != nil || string(got) != "hello\n") || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestOfALargeBlobOnlyTheBeginningIsRead(t *testing.T) {
	const chunk = 64 << 10
	for name, length := range map[string]string{"announced": "10000000", "not announced": ""} {
		sent := make(chan int, 1)
		g := stub(t, func(w http.ResponseWriter, r *http.Request) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			n := 0
			defer func() { sent <- n }()
			for n < 10_000_000 && r.Context().Err() == nil {
				k, err := io.WriteString(w, strings.Repeat("x", min(chunk, 10_000_000-n)))
				if n += k; err != nil {
					return
				}
			}
		})
		if _, err := g.ReadBlob(t.Context(), strings.Repeat("1", 40), 1000); !errors.Is(err, forge.ErrTooMany) {
			t.Errorf("%s: %v", name, err)
		}
		if n := <-sent; n >= 10_000_000 {
			t.Errorf("%s: all %d bytes were taken", name, n)
		}
	}
}
