package minilab

import (
	"net/http"
	"net/http/cgi"
	"slices"
	"strings"
)

// pushLimit is how many branches that one push creates, moves or deletes have
// events of their own.
const pushLimit = 3

// serveGit speaks Git's HTTP by git-http-backend, and records what a push did.
func (l *Lab) serveGit(w http.ResponseWriter, r *http.Request) {
	path, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), ".git/")
	_, password, _ := r.BasicAuth()
	l.mu.Lock()
	defer l.mu.Unlock()
	u, p := l.userWithToken(password), l.projectAt(path)
	switch {
	case !ok || p == nil:
		http.NotFound(w, r)
		return
	case u == nil:
		w.Header().Set("WWW-Authenticate", `Basic realm="GitLab"`)
		http.Error(w, "HTTP Basic: Access denied", http.StatusUnauthorized)
		return
	}
	old, err := l.git.branches(p.dir)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	backend := cgi.Handler{
		Path: l.git.backend, Root: "/" + path + ".git", Dir: p.dir,
		Env:        append(l.git.env(), "GIT_PROJECT_ROOT="+p.dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER="+u.Login),
		InheritEnv: []string{"PATH"},
	}
	backend.ServeHTTP(w, r)
	if rest == "git-receive-pack" {
		if err := l.pushed(p, u, old); err != nil {
			panic(err)
		}
	}
}

// move sets branches as somebody's push; an empty commit deletes one.
func (l *Lab) move(p *project, by *user, to map[string]string) error {
	old, err := l.git.branches(p.dir)
	if err != nil {
		return err
	}
	for branch, commit := range to {
		args := []string{"update-ref", "refs/heads/" + branch, commit}
		if commit == "" {
			args = []string{"update-ref", "-d", "refs/heads/" + branch}
		}
		if _, err := l.git.run(p.dir, nil, args...); err != nil {
			return err
		}
	}
	return l.pushed(p, by, old)
}

// pushed records what became of the branches, and lets merge requests follow.
func (l *Lab) pushed(p *project, by *user, old map[string]string) error {
	now, err := l.git.branches(p.dir)
	if err != nil {
		return err
	}
	var made []*event
	for branch := range merged(old, now) {
		if old[branch] == now[branch] {
			continue
		}
		e := &event{at: l.now(), by: by, branch: branch, before: old[branch], after: now[branch], action: "pushed", count: 1}
		switch {
		case e.before == "":
			e.action = "created"
		case e.after == "":
			e.action = "removed"
		}
		made = append(made, e)
	}
	slices.SortFunc(made, func(a, b *event) int { return strings.Compare(a.branch, b.branch) })
	l.recordEvents(p, by, made)
	for _, e := range made {
		if err := l.follow(p, by, e); err != nil {
			return err
		}
	}
	return nil
}

// recordEvents writes one event a branch or, of too many branches with the same
// action, one that names none.
func (l *Lab) recordEvents(p *project, by *user, made []*event) {
	count := map[string]int{}
	for _, e := range made {
		count[e.action]++
	}
	for _, e := range made {
		if count[e.action] <= pushLimit {
			e.id = l.id()
			p.events = append(p.events, e)
		}
	}
	for action, n := range count {
		if n > pushLimit {
			p.events = append(p.events, &event{id: l.id(), at: l.now(), by: by, action: action, count: n})
		}
	}
}

func merged(a, b map[string]string) map[string]bool {
	out := map[string]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

// follow gives the merge requests of a branch their new head, and marks those as
// merged whose head the push brought to their target.
func (l *Lab) follow(p *project, by *user, e *event) error {
	for _, target := range l.projects {
		for _, m := range target.merges {
			switch {
			case m.state != "opened" && m.state != "closed" || e.after == "":
			case m.source == p && m.sourceBranch == e.branch:
				if err := l.refresh(m); err != nil {
					return err
				}
				l.note(m, by, "added 1 commit", 0)
			}
			if m.state == "opened" && target == p && m.targetBranch == e.branch && e.before != "" && e.after != "" {
				if err := l.found(p, by, m, e); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// found marks a merge request as merged when a push brought its head.
func (l *Lab) found(p *project, by *user, m *mergeRequest, e *event) error {
	commits, err := l.git.lines(p.dir, "rev-list", "--first-parent", "--reverse", e.before+".."+e.after)
	if err != nil {
		return err
	}
	for _, c := range commits {
		if _, err := l.git.run(p.dir, nil, "merge-base", "--is-ancestor", m.head(), c); err != nil {
			continue
		}
		if _, err := l.git.run(p.dir, nil, "merge-base", "--is-ancestor", m.head(), e.before); err == nil {
			return nil
		}
		m.mergeCommit = c
		from := &source{commit: c}
		for _, o := range p.merges {
			if o.mergeCommit == c && o.state == "merged" && o.from == nil {
				from = &source{merge: o.id}
			}
		}
		l.markMerged(m, by, from)
		return nil
	}
	return nil
}
