package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "code.gitea.io/sdk/gitea"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/giteaapi"
)

var _ forge.Client = (*Client)(nil)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // go-git's
		os.Exit(code)
	}))
}

const secretToken = "9a8b7c6d5e4f30219a8b7c6d5e4f30219a8b7c6d"

// fake is a server that answers as a test likes, and a client of it.
func fake(t *testing.T, f http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(f)
	tr := &http.Transport{}
	t.Cleanup(func() { tr.CloseIdleConnections(); srv.Close() })
	g, err := New(Config{BaseURL: srv.URL, Repo: "acme/access", Token: secretToken, HTTPTransport: tr, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestConfiguration(t *testing.T) {
	for name, c := range map[string]Config{
		"no repository":    {BaseURL: "https://git.example.com", Token: "x"},
		"one name":         {BaseURL: "https://git.example.com", Token: "x", Repo: "access"},
		"a path":           {BaseURL: "https://git.example.com", Token: "x", Repo: "acme/../access"},
		"a parent":         {BaseURL: "https://git.example.com", Token: "x", Repo: "acme/.."},
		"no token":         {BaseURL: "https://git.example.com", Repo: "acme/access"},
		"no address":       {Token: "x", Repo: "acme/access"},
		"plain http":       {BaseURL: "http://git.example.com", Token: "x", Repo: "acme/access"},
		"credentials":      {BaseURL: "https://bob:" + secretToken + "@git.example.com", Token: "x", Repo: "acme/access"},
		"another protocol": {BaseURL: "ssh://git.example.com", Token: "x", Repo: "acme/access"},
	} {
		if _, err := New(c); err == nil || strings.Contains(err.Error(), secretToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	g, err := New(Config{BaseURL: "https://git.example.com:8443/forge/api/v1/", Token: "x", Repo: "acme/access"})
	if err != nil {
		t.Fatal(err)
	}
	if g.Host() != "git.example.com" || g.GitURL() != "https://git.example.com:8443/forge/acme/access.git" {
		t.Errorf("host %s, Git at %s", g.Host(), g.GitURL())
	}
}

func TestAnswersBecomeErrorsThatSayWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		status int
		is     error
		text   string
	}{
		{404, forge.ErrNotFound, "404"},
		{401, forge.ErrUnavailable, "check the token"},
		{403, forge.ErrUnavailable, "check the scopes"},
		{503, forge.ErrUnavailable, "503"},
		{429, forge.ErrUnavailable, "429"},
		{302, nil, "not followed"},
	} {
		g := fake(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example.com/")
			w.WriteHeader(tt.status)
			fmt.Fprintf(w, `{"message":"no, said the server to %s"}`, secretToken)
		})
		_, err := g.Repository(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), secretToken) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("HTTP %d, by itself: %v", tt.status, err)
		}
		if tt.is == nil && (errors.Is(err, forge.ErrNotFound) || errors.Is(err, forge.ErrUnavailable)) {
			t.Errorf("HTTP %d counts as something that goes away: %v", tt.status, err)
		}
		_, err = g.Pull(t.Context(), 1)
		if err == nil || strings.Contains(err.Error(), secretToken) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("HTTP %d, through the library: %v", tt.status, err)
		}
	}
}

func TestTheTokenGoesNowhereElse(t *testing.T) {
	var stolen atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			stolen.Add(1)
		}
	}))
	defer thief.Close()
	g := fake(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	if _, err := g.Repository(t.Context()); err == nil {
		t.Error("a redirect was followed")
	}
	if err := g.SetStatus(t.Context(), hash("a"), forge.Status{State: forge.StatusSuccess}); err == nil {
		t.Error("a redirect was followed")
	}
	if n := stolen.Load(); n > 0 {
		t.Errorf("the token was sent elsewhere %d times", n)
	}
	if _, err := g.http.Get(thief.URL + "/api/v1/user"); !errors.Is(err, giteaapi.ErrLeave) {
		t.Errorf("another server: %v", err)
	}
}

func TestReadsAreRepeatedAndWritesAreNot(t *testing.T) {
	var reads, writes atomic.Int32
	g := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			writes.Add(1)
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if reads.Add(1) < giteaapi.Attempts {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Date", start.Format(http.TimeFormat))
		fmt.Fprint(w, `{"id":7,"full_name":"acme/access"}`)
	})
	r, err := g.Repository(t.Context())
	if err != nil || r.ID != 7 || !r.Now.Equal(start) || reads.Load() != giteaapi.Attempts {
		t.Errorf("%+v, %v after %d reads", r, err, reads.Load())
	}
	if _, resp, err := g.api(t.Context()).CreateBranch("acme", "access", sdkBranch()); err == nil || resp == nil || writes.Load() != 1 {
		t.Errorf("a write was sent %d times: %v", writes.Load(), err)
	}
}

func TestAWaitThatIsTooLongIsNotBegun(t *testing.T) {
	var n atomic.Int32
	g := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	if _, err := g.Repository(t.Context()); !errors.Is(err, forge.ErrUnavailable) || n.Load() != 1 {
		t.Errorf("%v after %d requests", err, n.Load())
	}
}

func TestAnAnswerThatIsTooLargeIsRefused(t *testing.T) {
	g := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range giteaapi.MaxAnswer>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	if _, err := g.Repository(t.Context()); !errors.Is(err, forge.ErrUnavailable) || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
}

func TestAnEndedContextEndsTheRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := g.Repository(ctx); !errors.Is(err, forge.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A list that Gitea cuts into pages is read whole, whatever size it gives them.
func TestListsAreReadToTheirEnd(t *testing.T) {
	for _, size := range []int{1, 7, 50} {
		g := fake(t, func(w http.ResponseWriter, r *http.Request) {
			var page int
			_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
			var out []string
			for i := (page - 1) * size; i < min(page*size, 120); i++ {
				out = append(out, fmt.Sprint(i))
			}
			if size == 7 { // a server that counts them ends a request earlier
				w.Header().Set("X-Total-Count", "120")
			}
			fmt.Fprintf(w, "[%s]", strings.Join(out, ","))
		})
		list, err := all[int](t.Context(), g, "numbers", "/numbers", nil)
		if err != nil || len(list) != 120 || list[119] != 119 {
			t.Errorf("pages of %d: %d entries, %v", size, len(list), err)
		}
	}
}

func sdkBranch() sdk.CreateBranchOption { return sdk.CreateBranchOption{BranchName: "x"} }
