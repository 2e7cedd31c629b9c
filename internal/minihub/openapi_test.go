package minihub_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/minihub/hubcheck"
)

// The scenario makes every call that the hub serves, in most of the shapes their
// answers can have, through the validator.
func TestEveryCallSatisfiesThePublishedDescription(t *testing.T) {
	check := hubcheck.New(t)
	w := newWorldWith(t, check.Handler)
	alice, bob := w.as("alice"), w.as("bob")

	scenarioUsers(w, alice)
	scenarioGitDatabase(w, alice)
	scenarioReviews(w, alice, bob)
	scenarioMerges(w, alice, bob)
	scenarioForkAndGhosts(w, bob)
	scenarioApp(w)

	seen := check.Seen()
	var missing []string
	for _, op := range check.Operations() {
		if seen[op] == 0 {
			missing = append(missing, op)
		}
	}
	if len(missing) > 0 {
		t.Errorf("calls in the description that no scenario makes:\n%s", strings.Join(missing, "\n"))
	}
}

// The description and the hub list the same calls.
func TestTheHubServesExactlyTheDescribedCalls(t *testing.T) {
	want := hubcheck.New(t).Operations()
	got := minihub.Routes()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("hub serves\n%s\ndescription has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const rp = "/repos/" + repoName

func scenarioUsers(w *world, c client) {
	self := c.get("/user")
	if self["login"] != "alice" {
		w.t.Errorf("/user is %v", self["login"])
	}
	c.get("/users/bob")
	c.get(fmt.Sprintf("/user/%d", num(self["id"])))
	c.get("/rate_limit")
	c.get(rp)
	c.get(rp + "/collaborators/bob/permission")
	c.list(rp + "/branches")
	c.get(rp + "/branches/main")
	c.get(rp + "/commits/main")
	c.list(rp + "/activity?per_page=1")
}

func scenarioGitDatabase(w *world, c client) {
	head := c.get(rp + "/git/ref/heads/main")
	sha := at(head, "object", "sha").(string)
	commit := c.get(rp + "/git/commits/" + sha)
	tree := at(commit, "tree", "sha").(string)
	c.get(rp + "/git/trees/" + tree + "?recursive=1")
	blob := c.do("POST", rp+"/git/blobs", object{"content": base64.StdEncoding.EncodeToString([]byte("x: 1\n")), "encoding": "base64"}, 201).(object)
	c.get(rp + "/git/blobs/" + blob["sha"].(string))
	made := c.do("POST", rp+"/git/trees", object{"base_tree": tree, "tree": []object{
		{"path": "requests/a.yaml", "mode": "100644", "type": "blob", "sha": blob["sha"]},
		{"path": "requests/b.yaml", "mode": "100644", "type": "blob", "content": "b: 2\n"},
		{"path": "link", "mode": "120000", "type": "blob", "content": "README.md"},
	}}, 201).(object)
	next := c.do("POST", rp+"/git/commits", object{"message": "By hand", "tree": made["sha"], "parents": []string{sha}}, 201).(object)
	c.do("POST", rp+"/git/refs", object{"ref": "refs/heads/topic/by-hand", "sha": next["sha"]}, 201)
	c.list(rp + "/git/matching-refs/heads/topic")
	c.get(rp + "/branches/topic/by-hand")
	removed := c.do("POST", rp+"/git/trees", object{"base_tree": made["sha"], "tree": []object{
		{"path": "requests/b.yaml", "mode": "100644", "type": "blob", "sha": nil},
	}}, 201).(object)
	third := c.do("POST", rp+"/git/commits", object{
		"message": "Remove b", "tree": removed["sha"], "parents": []any{next["sha"]},
		"author": object{"name": "Tenure", "email": "tenure@example.com", "date": "2026-11-23T08:00:00Z"},
	}, 201).(object)
	c.do("PATCH", rp+"/git/refs/heads/topic/by-hand", object{"sha": third["sha"]}, 200)
	c.list(rp + "/contents/requests?ref=topic/by-hand")
	file := c.get(rp + "/contents/requests/a.yaml?ref=topic/by-hand")
	if file["sha"] != blob["sha"] {
		w.t.Errorf("contents say blob %v, want %v", file["sha"], blob["sha"])
	}
	c.get(rp + "/contents/link?ref=topic/by-hand")
	c.list(rp + "/contents/?ref=main")
	c.do("GET", rp+"/contents/requests/b.yaml?ref=topic/by-hand", nil, 404)
	c.do("POST", rp+"/git/refs", object{"ref": "refs/heads/short-lived", "sha": sha}, 201)
	c.do("DELETE", rp+"/git/refs/heads/short-lived", nil, 204)
}

func scenarioReviews(w *world, alice, bob client) {
	pr := alice.do("POST", rp+"/pulls", object{"title": "By hand", "head": "topic/by-hand", "base": "main", "body": "why"}, 201).(object)
	n := num(pr["number"])
	path := fmt.Sprintf("%s/pulls/%d", rp, n)
	issue := fmt.Sprintf("%s/issues/%d", rp, n)
	alice.get(path)
	alice.list(rp + "/pulls?state=all&head=acme:topic/by-hand&base=main&sort=updated&direction=desc")
	alice.list(path + "/files")
	alice.list(path + "/commits")
	headSHA := at(pr, "head", "sha").(string)
	alice.list(rp + "/commits/" + headSHA + "/pulls")

	bob.do("POST", path+"/reviews", object{"event": "COMMENT", "body": "hm"}, 200)
	rv := bob.do("POST", path+"/reviews", object{"event": "APPROVE", "commit_id": headSHA}, 200).(object)
	alice.do("POST", path+"/reviews", object{"event": "APPROVE"}, 422)
	bob.list(path + "/reviews")
	bob.get(fmt.Sprintf("%s/reviews/%d", path, num(rv["id"])))
	bob.do("PUT", fmt.Sprintf("%s/reviews/%d/dismissals", path, num(rv["id"])), object{"message": "changed my mind"}, 200)

	comment := bob.do("POST", issue+"/comments", object{"body": "first"}, 201).(object)
	at1 := fmt.Sprintf("%s/issues/comments/%d", rp, num(comment["id"]))
	bob.do("PATCH", at1, object{"body": "edited"}, 200)
	bob.get(at1)
	bob.list(issue + "/comments")
	bob.do("DELETE", at1, nil, 204)
	bob.do("POST", issue+"/comments", object{"body": "second"}, 201)

	alice.do("POST", rp+"/statuses/"+headSHA, object{"state": "success", "context": "validate", "target_url": "http://127.0.0.1/"}, 201)
	alice.list(rp + "/commits/" + headSHA + "/statuses")
	alice.get(rp + "/commits/" + headSHA + "/status")

	alice.do("PATCH", path, object{"state": "closed"}, 200)
	alice.do("PATCH", path, object{"state": "open"}, 200)
	w.push(minihub.Commit{Branch: "release", By: "root", Write: map[string]string{"release": "1"}})
	alice.do("PATCH", path, object{"base": "release", "title": "Retargeted"}, 200)
	w.push(minihub.Commit{Branch: "topic/by-hand", From: headSHA, Force: true, By: "alice", Remove: []string{"link"}})
	w.must(w.hub.MoveBranch(repoName, "topic/by-hand", headSHA, "alice"))
	bob.list(issue + "/events")
	bob.list(issue + "/timeline")
}

func scenarioMerges(w *world, alice, bob client) {
	n := w.open("alice", "first")
	path := fmt.Sprintf("%s/pulls/%d", rp, n)
	w.push(minihub.Commit{By: "root", Write: map[string]string{"moved": "on\n"}})
	alice.do("GET", path+"/merge", nil, 404)
	alice.do("PUT", path+"/update-branch", object{}, 202)
	sha := at(alice.get(path), "head", "sha")
	bob.do("PUT", path+"/merge", object{"sha": strings.Repeat("1", 40)}, 409)
	merged := bob.do("PUT", path+"/merge", object{"sha": sha, "merge_method": "squash"}, 200).(object)
	bob.do("GET", path+"/merge", nil, 204)
	bob.do("PUT", path+"/merge", object{}, 405)
	bob.get(path)
	bob.list(path + "/files")
	bob.list(path + "/commits")
	bob.list(rp + "/commits/" + merged["sha"].(string) + "/pulls")
	bob.list(fmt.Sprintf("%s/issues/%d/timeline", rp, n))
	w.must(w.hub.MoveBranch(repoName, "first", "", "alice"))
	bob.list(fmt.Sprintf("%s/issues/%d/events", rp, n))
	w.must(w.hub.QueueMerge(repoName, w.open("alice", "queued")))
	bob.list(rp + "/activity?direction=asc&ref=refs/heads/main")
}

func scenarioForkAndGhosts(w *world, bob client) {
	w.hub.AddUser("mallory")
	mallory := w.as("mallory")
	mallory.do("POST", rp+"/forks", object{}, 202)
	_, err := w.hub.Push("mallory/access", minihub.Commit{Branch: "from-fork", By: "mallory", Write: map[string]string{"f": "1"}})
	w.must(err)
	pr := mallory.do("POST", rp+"/pulls", object{"title": "From a fork", "head": "mallory:from-fork", "base": "main"}, 201).(object)
	n := num(pr["number"])
	mallory.get("/repos/mallory/access")
	_, err = w.hub.Review(repoName, n, "mallory", "COMMENT", "please")
	w.must(err)
	w.must(w.hub.DeleteRepo("mallory/access"))
	w.must(w.hub.DeleteUser("mallory"))
	path := fmt.Sprintf("%s/pulls/%d", rp, n)
	if repo := at(bob.get(path), "head", "repo"); repo != nil {
		w.t.Errorf("head repository of a deleted fork is %v", repo)
	}
	if user := bob.list(path + "/reviews")[0]["user"]; user != nil {
		w.t.Errorf("reviewer who is gone is %v", user)
	}
	bob.list(rp + "/activity")
	bob.list(rp + "/pulls?state=all")
}

func scenarioApp(w *world) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	w.hub.AddApp(12, "tenure", &key.PublicKey)
	w.must(w.hub.InstallApp(12, 34, repoName, minihub.Write))
	asApp := client{w: w, token: signJWT(w.t, key, 12, time.Now())}
	asApp.get("/app")
	asApp.get("/app/installations/34")
	token := asApp.do("POST", "/app/installations/34/access_tokens", nil, 201).(object)
	bot := client{w: w, token: token["token"].(string)}
	bot.get(rp)
	bot.get("/rate_limit")
	bot.do("GET", "/user", nil, http.StatusForbidden)
}

func signJWT(t *testing.T, key *rsa.PrivateKey, issuer int64, now time.Time) string {
	t.Helper()
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	body := part(object{"alg": "RS256", "typ": "JWT"}) + "." +
		part(object{"iss": fmt.Sprint(issuer), "iat": now.Add(-30 * time.Second).Unix(), "exp": now.Add(5 * time.Minute).Unix()})
	sum := sha256.Sum256([]byte(body))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return body + "." + base64.RawURLEncoding.EncodeToString(sig)
}
