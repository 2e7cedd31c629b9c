package doctest_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/minihub"
)

const tutorialRepo = "acme/access"

// clock is the stand-in's clock. It runs like the real one, so far behind it. People
// need time between a push, a review and a merge; here the clock is moved instead.
type clock struct{ behind atomic.Int64 }

func (c *clock) now() time.Time        { return time.Now().Add(-time.Duration(c.behind.Load())) }
func (c *clock) set(now time.Duration) { c.behind.Store(int64(now)) }

func TestTheTutorialWorksFromInitToTheRevertPullRequest(t *testing.T) {
	t.Parallel() // it waits for the end of a window
	c := &clock{}
	c.set(time.Hour)
	hub, err := minihub.New(minihub.Options{Dir: t.TempDir(), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(hub.Handler())
	t.Cleanup(func() {
		srv.Close()
		if err := hub.Close(); err != nil {
			t.Error(err)
		}
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	alice := hub.AddUserID("alice-gh", 583231)
	hub.AddUserID("bob-gh", 583232)

	s := newSession(t)
	s.env = append(s.env, "GITHUB_TOKEN="+alice.Token)
	withLogin := strings.Replace(srv.URL, "://", "://alice-gh:"+alice.Token+"@", 1)
	s.adapt = func(text string) string {
		if strings.Contains(text, "\ntrust:") { // the configuration
			return strings.NewReplacer(
				"https://github.com/", srv.URL+"/",
				"forge: {type: github,", "forge: {type: github, baseURL: "+srv.URL+"/api/v3/,",
				"poll: 10s", "poll: 1s", "{group: 1m,", "{group: 1s,",
				"listen: 127.0.0.1:8080", "listen: 127.0.0.1:0",
			).Replace(text)
		}
		return strings.ReplaceAll(text, "https://github.com/", withLogin+"/")
	}
	s.forge = map[string]func(){
		"create": func() {
			_, err := hub.CreateRepo(tutorialRepo)
			must(err)
			must(hub.SetPermission(tutorialRepo, "alice-gh", minihub.Admin))
			must(hub.SetPermission(tutorialRepo, "bob-gh", minihub.Write))
		},
		"protect": func() { must(hub.ProtectBranch(tutorialRepo, "main", minihub.Protection{Approvals: 1})) },
		"open": func() {
			_, err := hub.OpenPull(tutorialRepo, "alice-gh", minihub.PullRequest{Title: "Restart the import service", Head: "alice-restart"})
			must(err)
		},
		"approve": func() {
			c.set(50 * time.Minute)
			must(hub.Approve(tutorialRepo, 1, "bob-gh"))
		},
		"merge": func() {
			// The window lasts five minutes from the merge; wait for its last half
			// minute only.
			c.set(4*time.Minute + 30*time.Second)
			_, err := hub.Merge(tutorialRepo, 1, "bob-gh", "squash")
			must(err)
		},
		"revert": func() {
			pull, err := waitForPull(t, hub, 2)
			must(err)
			if want := "Remove expired access: requests/2026/alice-restart.yaml"; pull.Title != want {
				t.Errorf("the pull request is called %q, not %q", pull.Title, want)
			}
			c.set(time.Minute)
			must(hub.Approve(tutorialRepo, 2, "bob-gh"))
			c.set(0)
			_, err = hub.Merge(tutorialRepo, 2, "bob-gh", "squash")
			must(err)
		},
	}
	blocks, _ := split(t, "docs/tutorial.md")
	s.play(blocks)
	checkEvidence(t, s)
}

// checkEvidence runs the operators' page's way to verify the evidence log on what
// the tutorial left, and on a copy with one word changed.
func checkEvidence(t *testing.T, s *session) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Log("python3 is not here, so the script of docs/operations.md is not run")
		return
	}
	script := ""
	blocks, _ := split(t, "docs/operations.md")
	for _, b := range blocks {
		if b.is("python", "verify") {
			script = b.text
		}
	}
	log := filepath.Join(s.home, "tenure-tutorial", "evidence.jsonl")
	verify := func(file string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "python3", "-c", script, file).CombinedOutput()
		return string(out), err
	}
	if out, err := verify(log); err != nil || !strings.Contains(out, "entries, unbroken") {
		t.Errorf("the evidence log does not verify: %v\n%s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), `"subject":"alice"`, `"subject":"mallory"`, 1)
	if changed == string(text) {
		t.Fatal("the evidence log does not name alice")
	}
	other := filepath.Join(s.home, "changed.jsonl")
	if err := os.WriteFile(other, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := verify(other); err == nil {
		t.Errorf("a changed evidence log verifies:\n%s", out)
	}
}

// waitForPull waits for the reconciler, a program of its own, to open a pull request.
func waitForPull(t *testing.T, hub *minihub.Hub, number int) (minihub.Pull, error) {
	t.Helper()
	for deadline := time.Now().Add(blockTimeout); ; {
		pull, err := hub.Pull(tutorialRepo, number)
		if err == nil || time.Now().After(deadline) {
			return pull, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-t.Context().Done():
			return pull, t.Context().Err()
		}
	}
}
