package minilab

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

type mergeRequest struct {
	id, iid      int64
	project      *project // target
	source       *project
	sourceBranch string
	targetBranch string
	title, body  string
	author       *user
	state        string // opened, closed, locked or merged
	imported     bool
	createdAt    time.Time
	updatedAt    time.Time
	mergedAt     time.Time
	mergedBy     *user
	mergeCommit  string
	squashCommit string
	from         *source // of the merge; nil: GitLab did it

	versions  []version
	approvals []approval
	notes     []*note
	states    []stateEvent
}

// source is what brought the head of a merge request that GitLab did not merge.
type source struct {
	commit string
	merge  int64
}

type version struct {
	id                int64
	at                time.Time
	head, base, start string
}

type approval struct {
	by *user
	at time.Time
}

type note struct {
	id     int64
	by     *user
	at     time.Time
	body   string
	system bool
}

type stateEvent struct {
	id    int64
	by    *user
	at    time.Time
	state string
	from  *source
}

func (m *mergeRequest) head() string { return m.versions[len(m.versions)-1].head }

// MergeRequest is what somebody opens.
type MergeRequest struct {
	Title string
	Body  string
	From  string // project; empty: the target
	Head  string
	Base  string // empty: the default branch
}

// Open opens a merge request and returns its iid.
func (l *Lab) Open(path, by string, in MergeRequest) (iid int, err error) {
	err = l.with(path, by, func(p *project, u *user) error {
		from := p
		if in.From != "" {
			from = l.projectAt(in.From)
		}
		m, err := l.open(p, u, from, in)
		if m != nil {
			iid = int(m.iid)
		}
		return err
	})
	return iid, err
}

func (l *Lab) open(p *project, u *user, from *project, in MergeRequest) (*mergeRequest, error) {
	if in.Base == "" {
		in.Base = DefaultBranch
	}
	for _, m := range p.merges {
		if m.state == "opened" && m.source == from && m.sourceBranch == in.Head && m.targetBranch == in.Base {
			return nil, fmt.Errorf("another open merge request already exists for this source branch: !%d", m.iid)
		}
	}
	m := &mergeRequest{
		id: l.id(), iid: int64(len(p.merges) + 1), project: p, source: from, sourceBranch: in.Head, targetBranch: in.Base,
		title: in.Title, body: in.Body, author: u, state: "opened", createdAt: l.now(), updatedAt: l.now(),
	}
	if err := l.refresh(m); err != nil {
		return nil, err
	}
	p.merges = append(p.merges, m)
	return m, nil
}

// refresh makes a new version when the head or what it is compared with moved.
func (l *Lab) refresh(m *mergeRequest) error {
	ref := fmt.Sprintf("refs/merge-requests/%d/head", m.iid)
	p := m.project
	if _, err := l.git.run(p.dir, nil, "fetch", "-q", m.source.dir, "+refs/heads/"+m.sourceBranch+":"+ref); err != nil {
		return err
	}
	head, err := l.git.run(p.dir, nil, "rev-parse", ref)
	if err != nil {
		return err
	}
	start, err := l.git.run(p.dir, nil, "rev-parse", "refs/heads/"+m.targetBranch)
	if err != nil {
		return err
	}
	base, err := l.git.run(p.dir, nil, "merge-base", start, head)
	if err != nil {
		return err
	}
	m.updatedAt = l.now()
	m.versions = append(m.versions, version{id: l.id(), at: l.now(), head: head, base: base, start: start})
	return nil
}

// on runs a function on a merge request.
func (l *Lab) on(path string, iid int, by string, f func(*mergeRequest, *user) error) error {
	return l.with(path, by, func(p *project, u *user) error {
		for _, m := range p.merges {
			if m.iid == int64(iid) {
				m.updatedAt = l.now()
				return f(m, u)
			}
		}
		return fmt.Errorf("minilab: no merge request %s!%d", path, iid)
	})
}

func (l *Lab) note(m *mergeRequest, by *user, body string, lag time.Duration) {
	m.notes = append(m.notes, &note{id: l.id(), by: by, at: l.now().Add(lag), body: body, system: true})
}

// Approve approves a merge request.
func (l *Lab) Approve(path string, iid int, by string) error {
	return l.on(path, iid, by, func(m *mergeRequest, u *user) error {
		if slices.ContainsFunc(m.approvals, func(a approval) bool { return a.by == u }) {
			return fmt.Errorf("minilab: %s has approved already", by)
		}
		m.approvals = append(m.approvals, approval{by: u, at: l.now()})
		l.note(m, u, "approved this merge request", l.noteLag)
		return nil
	})
}

// Unapprove takes an approval back.
func (l *Lab) Unapprove(path string, iid int, by string) error {
	return l.on(path, iid, by, func(m *mergeRequest, u *user) error {
		l.unapprove(m, u)
		l.note(m, u, "unapproved this merge request", 0)
		return nil
	})
}

func (l *Lab) unapprove(m *mergeRequest, u *user) {
	m.approvals = slices.DeleteFunc(m.approvals, func(a approval) bool { return a.by == u })
}

// Reset takes away a person's approval without a word, as a push does where the
// project is set so.
func (l *Lab) Reset(path string, iid int, by string) error {
	return l.on(path, iid, by, func(m *mergeRequest, u *user) error { l.unapprove(m, u); return nil })
}

// RequestChanges asks for changes, which takes an approval away.
func (l *Lab) RequestChanges(path string, iid int, by string) error {
	return l.on(path, iid, by, func(m *mergeRequest, u *user) error {
		l.unapprove(m, u)
		l.note(m, u, "requested changes", 0)
		return nil
	})
}

// Comment writes a comment.
func (l *Lab) Comment(path string, iid int, by, body string) error {
	return l.on(path, iid, by, func(m *mergeRequest, u *user) error {
		m.notes = append(m.notes, &note{id: l.id(), by: u, at: l.now(), body: body})
		return nil
	})
}

// Comments are the bodies of what people wrote, oldest first.
func (l *Lab) Comments(path string, iid int) (out []string) {
	_ = l.change(path, func(p *project) {
		for _, n := range p.merges[iid-1].notes {
			if !n.system {
				out = append(out, n.body)
			}
		}
	})
	return out
}

// Overwrite replaces what people wrote.
func (l *Lab) Overwrite(path string, iid int, body string) error {
	return l.change(path, func(p *project) {
		for _, n := range p.merges[iid-1].notes {
			if !n.system {
				n.body = body
			}
		}
	})
}

// Import makes a merge request one that was imported from elsewhere.
func (l *Lab) Import(path string, iid int) error {
	return l.change(path, func(p *project) { p.merges[iid-1].imported = true })
}

// Retarget gives a merge request another target branch.
func (l *Lab) Retarget(path string, iid int, by, branch string) error {
	return l.on(path, iid, by, func(m *mergeRequest, u *user) error {
		l.note(m, u, fmt.Sprintf("changed target branch from `%s` to `%s`", m.targetBranch, branch), 0)
		m.targetBranch = branch
		return l.refresh(m)
	})
}

// Close closes a merge request.
func (l *Lab) Close(path string, iid int, by string) error {
	return l.on(path, iid, by, func(m *mergeRequest, u *user) error { return l.setState(m, u, "opened", "closed") })
}

// Reopen opens it again.
func (l *Lab) Reopen(path string, iid int, by string) error {
	return l.on(path, iid, by, func(m *mergeRequest, u *user) error { return l.setState(m, u, "closed", "opened") })
}

func (l *Lab) setState(m *mergeRequest, u *user, from, to string) error {
	if m.state != from {
		return fmt.Errorf("minilab: merge request %d is %s", m.iid, m.state)
	}
	m.state = to
	name := map[string]string{"closed": "closed", "opened": "reopened"}[to]
	m.states = append(m.states, stateEvent{id: l.id(), by: u, at: l.now(), state: name})
	return nil
}

// Merge merges it: "merge" makes a merge commit, "ff" moves the branch forward,
// "squash-merge" and "squash" do the same with one commit of all. Moving forward
// needs a head that is based on the target as it is.
func (l *Lab) Merge(path string, iid int, by, method string) error {
	finish, err := l.BeginMerge(path, iid, by, method)
	if err != nil {
		return err
	}
	return finish()
}

// BeginMerge is Merge up to where the branch has moved; the function that it
// returns does the rest.
func (l *Lab) BeginMerge(path string, iid int, by, method string) (finish func() error, err error) {
	err = l.on(path, iid, by, func(m *mergeRequest, u *user) error { return l.merge(m, u, method) })
	return func() error {
		return l.on(path, iid, by, func(m *mergeRequest, u *user) error { l.markMerged(m, u, nil); return nil })
	}, err
}

// merge does all but marking the merge request as merged.
func (l *Lab) merge(m *mergeRequest, by *user, method string) error {
	dir := m.project.dir
	target, err := l.git.run(dir, nil, "rev-parse", "refs/heads/"+m.targetBranch)
	if err != nil {
		return err
	}
	if m.state != "opened" {
		return errors.New("method not allowed")
	}
	head, squash, forward := m.head(), strings.HasPrefix(method, "squash"), method == "ff" || method == "squash"
	if _, err := l.git.run(dir, nil, "merge-base", "--is-ancestor", target, head); err != nil && forward {
		return errConflict
	}
	if squash {
		if head, err = l.squash(m, target); err != nil {
			return err
		}
		m.squashCommit = head
	}
	if !forward {
		tree, err := l.git.join(dir, target, head)
		if err != nil {
			return err
		}
		message := fmt.Sprintf("Merge branch '%s' into '%s'\n\n%s", m.sourceBranch, m.targetBranch, m.title)
		if head, err = l.git.commit(dir, tree, message, target, head); err != nil {
			return err
		}
		m.mergeCommit = head
	}
	m.state = "locked"
	return l.move(m.project, by, map[string]string{m.targetBranch: head})
}

// squash makes one commit of all, or none where that would change nothing.
func (l *Lab) squash(m *mergeRequest, target string) (string, error) {
	dir, v := m.project.dir, m.versions[len(m.versions)-1]
	commits, err := l.git.lines(dir, "rev-list", v.base+".."+v.head)
	if err != nil {
		return "", err
	}
	if len(commits) == 1 {
		message, err := l.git.run(dir, nil, "log", "-1", "--format=%B", commits[0])
		if err != nil || strings.TrimSpace(message) == m.title {
			return v.head, err
		}
	}
	tree, err := l.git.join(dir, target, v.head)
	if err != nil {
		return "", err
	}
	return l.git.commit(dir, tree, m.title, target)
}

func (l *Lab) markMerged(m *mergeRequest, by *user, from *source) {
	m.state, m.mergedAt, m.updatedAt, m.mergedBy, m.from = "merged", l.now(), l.now(), by, from
	m.states = append(m.states, stateEvent{id: l.id(), by: by, at: l.now(), state: "merged", from: from})
}
