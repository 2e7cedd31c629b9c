package minilab

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// merge finds the merge request of a call.
func merge(f func(*call, *mergeRequest) error) func(*call) error {
	return func(c *call) error {
		for _, m := range c.p.merges {
			if strconv.FormatInt(m.iid, 10) == c.r.PathValue("iid") {
				return f(c, m)
			}
		}
		return errGone
	}
}

func (c *call) listMerges() error {
	q := c.r.URL.Query()
	var all []*mergeRequest
	for _, m := range c.p.merges {
		after, err := time.Parse(time.RFC3339, q.Get("updated_after"))
		switch {
		case q.Get("state") != "" && q.Get("state") != "all" && q.Get("state") != m.state,
			q.Get("source_branch") != "" && q.Get("source_branch") != m.sourceBranch,
			q.Get("target_branch") != "" && q.Get("target_branch") != m.targetBranch,
			q.Get("author_id") != "" && q.Get("author_id") != strconv.FormatInt(m.author.ID, 10),
			err == nil && m.updatedAt.Before(after):
			continue
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *mergeRequest) int {
		if q.Get("order_by") == "updated_at" {
			return cmp.Or(b.updatedAt.Compare(a.updatedAt), cmp.Compare(b.id, a.id))
		}
		return cmp.Or(b.createdAt.Compare(a.createdAt), cmp.Compare(b.id, a.id))
	})
	if q.Get("sort") == "asc" {
		slices.Reverse(all)
	}
	return list(c, all, func(m *mergeRequest) any { return m.basic() })
}

func (c *call) mergesOfCommit() error {
	sha := c.r.PathValue("sha")
	if _, err := c.l.git.run(c.p.dir, nil, "cat-file", "-e", sha+"^{commit}"); err != nil {
		return refuse(http.StatusNotFound, "404 Commit Not Found")
	}
	var all []*mergeRequest
	for _, m := range c.p.merges {
		v := m.versions[len(m.versions)-1]
		commits, err := c.l.git.lines(c.p.dir, "rev-list", v.base+".."+v.head)
		if err != nil {
			return err
		}
		if m.mergeCommit == sha || m.squashCommit == sha || slices.Contains(commits, sha) {
			all = append(all, m)
		}
	}
	return list(c, all, func(m *mergeRequest) any { return m.basic() })
}

func (c *call) getMerge(m *mergeRequest) error { return c.sayMerge(http.StatusOK, m) }

func (c *call) sayMerge(status int, m *mergeRequest) error {
	files, err := c.diffs(m)
	if err != nil {
		return err
	}
	return c.say(status, m.full(len(files)))
}

func (c *call) createMerge() error {
	var in struct {
		Title  string `json:"title"`
		Body   string `json:"description"`
		Source string `json:"source_branch"`
		Target string `json:"target_branch"`
	}
	if err := c.input(&in); err != nil {
		return err
	}
	m, err := c.l.open(c.p, c.u, c.p, MergeRequest{Title: in.Title, Body: in.Body, Head: in.Source, Base: in.Target})
	if err != nil {
		return refuse(http.StatusConflict, err.Error())
	}
	return c.sayMerge(http.StatusCreated, m)
}

func (c *call) editMerge(m *mergeRequest) error {
	var in struct {
		Title *string `json:"title"`
		Body  *string `json:"description"`
		Event string  `json:"state_event"`
	}
	if err := c.input(&in); err != nil {
		return err
	}
	if in.Title != nil {
		m.title = *in.Title
	}
	if in.Body != nil {
		m.body = *in.Body
	}
	m.updatedAt = c.l.now()
	if in.Event == "close" {
		if err := c.l.setState(m, c.u, "opened", "closed"); err != nil {
			return err
		}
	}
	return c.sayMerge(http.StatusOK, m)
}

func (c *call) acceptMerge(m *mergeRequest) error {
	var in struct {
		SHA string `json:"sha"`
	}
	if err := c.input(&in); err != nil {
		return err
	}
	switch {
	case in.SHA != m.head():
		return refuse(http.StatusConflict, "SHA does not match HEAD of source branch: "+m.head())
	case m.state != "opened":
		return refuse(http.StatusMethodNotAllowed, "405 Method Not Allowed")
	}
	method := "merge"
	if c.p.mergeMethod == "ff" {
		method = "ff"
	}
	if c.p.squash == "always" {
		method = map[string]string{"merge": "squash-merge", "ff": "squash"}[method]
	}
	if err := c.l.merge(m, c.u, method); err != nil {
		return refuse(http.StatusUnprocessableEntity, err.Error())
	}
	c.l.markMerged(m, c.u, nil)
	return c.sayMerge(http.StatusOK, m)
}

func (c *call) getCommits(m *mergeRequest) error {
	v := m.versions[len(m.versions)-1]
	all, err := c.l.git.lines(c.p.dir, "rev-list", v.base+".."+v.head)
	if err != nil {
		return err
	}
	return list(c, all, func(sha string) any {
		return object{"id": sha, "short_id": sha[:11], "title": "Change", "message": "Change", "author_name": "Lab", "parent_ids": []string{}}
	})
}

func (c *call) getDiffs(m *mergeRequest) error {
	files, err := c.diffs(m)
	if err != nil {
		return err
	}
	return list(c, files, func(o object) any { return o })
}

// diffs is what a merge request changes.
func (c *call) diffs(m *mergeRequest) ([]object, error) {
	v := m.versions[len(m.versions)-1]
	raw, err := c.l.git.run(c.p.dir, nil, "diff-tree", "-r", "-M", "-z", "--raw", v.base, v.head)
	if err != nil || raw == "" {
		return nil, err
	}
	var out []object
	fields := strings.Split(strings.TrimSuffix(raw, "\x00"), "\x00")
	for len(fields) >= 2 {
		head := strings.Fields(strings.TrimPrefix(fields[0], ":"))
		from, to, kind := fields[1], fields[1], head[4][:1]
		fields = fields[2:]
		if kind == "R" {
			to, fields = fields[0], fields[1:]
		}
		out = append(out, object{
			"old_path": from, "new_path": to, "a_mode": strings.TrimPrefix(head[0], ":"), "b_mode": head[1], "diff": "",
			"new_file": kind == "A", "renamed_file": kind == "R", "deleted_file": kind == "D", "generated_file": false,
			"collapsed": false, "too_large": false,
		})
	}
	return out, nil
}

func (c *call) getVersions(m *mergeRequest) error {
	all := slices.Clone(m.versions)
	slices.Reverse(all)
	return list(c, all, func(v version) any { return v.shape(m) })
}

func (c *call) getApprovals(m *mergeRequest) error {
	by := []any{}
	for _, a := range m.approvals {
		by = append(by, object{"user": a.by.basic(), "approved_at": stamp(a.at)})
	}
	return c.say(http.StatusOK, object{
		"user_has_approved": false, "user_can_approve": true, "approved": len(by) > 0, "approved_by": by,
	})
}

func (c *call) getStates(m *mergeRequest) error {
	return list(c, m.states, func(e stateEvent) any { return e.shape(m) })
}

func (c *call) getNotes(m *mergeRequest) error {
	all := slices.Clone(m.notes)
	slices.SortFunc(all, func(a, b *note) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	if c.r.URL.Query().Get("sort") != "asc" {
		slices.Reverse(all)
	}
	return list(c, all, func(n *note) any { return n.shape(m) })
}

type noteInput struct {
	Body string `json:"body"`
}

func (c *call) createNote(m *mergeRequest) error {
	var in noteInput
	if err := c.input(&in); err != nil {
		return err
	}
	n := &note{id: c.l.id(), by: c.u, at: c.l.now(), body: in.Body}
	m.notes, m.updatedAt = append(m.notes, n), c.l.now()
	return c.say(http.StatusCreated, n.shape(m))
}

func (c *call) editNote(m *mergeRequest) error {
	var in noteInput
	if err := c.input(&in); err != nil {
		return err
	}
	for _, n := range m.notes {
		if strconv.FormatInt(n.id, 10) == c.r.PathValue("note") {
			n.body = in.Body
			return c.say(http.StatusOK, n.shape(m))
		}
	}
	return errGone
}

func (c *call) deleteNote(m *mergeRequest) error {
	before := len(m.notes)
	m.notes = slices.DeleteFunc(m.notes, func(n *note) bool { return strconv.FormatInt(n.id, 10) == c.r.PathValue("note") })
	if len(m.notes) == before {
		return errGone
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
