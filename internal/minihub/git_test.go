package minihub_test

import (
	"crypto/rand"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/tenure-dev/tenure/internal/minihub"
)

func (w *world) activity(query string) []object {
	w.t.Helper()
	return w.as("bob").list(rp + "/activity?direction=asc&" + query)
}

func TestPushesAreRecordedWithTheirActorAndKind(t *testing.T) {
	w := newWorld(t)
	dir := w.clone("alice")
	w.mustGit(dir, "checkout", "-q", "-b", "topic")
	one := w.commitFile(dir, "a", "1", "one")
	w.mustGit(dir, "push", "-q", "origin", "topic")
	two := w.commitFile(dir, "a", "2", "two")
	w.mustGit(dir, "push", "-q", "origin", "topic")
	w.mustGit(dir, "reset", "-q", "--hard", "HEAD~1")
	three := w.commitFile(dir, "a", "3", "three")
	w.mustGit(dir, "push", "-q", "--force", w.remote("bob", repoName), "topic")
	w.mustGit(dir, "push", "-q", "origin", ":topic")

	const zero = "0000000000000000000000000000000000000000"
	type row struct{ kind, actor, before, after any }
	var got []row
	for _, a := range w.activity("ref=refs/heads/topic") {
		got = append(got, row{a["activity_type"], at(a, "actor", "login"), a["before"], a["after"]})
	}
	want := []row{
		{"branch_creation", "alice", zero, one},
		{"push", "alice", one, two},
		{"force_push", "bob", two, three},
		{"branch_deletion", "alice", three, zero},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("push record\n%v\nwant\n%v", got, want)
	}
}

func TestCloneAndPushSpeakEveryProtocolVersion(t *testing.T) {
	w := newWorld(t)
	blob := make([]byte, 1<<20+1<<18) // more than http.postBuffer: sent in chunks
	if _, err := rand.Read(blob); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"0", "1", "2"} {
		dir := w.clone("alice")
		branch := "v" + version
		w.mustGit(dir, "checkout", "-q", "-b", branch)
		sha := w.commitFile(dir, "big"+version, string(blob), "big")
		w.mustGit(dir, "-c", "protocol.version="+version, "push", "-q", "origin", branch)
		out := w.mustGit(dir, "-c", "protocol.version="+version, "ls-remote", "origin", "refs/heads/"+branch)
		if !strings.HasPrefix(out, sha) {
			t.Errorf("version %s: ls-remote says %q", version, out)
		}
		w.mustGit(t.TempDir(), "-c", "protocol.version="+version, "clone", "-q", "--branch", branch, w.remote("bob", repoName), "copy")
	}
}

func TestGoGitClonesAndPushes(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.hub.User("alice")
	auth := &githttp.BasicAuth{Username: "x-access-token", Password: alice.Token}
	repo, err := gogit.PlainCloneContext(t.Context(), t.TempDir(), true, &gogit.CloneOptions{URL: w.srv.URL + "/" + repoName + ".git", Auth: auth})
	w.must(err)
	head, err := repo.Head()
	w.must(err)
	w.must(repo.Storer.SetReference(plumbing.NewHashReference("refs/heads/by-go-git", head.Hash())))
	w.must(repo.PushContext(t.Context(), &gogit.PushOptions{Auth: auth, RefSpecs: []config.RefSpec{"refs/heads/by-go-git:refs/heads/by-go-git"}}))
	sha, err := w.hub.Head(repoName, "by-go-git")
	w.must(err)
	if sha != head.Hash().String() {
		t.Errorf("pushed %s, hub has %s", head.Hash(), sha)
	}
	_, err = gogit.CloneContext(t.Context(), memory.NewStorage(), nil, &gogit.CloneOptions{URL: w.srv.URL + "/" + repoName + ".git"})
	w.must(err)
}

func TestWhoMayPush(t *testing.T) {
	w := newWorld(t)
	w.hub.AddUser("reader")
	w.must(w.hub.SetPermission(repoName, "reader", minihub.Read))
	dir := w.clone("alice")
	w.commitFile(dir, "a", "1", "one")
	anonymous := w.srv.URL + "/" + repoName + ".git"
	for name, tc := range map[string]struct{ remote, want string }{
		"nobody":            {anonymous, "could not read Username"},
		"a reader":          {w.remote("reader", repoName), "403"},
		"a wrong token":     {strings.Replace(anonymous, "://", "://x:wrong@", 1), "Authentication failed"},
		"a hidden ref":      {w.remote("alice", repoName), "hidden ref"},
		"someone who may":   {w.remote("alice", repoName), ""},
		"another not there": {w.remote("alice", "acme/other"), "not found"},
	} {
		ref := "HEAD:refs/heads/x"
		if name == "a hidden ref" {
			ref = "HEAD:refs/pull/1/head"
		}
		out, err := w.git(dir, "push", tc.remote, ref)
		if (err == nil) != (tc.want == "") || !strings.Contains(out, tc.want) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
	w.must(w.hub.SetPrivate(repoName, true))
	if out, err := w.git(dir, "ls-remote", anonymous); err == nil {
		t.Errorf("a private repository was read by nobody: %s", out)
	}
	w.mustGit(dir, "ls-remote", w.remote("reader", repoName))
}

func TestProtectedBranchesRefuseDirectPushes(t *testing.T) {
	w := newWorld(t)
	w.must(w.hub.ProtectBranch(repoName, "main", minihub.Protection{Approvals: 1, AllowBypass: true}))
	before, err := w.hub.Head(repoName, "main")
	w.must(err)
	dir := w.clone("alice")
	w.commitFile(dir, "a", "1", "one")
	out, err := w.git(dir, "push", "origin", "main", "main:refs/heads/other")
	if err == nil || !strings.Contains(out, "GH006") {
		t.Errorf("direct push by a writer: %v, %s", err, out)
	}
	if head, _ := w.hub.Head(repoName, "main"); head != before {
		t.Error("the protected branch moved")
	}
	if _, err := w.hub.Head(repoName, "other"); err != nil {
		t.Error("the other ref of the same push was refused too")
	}
	admin := w.remote("root", repoName)
	w.mustGit(dir, "push", "-q", admin, "main") // bypass
	w.mustGit(dir, "commit", "-q", "--amend", "-m", "rewritten")
	w.mustGit(dir, "push", "-q", admin, "main:release")
	w.must(w.hub.ProtectBranch(repoName, "release", minihub.Protection{AllowBypass: true}))
	for _, args := range [][]string{{"--force", "main"}, {":release"}} {
		if out, err := w.git(dir, append([]string{"push", admin}, args...)...); err == nil || !strings.Contains(out, "GH006") {
			t.Errorf("push %v by an administrator: %v, %s", args, err, out)
		}
	}
	sha := w.mustGit(dir, "rev-parse", "HEAD")
	w.mustGit(dir, "push", "-q", admin, "HEAD:refs/heads/rewritten")
	if got := w.as("root").do("PATCH", rp+"/git/refs/heads/main", object{"sha": sha, "force": true}, http.StatusUnprocessableEntity); at(got, "message") != "Cannot update this protected ref." {
		t.Errorf("API answered %v", got)
	}
	w.as("root").do("DELETE", rp+"/git/refs/heads/main", nil, http.StatusUnprocessableEntity)
}

func TestAHeadStaysReadableAfterItsBranchIsGone(t *testing.T) {
	w := newWorld(t)
	w.hub.AddUser("mallory")
	_, err := w.hub.Fork(repoName, "mallory")
	w.must(err)
	sha, err := w.hub.Push("mallory/access", minihub.Commit{Branch: "t", By: "mallory", Write: map[string]string{"f": "1"}})
	w.must(err)
	_, err = w.hub.OpenPull(repoName, "mallory", minihub.PullRequest{Title: "t", Head: "mallory:t"})
	w.must(err)
	w.must(w.hub.DeleteRepo("mallory/access"))
	dir := w.clone("alice")
	w.mustGit(dir, "fetch", "-q", "origin", "refs/pull/1/head")
	if got := w.mustGit(dir, "rev-parse", "FETCH_HEAD"); got != sha {
		t.Errorf("fetched %s, want %s", got, sha)
	}
	file := w.as("bob").get(rp + "/contents/f?ref=" + sha)
	if at(file, "content") != "MQ==\n" {
		t.Errorf("contents are %v", file["content"])
	}
}

func TestActivityPagesByCursor(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.push(minihub.Commit{Branch: "b", By: "alice"})
	}
	c := w.as("bob")
	all := column(c.list(rp+"/activity?ref=b"), "id")
	if len(all) != 5 || !slices.IsSortedFunc(all, func(a, b any) int { return num(b) - num(a) }) {
		t.Fatalf("activity of b is %v", all)
	}
	var paged []any
	next, pages := c.w.srv.URL+"/api/v3"+rp+"/activity?ref=refs/heads/b&per_page=2", 0
	for next != "" {
		pages++
		paged = append(paged, column(c.list(next), "id")...)
		next = linkOf(c.request("GET", next, nil), "next")
	}
	if pages != 3 || !slices.Equal(paged, all) {
		t.Errorf("%d pages: %v, want %v", pages, paged, all)
	}
	c.do("GET", rp+"/activity?after=nonsense", nil, http.StatusUnprocessableEntity)
	if got := c.list(rp + "/activity?activity_type=branch_creation&actor=alice"); len(got) != 1 {
		t.Errorf("filtered activity is %v", got)
	}
}

// linkOf reads one address out of a Link header.
func linkOf(resp *http.Response, rel string) string {
	for _, part := range strings.Split(resp.Header.Get("Link"), ",") {
		if url, ok := strings.CutSuffix(strings.TrimSpace(part), `>; rel="`+rel+`"`); ok {
			return strings.TrimPrefix(url, "<")
		}
	}
	return ""
}
