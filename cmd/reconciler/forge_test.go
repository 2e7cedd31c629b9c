package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tenure-dev/tenure/internal/minihub"
)

// stage is the forge of one script. Its clock is set by the script, so that
// nothing has to wait for the whole seconds that forges count in.
type stage struct {
	hub *minihub.Hub
	url string

	mu   sync.Mutex
	at   time.Time // zero: now
	down string    // "": up, "down", "api-down"
}

const stageRepo = "acme/access"

var (
	stagesMu sync.Mutex
	stages   = map[string]*stage{} // by the script's directory
)

func stageOf(ts *testscript.TestScript) *stage {
	stagesMu.Lock()
	defer stagesMu.Unlock()
	s := stages[ts.Getenv("WORK")]
	if s == nil {
		ts.Fatalf("there is no forge yet: forge start DIR")
	}
	return s
}

// now is the forge's clock; tick moves it on, so that each act has a second of
// its own.
func (s *stage) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() {
		return time.Now()
	}
	return s.at
}

func (s *stage) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.at.IsZero() {
		s.at = s.at.Add(2 * time.Second)
	}
}

// The people of `reconciler init` in the scripts, and the reconciler's account.
var logins = map[string]int64{"alice-gh": 583231, "bob-gh": 583232, "mallory-gh": 583233}

const reader = "tenure-bot"

// forgeCommand is the scripts' command forge:
//
//	forge start DIR                a forge; DIR is the first commit; writes reconciler.yaml,
//	                               and sets FORGE, TRUST, TOKEN, ALICE_TOKEN and the like
//	forge clock DURATION|now       what is done from here on was done so long ago
//	forge ask LOGIN NAME PATH=FILE... a branch with files, and its pull request
//	forge approve N LOGIN
//	forge merge N LOGIN
//	forge push LOGIN PATH=FILE...  straight to main; PATH= takes the file away
//	forge down|api-down|up         every answer is 503, or every answer of the API
//	forge permit LOGIN read|write  an account's right to the repository
//	forge revoke                   the reconciler's token counts no more
//	forge rewind COMMIT            main is moved back
func forgeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: forge VERB [ARG...]")
	}
	if args[0] == "start" {
		startForge(ts, args[1])
		return
	}
	s := stageOf(ts)
	s.tick()
	var err error
	switch verb := args[0]; verb {
	case "clock":
		var ago time.Duration
		at := time.Time{}
		if args[1] != "now" {
			if ago, err = time.ParseDuration(args[1]); err == nil {
				at = time.Now().Add(-ago)
			}
		}
		s.mu.Lock()
		s.at = at
		s.mu.Unlock()
	case "ask":
		c := change(ts, args[1], args[3:]...)
		c.Branch, c.From = args[2], "main"
		if _, err = s.hub.Push(stageRepo, c); err == nil {
			var n int
			n, err = s.hub.OpenPull(stageRepo, args[1], minihub.PullRequest{Title: "Access: " + args[2], Head: args[2]})
			ts.Setenv("PR", strconv.Itoa(n))
		}
	case "approve":
		err = s.hub.Approve(stageRepo, number(ts, args[1]), args[2])
	case "merge":
		_, err = s.hub.Merge(stageRepo, number(ts, args[1]), args[2], "squash")
	case "push":
		var sha string
		sha, err = s.hub.Push(stageRepo, change(ts, args[1], args[2:]...))
		ts.Setenv("HEAD", sha)
	case "rewind":
		err = s.hub.MoveBranch(stageRepo, "main", args[1], "alice-gh")
	case "down", "api-down", "up":
		s.mu.Lock()
		s.down = strings.TrimSuffix(verb, "up")
		s.mu.Unlock()
	case "permit":
		err = s.hub.SetPermission(stageRepo, args[1], minihub.Permission(args[2]))
	case "revoke":
		s.hub.RevokeToken(ts.Getenv("TOKEN"))
	default:
		ts.Fatalf("forge: unknown verb %q", verb)
	}
	ts.Check(err)
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

// change reads PATH=FILE, or PATH= for a removal.
func change(ts *testscript.TestScript, by string, specs ...string) minihub.Commit {
	c := minihub.Commit{By: by, Message: "Change " + strings.Join(specs, ", "), Write: map[string]string{}}
	for _, spec := range specs {
		path, file, ok := strings.Cut(spec, "=")
		switch {
		case !ok:
			ts.Fatalf("%q is not PATH=FILE", spec)
		case file == "":
			c.Remove = append(c.Remove, path)
		default:
			c.Write[path] = ts.ReadFile(file)
		}
	}
	return c
}

func startForge(ts *testscript.TestScript, dir string) {
	work := ts.Getenv("WORK")
	s := &stage{at: time.Now().Add(-time.Hour)}
	var err error
	// The address is known only once the server listens, and its handler needs
	// the hub: the outer handler is filled in afterwards.
	var handler http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		down, h := s.down, handler
		s.mu.Unlock()
		if down == "down" || down == "api-down" && strings.HasPrefix(r.URL.Path, "/api/") {
			http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	}))
	s.url = srv.URL
	hub, err := minihub.New(minihub.Options{Dir: filepath.Join(work, ".forge"), Now: s.now, BaseURL: srv.URL})
	ts.Check(err)
	s.mu.Lock()
	s.hub, handler = hub, hub.Handler()
	s.mu.Unlock()
	ts.Defer(func() {
		srv.Close()
		_ = hub.Close()
		stagesMu.Lock()
		delete(stages, work)
		stagesMu.Unlock()
	})
	stagesMu.Lock()
	stages[work] = s
	stagesMu.Unlock()

	_, err = hub.CreateRepo(stageRepo)
	ts.Check(err)
	for login, id := range logins {
		u := hub.AddUserID(login, id)
		ts.Setenv(strings.ToUpper(strings.TrimSuffix(login, "-gh"))+"_TOKEN", u.Token)
		ts.Check(hub.SetPermission(stageRepo, login, minihub.Write))
	}
	ts.Check(hub.SetPermission(stageRepo, "alice-gh", minihub.Admin))
	token := hub.AddBot(reader).Token
	ts.Check(hub.SetPermission(stageRepo, reader, minihub.Write))
	from, err := hub.Push(stageRepo, minihub.Commit{By: "alice-gh", Message: "Start", Write: filesIn(ts, dir)})
	ts.Check(err)
	ts.Setenv("FORGE", srv.URL)
	ts.Setenv("TRUST", from)
	ts.Setenv("TOKEN", token)
	ts.Check(os.WriteFile(filepath.Join(work, "forge-token"), []byte(token), 0o600))
	ts.Check(os.WriteFile(filepath.Join(work, "reconciler.yaml"), fmt.Appendf(nil, stageConfig, srv.URL, stageRepo, from, work), 0o600))
}

const stageConfig = `repository: {url: %[1]s/%[2]s.git, branch: main}
trust: {from: %[3]s, group: admins, count: 1}
forge: {type: github, baseURL: %[1]s/api/v3/, tokenFile: forge-token}
poll: 1s
ledger: sqlite://%[4]s/ledger.db
stateDir: state
guard: {maxRemovals: 50, maxRemovalRatio: 1}
listen: ""
targets:
  bastion:
    connector: file
    path: %[4]s/sudoers
    format: sudoers
    rules: {restart-services: "ALL=(root) NOPASSWD: /usr/bin/systemctl"}
`

func filesIn(ts *testscript.TestScript, dir string) map[string]string {
	out := map[string]string{}
	root := ts.MkAbs(dir)
	ts.Check(filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(p)
		out[filepath.ToSlash(rel)] = string(text)
		return err
	}))
	return out
}
