package minihub

import (
	"net/http"
	"sort"
	"strings"
)

func getRef(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	name := "refs/" + strings.TrimPrefix(c.params["ref"], "refs/")
	refs, err := c.hub.git.refs(c.ctx(), r.dir, name)
	if err != nil {
		return err
	}
	if refs[name] == "" {
		return notFound()
	}
	c.reply(http.StatusOK, c.ref(r, name, refs[name]))
	return nil
}

func (c *call) ref(r *repo, name, sha string) obj {
	kind := c.hub.objectType(c.ctx(), r, sha)
	return obj{
		"ref": name, "node_id": nodeID("Ref "+name, r.id), "url": c.urls.repoAPI(r) + "/git/" + escapePath(name),
		"object": obj{"sha": sha, "type": kind, "url": c.urls.repoAPI(r) + "/git/" + kind + "s/" + sha},
	}
}

func listMatchingRefs(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	refs, err := c.hub.git.refs(c.ctx(), r.dir, "refs/")
	if err != nil {
		return err
	}
	var names []string
	for n := range refs {
		if strings.HasPrefix(n, "refs/"+c.params["ref"]) {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return list(c, names, func(n string) obj { return c.ref(r, n, refs[n]) })
}

func createRef(c *call) error {
	r, err := c.repo(Write)
	if err != nil {
		return err
	}
	var in struct{ Ref, SHA string }
	if err := c.decode(&in); err != nil {
		return err
	}
	if !strings.HasPrefix(in.Ref, "refs/heads/") && !strings.HasPrefix(in.Ref, "refs/tags/") {
		return invalid("Reference", "ref", "custom", "Reference name must start with 'refs/heads/' or 'refs/tags/'")
	}
	if _, err := c.hub.git.run(c.ctx(), r.dir, "check-ref-format", in.Ref); err != nil {
		return invalid("Reference", "ref", "invalid", "")
	}
	if kind := c.hub.objectType(c.ctx(), r, in.SHA); kind == "" || (kind != "commit" && strings.HasPrefix(in.Ref, heads)) {
		return invalid("Reference", "sha", "custom", "Object does not exist")
	}
	refs, err := c.hub.git.refs(c.ctx(), r.dir, in.Ref)
	if err != nil {
		return err
	}
	if refs[in.Ref] != "" {
		return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Reference already exists"}
	}
	if err := c.hub.setRef(c.ctx(), r, in.Ref, zero, in.SHA, c.user, ""); err != nil {
		return err
	}
	c.reply(http.StatusCreated, c.ref(r, in.Ref, in.SHA))
	return nil
}

// existingRef finds the ref that the path of an update or a deletion names.
func (c *call) existingRef(r *repo) (name, sha string, err error) {
	name = "refs/" + strings.TrimPrefix(c.params["ref"], "refs/")
	refs, err := c.hub.git.refs(c.ctx(), r.dir, name)
	if err != nil {
		return "", "", err
	}
	if refs[name] == "" || strings.HasPrefix(name, "refs/pull/") {
		return "", "", &Refusal{Status: http.StatusUnprocessableEntity, Message: "Reference does not exist"}
	}
	return name, refs[name], nil
}

func updateRef(c *call) error {
	r, err := c.repo(Write)
	if err != nil {
		return err
	}
	var in struct {
		SHA   string
		Force bool
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	name, before, err := c.existingRef(r)
	if err != nil {
		return err
	}
	if c.hub.objectType(c.ctx(), r, in.SHA) == "" {
		return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Object does not exist"}
	}
	ff, err := c.hub.git.isAncestor(c.ctx(), r.dir, before, in.SHA)
	if err != nil {
		return err
	}
	if branch, ok := strings.CutPrefix(name, heads); ok {
		direct, force := r.mayPush(c.user, branch)
		if direct != nil || (!ff && force != nil) {
			return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Cannot update this protected ref."}
		}
	}
	if !ff && !in.Force {
		return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Update is not a fast forward"}
	}
	if err := c.hub.setRef(c.ctx(), r, name, before, in.SHA, c.user, ""); err != nil {
		return err
	}
	c.reply(http.StatusOK, c.ref(r, name, in.SHA))
	return nil
}

func deleteRef(c *call) error {
	r, err := c.repo(Write)
	if err != nil {
		return err
	}
	name, before, err := c.existingRef(r)
	if err != nil {
		return err
	}
	branch := strings.TrimPrefix(name, heads)
	if _, protected := r.protections[branch]; branch != name && (protected || branch == r.defaultBranch) {
		return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Cannot delete this branch"}
	}
	if err := c.hub.setRef(c.ctx(), r, name, before, zero, c.user, ""); err != nil {
		return err
	}
	c.reply(http.StatusNoContent, nil)
	return nil
}
