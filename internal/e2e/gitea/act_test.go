package gitea_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (w *world) path(format string, args ...any) string {
	return "/repos/" + w.repo + fmt.Sprintf(format, args...)
}

// write commits files to a branch as somebody and returns the commit. A branch
// other than main is new, and begins at main.
func (w *world) write(by, branch string, files map[string]string) string {
	w.t.Helper()
	return w.commit(by, w.repo, branch, branch != "main", files)
}

// push commits to a branch that there is.
func (w *world) push(by, branch string, files map[string]string) {
	w.t.Helper()
	w.commit(by, w.repo, branch, false, files)
}

func (w *world) commit(by, repo, branch string, fresh bool, files map[string]string) string {
	w.t.Helper()
	var changes []map[string]string
	for _, path := range slices.Sorted(maps.Keys(files)) {
		changes = append(changes, map[string]string{"operation": "upload", "path": path, "content": base64.StdEncoding.EncodeToString([]byte(files[path]))})
	}
	in := map[string]any{"branch": branch, "message": "Change access", "files": changes}
	if fresh {
		in["branch"], in["new_branch"] = "main", branch
	}
	var made struct {
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	w.s.As(w.t, w.s.User(w.t, by), "POST", "/repos/"+repo+"/contents", in, &made)
	w.tick()
	return made.Commit.SHA
}

// ask writes one file on a new branch as somebody and opens a pull request.
func (w *world) ask(by, path, text string) (pull int, branch string) {
	w.t.Helper()
	w.seq++
	branch = fmt.Sprintf("%s-%d", by, w.seq)
	w.write(by, branch, map[string]string{path: text})
	return w.open(by, branch), branch
}

// open opens a pull request; head is a branch, or owner:branch of a fork.
func (w *world) open(by, head string) int {
	w.t.Helper()
	n := w.opened(by, head)
	w.tick()
	return n
}

// opened is open that waits for nothing.
func (w *world) opened(by, head string) int {
	w.t.Helper()
	var made struct {
		Number int `json:"number"`
	}
	w.s.As(w.t, w.s.User(w.t, by), "POST", w.path("/pulls"), map[string]any{"title": "Access", "head": head, "base": "main"}, &made)
	return made.Number
}

func (w *world) closePull(by string, n int) {
	w.t.Helper()
	w.s.As(w.t, w.s.User(w.t, by), "PATCH", w.path("/pulls/%d", n), map[string]any{"state": "closed"}, nil)
	w.tick()
}

func (w *world) approve(by string, n int) {
	w.t.Helper()
	if status, text := w.tryApprove(by, n); status/100 != 2 {
		w.t.Fatalf("%s approves pull request %d: HTTP %d: %s", by, n, status, text)
	}
	w.tick()
}

func (w *world) tryApprove(by string, n int) (status int, text string) {
	w.t.Helper()
	return w.s.Try(w.t, w.s.User(w.t, by), "POST", w.path("/pulls/%d/reviews", n), map[string]any{"event": "APPROVED", "body": "Fine"}, nil)
}

// merge merges a pull request as erin. It is repeated while Gitea still looks for
// conflicts.
func (w *world) merge(n int) {
	w.t.Helper()
	erin := w.s.User(w.t, "erin")
	w.s.Until(w.t, "the pull request can be merged", func() bool {
		status, text := w.s.Try(w.t, erin, "POST", w.path("/pulls/%d/merge", n), map[string]any{"Do": "merge"}, nil)
		if status != http.StatusOK && !strings.Contains(text, "try again later") {
			w.t.Fatalf("merge pull request %d: HTTP %d: %s", n, status, text)
		}
		return status == http.StatusOK
	})
	w.tick()
}

// tick waits until Gitea did what it put off, and then for the next second: what
// happens in the same one does not count as later.
func (w *world) tick() {
	w.t.Helper()
	w.s.Flush(w.t)
	w.s.Until(w.t, "pull requests follow their branches", w.followed)
	begun := time.Now().Unix()
	w.s.Until(w.t, "the next second", func() bool { return time.Now().Unix() > begun })
}

// followed reports whether the ref of every open pull request is where its branch
// is.
func (w *world) followed() bool {
	w.t.Helper()
	var open []struct {
		Number int `json:"number"`
		Head   struct {
			SHA string `json:"sha"`
		} `json:"head"`
	}
	w.s.Admin(w.t, "GET", w.path("/pulls?state=open&limit=50"), nil, &open)
	for _, p := range open {
		var refs []struct {
			Object struct {
				SHA string `json:"sha"`
			} `json:"object"`
		}
		status, _ := w.s.Try(w.t, w.s.User(w.t, "erin"), "GET", w.path("/git/refs/pull/%d/head", p.Number), nil, &refs)
		if status != http.StatusOK || len(refs) != 1 || refs[0].Object.SHA != p.Head.SHA {
			return false
		}
	}
	return true
}
