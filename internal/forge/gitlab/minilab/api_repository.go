package minilab

import (
	"net/http"
	"slices"
	"strconv"
)

func (c *call) getBranch() error {
	all, err := c.l.git.branches(c.p.dir)
	if err != nil {
		return err
	}
	name := c.r.PathValue("branch")
	if all[name] == "" {
		return refuse(http.StatusNotFound, "404 Branch Not Found")
	}
	return c.say(http.StatusOK, object{
		"name": name, "merged": false, "protected": false, "default": name == DefaultBranch, "can_push": true,
		"commit": object{"id": all[name], "short_id": all[name][:8], "title": "Change", "message": "Change", "parent_ids": []string{}},
	})
}

func (c *call) deleteBranch() error {
	all, err := c.l.git.branches(c.p.dir)
	if err != nil {
		return err
	}
	if all[c.r.PathValue("branch")] == "" {
		return refuse(http.StatusNotFound, "404 Branch Not Found")
	}
	if err := c.l.move(c.p, c.u, map[string]string{c.r.PathValue("branch"): ""}); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) headFile() error {
	name := c.r.URL.Query().Get("ref") + ":" + c.r.PathValue("path")
	kind, err := c.l.git.run(c.p.dir, nil, "cat-file", "-t", name)
	if err != nil || kind != "blob" {
		return refuse(http.StatusNotFound, "404 File Not Found")
	}
	blob, err := c.l.git.run(c.p.dir, nil, "rev-parse", name)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("X-Gitlab-Blob-Id", blob)
	h.Set("X-Gitlab-Ref", c.r.URL.Query().Get("ref"))
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (c *call) rawBlob() error {
	content, err := c.l.git.run(c.p.dir, nil, "cat-file", "blob", c.r.PathValue("blob"))
	if err != nil {
		return refuse(http.StatusNotFound, "404 Blob Not Found")
	}
	size, err := c.l.git.run(c.p.dir, nil, "cat-file", "-s", c.r.PathValue("blob"))
	if err != nil {
		return err
	}
	if n, _ := strconv.Atoi(size); n == len(content)+1 {
		content += "\n" // run takes the last line's end away
	}
	_, err = c.w.Write([]byte(content))
	return err
}

// createCommit removes files, in one commit on a branch that is made for it or, by
// force, made anew.
func (c *call) createCommit() error {
	var in struct {
		Branch  string `json:"branch"`
		Message string `json:"commit_message"`
		Start   string `json:"start_sha"`
		Force   bool   `json:"force"`
		Actions []struct {
			Action string `json:"action"`
			Path   string `json:"file_path"`
		} `json:"actions"`
	}
	if err := c.input(&in); err != nil {
		return err
	}
	all, err := c.l.git.branches(c.p.dir)
	if err != nil {
		return err
	}
	if all[in.Branch] != "" && !in.Force {
		return refuse(http.StatusBadRequest, "A branch called '"+in.Branch+"' already exists. Switch to that branch in order to make changes")
	}
	var paths []string
	for _, a := range in.Actions {
		if a.Action != "delete" {
			return refuse(http.StatusBadRequest, "the lab knows delete only")
		}
		paths = append(paths, a.Path)
	}
	tree, err := c.l.git.without(c.p.dir, in.Start, paths)
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	commit, err := c.l.git.commit(c.p.dir, tree, in.Message, in.Start)
	if err != nil {
		return err
	}
	if err := c.l.move(c.p, c.u, map[string]string{in.Branch: commit}); err != nil {
		return err
	}
	return c.say(http.StatusCreated, object{"id": commit, "short_id": commit[:11], "title": in.Message, "message": in.Message, "parent_ids": []string{in.Start}})
}

func (c *call) getStatuses() error {
	name := c.r.URL.Query().Get("name")
	all := slices.DeleteFunc(slices.Clone(c.p.statuses), func(s *status) bool {
		return s.commit != c.r.PathValue("sha") || s.retried || name != "" && s.name != name
	})
	return list(c, all, func(s *status) any { return s.shape() })
}

func (c *call) setStatus() error {
	var in struct {
		State string `json:"state"`
		Name  string `json:"name"`
		Text  string `json:"description"`
		URL   string `json:"target_url"`
	}
	if err := c.input(&in); err != nil {
		return err
	}
	sha := c.r.PathValue("sha")
	if _, err := c.l.git.run(c.p.dir, nil, "cat-file", "-e", sha+"^{commit}"); err != nil {
		return refuse(http.StatusNotFound, "404 Commit Not Found")
	}
	if len([]rune(in.Text)) > 255 {
		return refuse(http.StatusBadRequest, "description is too long (maximum is 255 characters)")
	}
	for _, s := range c.p.statuses {
		if s.commit != sha || s.name != in.Name || s.retried {
			continue
		}
		if s.by == c.u && s.state == "pending" && in.State == "pending" {
			s.text, s.url = in.Text, in.URL
			return refuse(http.StatusBadRequest, `Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via "enqueue")`)
		}
		s.retried = true
	}
	s := &status{id: c.l.id(), at: c.l.now(), by: c.u, commit: sha, name: in.Name, state: in.State, text: in.Text, url: in.URL}
	c.p.statuses = append(c.p.statuses, s)
	return c.say(http.StatusCreated, s.shape())
}
