package minilab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// project is one project with its bare repository.
type project struct {
	id          int64
	path        string
	dir         string
	parent      *project // forked from
	hidden      bool     // from everybody but its owner
	owner       *user
	mergeMethod string // merge, rebase_merge or ff
	squash      string // never, always, default_on or default_off
	archived    bool
	role        int // of everybody

	merges   []*mergeRequest
	events   []*event
	statuses []*status
}

// event is a push, as the events API shows it.
type event struct {
	id            int64
	at            time.Time
	by            *user
	action        string
	branch        string // empty: of several at once
	before, after string
	count         int
}

type status struct {
	id      int64
	at      time.Time
	by      *user
	commit  string
	name    string
	state   string
	text    string
	url     string
	retried bool
}

// DefaultBranch is that of every project.
const DefaultBranch = "main"

// CreateProject makes a project with one commit on its default branch.
func (l *Lab) CreateProject(path, owner string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.newProject(path, owner)
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	if _, err := l.git.run(p.dir, nil, "init", "-q", "--bare", "-b", DefaultBranch, "."); err != nil {
		return err
	}
	blob, err := l.git.run(p.dir, []byte("access\n"), "hash-object", "-w", "--stdin")
	if err != nil {
		return err
	}
	tree, err := l.git.run(p.dir, []byte("100644 blob "+blob+"\tREADME.md\n"), "mktree")
	if err != nil {
		return err
	}
	commit, err := l.git.commit(p.dir, tree, "Begin")
	if err != nil {
		return err
	}
	if err := l.configure(p); err != nil {
		return err
	}
	return l.move(p, p.owner, map[string]string{DefaultBranch: commit})
}

func (l *Lab) newProject(path, owner string) *project {
	id := l.id()
	p := &project{id: id, path: path, dir: filepath.Join(l.dir, fmt.Sprintf("%d.git", id)), owner: l.userCalled(owner), mergeMethod: "merge", squash: "default_off", role: 40}
	l.projects = append(l.projects, p)
	return p
}

func (l *Lab) configure(p *project) error {
	for _, kv := range []string{"http.receivepack=true", "uploadpack.allowAnySHA1InWant=true", "gc.auto=0"} {
		key, value, _ := strings.Cut(kv, "=")
		if _, err := l.git.run(p.dir, nil, "config", key, value); err != nil {
			return err
		}
	}
	return nil
}

// Fork copies a project for a person and returns its path.
func (l *Lab) Fork(path, login string) (string, error) {
	fork := login + path[strings.LastIndex(path, "/"):]
	return fork, l.with(path, login, func(p *project, u *user) error {
		f := l.newProject(fork, login)
		f.parent = p
		if _, err := l.git.run(l.dir, nil, "clone", "-q", "--bare", p.dir, f.dir); err != nil {
			return err
		}
		return l.configure(f)
	})
}

// Set changes a project's settings; what is empty stays.
func (l *Lab) Set(path string, mergeMethod, squash string) error {
	return l.change(path, func(p *project) {
		if mergeMethod != "" {
			p.mergeMethod = mergeMethod
		}
		if squash != "" {
			p.squash = squash
		}
	})
}

// SetRole gives everybody another role in a project, as a number of GitLab's.
func (l *Lab) SetRole(path string, role int) error {
	return l.change(path, func(p *project) { p.role = role })
}

// Archive makes a project read-only.
func (l *Lab) Archive(path string) error {
	return l.change(path, func(p *project) { p.archived = true })
}

// Hide takes a project out of sight of everybody but its owner.
func (l *Lab) Hide(path string) error { return l.change(path, func(p *project) { p.hidden = true }) }

// DropProject deletes a project.
func (l *Lab) DropProject(path string) error {
	return l.change(path, func(p *project) { p.id, p.path = 0, "" })
}

func (l *Lab) change(path string, f func(*project)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.projectAt(path)
	if p == nil {
		return fmt.Errorf("minilab: no project %s", path)
	}
	f(p)
	return nil
}

func (l *Lab) projectAt(path string) *project {
	for _, p := range l.projects {
		if p.path != "" && (strings.EqualFold(p.path, path) || fmt.Sprint(p.id) == path) {
			return p
		}
	}
	return nil
}

func (p *project) seenBy(u *user) bool { return !p.hidden || p.owner == u }

// Status returns the last status of a commit that has a name, and how many times
// one was set.
func (l *Lab) Status(path, commit, name string) (state, text, url string, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.projectAt(path).statuses {
		if s.commit == commit && s.name == name {
			state, text, url = s.state, s.text, s.url
			times++
		}
	}
	return state, text, url, times
}
