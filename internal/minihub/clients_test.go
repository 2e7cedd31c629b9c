package minihub_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/minihub/hubcheck"
)

// The clients that the program uses speak to the hub through the validator.
func TestGoGitHubWorksAsAnInstallation(t *testing.T) {
	w := newWorldWith(t, func(h http.Handler) http.Handler { return hubcheck.Handler(t, h) })
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	bot := w.hub.AddApp(12, "tenure", &key.PublicKey)
	w.must(w.hub.InstallApp(12, 34, repoName, minihub.Write))
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	tr, err := ghinstallation.New(w.srv.Client().Transport, 12, 34, private)
	w.must(err)
	tr.BaseURL = w.srv.URL + "/api/v3"
	gh, err := github.NewClient(&http.Client{Transport: tr}).WithEnterpriseURLs(w.srv.URL, w.srv.URL)
	w.must(err)
	ctx := t.Context()

	repo, _, err := gh.Repositories.Get(ctx, "acme", "access")
	w.must(err)
	if r, _ := w.hub.Repo(repoName); repo.GetID() != r.ID {
		t.Errorf("repository is %d, want %d", repo.GetID(), r.ID)
	}
	ref, _, err := gh.Git.GetRef(ctx, "acme", "access", "refs/heads/main")
	w.must(err)
	tree, _, err := gh.Git.CreateTree(ctx, "acme", "access", ref.GetObject().GetSHA(), []*github.TreeEntry{{Path: new("README.md"), Mode: new("100644")}})
	w.must(err)
	if len(tree.Entries) != 0 {
		t.Errorf("the file was not removed: %v", tree.Entries)
	}
	commit, _, err := gh.Git.CreateCommit(ctx, "acme", "access", &github.Commit{
		Message: new("Remove"), Tree: tree, Parents: []*github.Commit{{SHA: ref.GetObject().SHA}},
	}, nil)
	w.must(err)
	_, _, err = gh.Git.CreateRef(ctx, "acme", "access", &github.Reference{Ref: new("refs/heads/tenure/revert/1"), Object: &github.GitObject{SHA: commit.SHA}})
	w.must(err)
	pr, _, err := gh.PullRequests.Create(ctx, "acme", "access", &github.NewPullRequest{Title: new("Remove"), Head: new("tenure/revert/1"), Base: new("main")})
	w.must(err)
	if pr.GetUser().GetID() != bot.ID || pr.GetUser().GetType() != "Bot" {
		t.Errorf("opened by %v", pr.GetUser())
	}
	files, _, err := gh.PullRequests.ListFiles(ctx, "acme", "access", pr.GetNumber(), nil)
	w.must(err)
	if len(files) != 1 || files[0].GetStatus() != "removed" {
		t.Errorf("files are %v", files)
	}
	result, _, err := gh.PullRequests.Merge(ctx, "acme", "access", pr.GetNumber(), "", &github.PullRequestOptions{SHA: commit.GetSHA(), MergeMethod: "squash"})
	w.must(err)
	if !result.GetMerged() || result.GetSHA() != mustHead(w, "main") {
		t.Errorf("merged as %v", result)
	}
	_, _, err = gh.Issues.ListIssueTimeline(ctx, "acme", "access", pr.GetNumber(), &github.ListOptions{PerPage: 100})
	w.must(err)
	w.hub.UninstallApp(12, 34)
	if _, _, err := gh.Repositories.Get(ctx, "acme", "access"); err == nil {
		t.Error("the token outlived its installation")
	}
}

func TestOnlyTheAppsOwnKeyOpensAnInstallation(t *testing.T) {
	w := newWorld(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	w.hub.AddApp(12, "tenure", &key.PublicKey)
	w.must(w.hub.InstallApp(12, 34, repoName, minihub.Write))
	now := time.Now()
	for name, tc := range map[string]struct {
		token  string
		path   string
		status int
	}{
		"right":              {signJWT(t, key, 12, now), "34", http.StatusCreated},
		"another key":        {signJWT(t, other, 12, now), "34", http.StatusUnauthorized},
		"another app":        {signJWT(t, key, 13, now), "34", http.StatusUnauthorized},
		"expired":            {signJWT(t, key, 12, now.Add(-time.Hour)), "34", http.StatusUnauthorized},
		"from the future":    {signJWT(t, key, 12, now.Add(time.Hour)), "34", http.StatusUnauthorized},
		"other installation": {signJWT(t, key, 12, now), "35", http.StatusNotFound},
		"a person's token":   {w.as("alice").token, "34", http.StatusUnauthorized},
		"unsigned":           {"eyJhbGciOiJub25lIn0.e30.", "34", http.StatusUnauthorized},
	} {
		resp := client{w: w, token: tc.token}.request("POST", "/app/installations/"+tc.path+"/access_tokens", nil)
		if resp.StatusCode != tc.status {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, tc.status)
		}
	}
	client{w: w, token: signJWT(t, key, 12, now)}.do("GET", rp, nil, http.StatusNotFound)
}

func TestInstallationTokensExpireAfterAnHour(t *testing.T) {
	now := newClock()
	hub, err := minihub.New(minihub.Options{Dir: t.TempDir(), AuthNow: now.Now})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(hub.Handler())
	t.Cleanup(srv.Close)
	w := &world{t: t, hub: hub, srv: srv, clock: now}
	_, err = hub.CreateRepo(repoName)
	w.must(err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	hub.AddApp(12, "tenure", &key.PublicKey)
	w.must(hub.InstallApp(12, 34, repoName, minihub.Read))
	got := client{w: w, token: signJWT(t, key, 12, now.Now())}.do("POST", "/app/installations/34/access_tokens", nil, http.StatusCreated).(object)
	if got["expires_at"] != "2026-11-23T10:00:00Z" {
		t.Errorf("expires at %v", got["expires_at"])
	}
	bot := client{w: w, token: got["token"].(string)}
	bot.get(rp)
	now.add(time.Hour)
	bot.do("GET", rp, nil, http.StatusUnauthorized)
}

func TestWebhooksAreSignedAndInOrder(t *testing.T) {
	w := newWorld(t)
	type got struct {
		event, signature string
		body             []byte
	}
	seen := make(chan got, 20)
	sink := httptest.NewServer(hubcheck.Webhooks(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- got{r.Header.Get("X-GitHub-Event"), r.Header.Get("X-Hub-Signature-256"), body}
	})))
	t.Cleanup(sink.Close)
	w.must(w.hub.AddWebhook(repoName, sink.URL, "s3cret"))
	w.push(minihub.Commit{Branch: "release", By: "root", Write: map[string]string{"r": "1"}})
	n := w.open("alice", "topic")
	w.push(minihub.Commit{Branch: "topic", By: "alice", Write: map[string]string{"more": "1"}})
	w.must(w.hub.EditPull(repoName, n, "alice", "Another title", "and why"))
	w.must(w.hub.Retarget(repoName, n, "alice", "release"))
	w.must(w.hub.ClosePull(repoName, n, "alice"))
	w.must(w.hub.ReopenPull(repoName, n, "alice"))
	review, err := w.hub.Review(repoName, n, "bob", "REQUEST_CHANGES", "no")
	w.must(err)
	w.must(w.hub.DismissReview(repoName, n, review, "root", "was talked over"))
	w.must(w.hub.Approve(repoName, n, "bob"))
	_, err = w.hub.Merge(repoName, n, "bob", "merge")
	w.must(err)
	want := []string{
		"push refs/heads/release", "push refs/heads/topic", "pull_request opened", "push refs/heads/topic", "pull_request synchronize",
		"pull_request edited [body title]", "pull_request edited [base]", "pull_request closed", "pull_request reopened",
		"pull_request_review submitted", "pull_request_review dismissed", "pull_request_review submitted",
		"pull_request closed", "push refs/heads/release",
	}

	var events []string
	for len(events) < len(want) {
		select {
		case g := <-seen:
			mac := hmac.New(sha256.New, []byte("s3cret"))
			mac.Write(g.body)
			if g.signature != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
				t.Errorf("%s: signature %s", g.event, g.signature)
			}
			var payload struct {
				Action, Ref string
				Changes     map[string]any
				Repository  struct {
					FullName string `json:"full_name"`
				}
			}
			w.must(json.Unmarshal(g.body, &payload))
			if payload.Repository.FullName != repoName {
				t.Errorf("%s is about %s", g.event, payload.Repository.FullName)
			}
			event := g.event + " " + payload.Action + payload.Ref
			if len(payload.Changes) > 0 {
				event += fmt.Sprint(" ", slices.Sorted(maps.Keys(payload.Changes)))
			}
			events = append(events, event)
		case <-time.After(10 * time.Second):
			t.Fatalf("only %v arrived", events)
		}
	}
	if !slices.Equal(events, want) {
		t.Errorf("events %v, want %v", events, want)
	}
}
