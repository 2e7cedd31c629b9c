package minilab

import (
	"fmt"
	"maps"
	"slices"
)

// Change is a commit that somebody pushes, without a clone.
type Change struct {
	Branch string
	From   string            // branch or commit; empty: the branch, or the default branch where it is not there yet
	Write  map[string]string // path → content
	Mode   string            // of what is written; empty: 100644
	Remove []string
	Text   string   // the commit's message; empty: one that no other has
	Also   []string // more branches that the same push sets to the commit
}

// Push makes a commit and pushes it, and returns it.
func (l *Lab) Push(path, by string, c Change) (commit string, err error) {
	err = l.with(path, by, func(p *project, u *user) error {
		if commit, err = l.make(p, c); err != nil {
			return err
		}
		to := map[string]string{c.Branch: commit}
		for _, branch := range c.Also {
			to[branch] = commit
		}
		return l.move(p, u, to)
	})
	return commit, err
}

// Move sets branches to commits as one push of somebody; an empty commit deletes
// a branch.
func (l *Lab) Move(path, by string, to map[string]string) error {
	return l.with(path, by, func(p *project, u *user) error { return l.move(p, u, to) })
}

// Join makes a merge commit of a branch and a commit by hand, and pushes nothing.
func (l *Lab) Join(path, by, branch, head string) (commit string, err error) {
	err = l.with(path, by, func(p *project, _ *user) error {
		base, err := l.git.run(p.dir, nil, "rev-parse", "refs/heads/"+branch)
		if err != nil {
			return err
		}
		tree, err := l.git.join(p.dir, base, head)
		if err != nil {
			return err
		}
		commit, err = l.git.commit(p.dir, tree, "Merge by hand", base, head)
		return err
	})
	return commit, err
}

// Head returns the commit of a branch; empty: there is none.
func (l *Lab) Head(path, branch string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, _ := l.git.branches(l.projectAt(path).dir)
	return all[branch]
}

// make makes a commit on top of where the change begins.
func (l *Lab) make(p *project, c Change) (string, error) {
	all, err := l.git.branches(p.dir)
	if err != nil {
		return "", err
	}
	from := c.From
	switch {
	case all[from] != "":
		from = all[from]
	case from == "" && all[c.Branch] != "":
		from = all[c.Branch]
	case from == "":
		from = all[DefaultBranch]
	}
	tree, err := l.git.without(p.dir, from, c.Remove)
	if err != nil {
		return "", err
	}
	mode := c.Mode
	if mode == "" {
		mode = "100644"
	}
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(c.Write)) {
		blob, err := l.git.run(p.dir, []byte(c.Write[path]), "hash-object", "-w", "--stdin")
		if err != nil {
			return "", err
		}
		lines = append(lines, mode+" "+blob+"\t"+path)
	}
	if tree, err = l.git.edited(p.dir, tree, lines); err != nil {
		return "", err
	}
	text := c.Text
	if text == "" {
		text = fmt.Sprintf("Change %s %d", c.Branch, l.id())
	}
	return l.git.commit(p.dir, tree, text, from)
}
