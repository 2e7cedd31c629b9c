package minihub

import (
	"encoding/base64"
	"net/http"
	"sort"
	"strconv"
	"strings"
)

func getRepo(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, c.urls.fullRepository(r, c.user))
	return nil
}

func createFork(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	if c.user == nil {
		return refuse(http.StatusUnauthorized, "Requires authentication")
	}
	var in struct {
		Organization, Name string
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	owner := c.user
	if in.Organization != "" {
		owner = c.hub.userByLogin(in.Organization)
		if owner == nil || owner.kind != "Organization" {
			return invalid("Fork", "organization", "invalid", "")
		}
	}
	f, err := c.hub.fork(c.ctx(), r, owner, in.Name)
	if err != nil {
		return err
	}
	c.reply(http.StatusAccepted, c.urls.fullRepository(f, c.user))
	return nil
}

func getPermission(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	u := c.hub.userByLogin(c.params["username"])
	if u == nil {
		return notFound()
	}
	p := r.permission(u)
	o := c.urls.user(u)
	o["role_name"] = string(p)
	c.reply(http.StatusOK, obj{"permission": string(p), "role_name": string(p), "user": o})
	return nil
}

func (c *call) branch(r *repo, name, sha string) obj {
	_, protected := r.protections[name]
	return obj{
		"name": name, "protected": protected,
		"commit": obj{"sha": sha, "url": c.urls.repoAPI(r) + "/commits/" + sha},
	}
}

func listBranches(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	refs, err := c.hub.git.refs(c.ctx(), r.dir, heads)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(refs))
	for n := range refs {
		names = append(names, n)
	}
	sort.Strings(names)
	return list(c, names, func(n string) obj { return c.branch(r, strings.TrimPrefix(n, heads), refs[n]) })
}

func getBranch(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	name := c.params["branch"]
	sha, err := c.hub.branchHead(c.ctx(), r, name)
	if err != nil {
		return err
	}
	if sha == "" {
		return refuse(http.StatusNotFound, "Branch not found")
	}
	info, err := c.hub.commit(c.ctx(), r, sha)
	if err != nil {
		return err
	}
	o := c.branch(r, name, sha)
	api := c.urls.repoAPI(r) + "/branches/" + escapePath(name)
	o["commit"] = c.hub.repoCommit(c.urls, r, info)
	o["_links"] = obj{"self": api, "html": c.urls.repoHTML(r) + "/tree/" + escapePath(name)}
	o["protection_url"] = api + "/protection"
	_, protected := r.protections[name]
	o["protection"] = obj{
		"enabled":                protected,
		"required_status_checks": obj{"enforcement_level": "off", "contexts": []string{}, "checks": []obj{}},
	}
	c.reply(http.StatusOK, o)
	return nil
}

func getCommit(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	ctx := c.ctx()
	sha := c.hub.resolve(ctx, r, c.params["ref"])
	if sha == "" {
		return invalid("Commit", "", "custom", "No commit found for SHA: "+c.params["ref"])
	}
	info, err := c.hub.commit(ctx, r, sha)
	if err != nil {
		return err
	}
	parent := ""
	if len(info.parents) > 0 {
		parent = info.parents[0]
	}
	files, err := c.hub.diff(ctx, r, parent, sha, true)
	if err != nil {
		return err
	}
	o := c.hub.repoCommit(c.urls, r, info)
	add, del, out := 0, 0, []obj{}
	for _, f := range files {
		add, del = add+f.additions, del+f.deletions
		out = append(out, c.urls.diffEntry(r, f, sha))
	}
	o["files"] = out
	o["stats"] = obj{"additions": add, "deletions": del, "total": add + del}
	c.reply(http.StatusOK, o)
	return nil
}

// listActivity pages by cursor: ?after= and ?before= hold what a Link header gave.
func listActivity(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	ref := c.query("ref")
	if ref != "" && !strings.HasPrefix(ref, "refs/") {
		ref = heads + ref
	}
	var all []activity
	for _, a := range r.activity {
		if (ref != "" && a.ref != ref) ||
			(c.query("activity_type") != "" && a.kind != c.query("activity_type")) ||
			(c.query("actor") != "" && (a.actor == nil || !strings.EqualFold(a.actor.login, c.query("actor")))) {
			continue
		}
		all = append(all, a)
	}
	sort.SliceStable(all, func(i, j int) bool {
		if c.query("direction") == "asc" {
			return all[i].id < all[j].id
		}
		return all[i].id > all[j].id
	})
	page, more, err := c.cursor(all)
	if err != nil {
		return err
	}
	if more {
		q := c.r.URL.Query()
		q.Del("before")
		q.Set("after", cursorOf(page[len(page)-1].id))
		c.header.Set("Link", "<"+c.self()+"?"+q.Encode()+`>; rel="next"`)
	}
	out := []obj{}
	for _, a := range page {
		out = append(out, obj{
			"id": a.id, "node_id": nodeID("PushActivity", a.id), "before": a.before, "after": a.after, "ref": a.ref,
			"timestamp": stamp(a.at), "activity_type": a.kind, "actor": c.urls.userOrNil(a.actor),
		})
	}
	c.reply(http.StatusOK, out)
	return nil
}

// cursor cuts the sorted list after or before the entry that a cursor names.
func (c *call) cursor(all []activity) (page []activity, more bool, err error) {
	size := c.perPage()
	if after := c.query("after"); after != "" {
		i, err := indexOf(all, after)
		if err != nil {
			return nil, false, err
		}
		all = all[i+1:]
	} else if before := c.query("before"); before != "" {
		i, err := indexOf(all, before)
		if err != nil {
			return nil, false, err
		}
		all = all[max(0, i-size):i]
	}
	if len(all) > size {
		return all[:size], true, nil
	}
	return all, false, nil
}

func cursorOf(id int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte("v1:" + strconv.FormatInt(id, 10)))
}

func indexOf(all []activity, cursor string) (int, error) {
	raw, _ := base64.RawURLEncoding.DecodeString(cursor)
	id, err := strconv.ParseInt(strings.TrimPrefix(string(raw), "v1:"), 10, 64)
	if err == nil {
		for i, a := range all {
			if a.id == id {
				return i, nil
			}
		}
	}
	return 0, unprocessable("The cursor is not valid")
}

func getContents(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	ctx := c.ctx()
	commit := c.hub.resolve(ctx, r, c.query("ref"))
	if commit == "" {
		return refuse(http.StatusNotFound, "No commit found for the ref %s", c.query("ref"))
	}
	path := strings.Trim(c.params["path"], "/")
	if path == "" {
		return c.directory(r, commit, path)
	}
	entries, err := c.hub.tree(ctx, r, commit, true)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.path != path {
			continue
		}
		if e.kind == "tree" {
			return c.directory(r, commit, path)
		}
		o := c.contentEntry(r, e, commit, path)
		switch {
		case e.kind == "commit":
			o["type"], o["submodule_git_url"] = "submodule", ""
		case e.mode == "120000":
			blob, err := c.hub.git.runEnv(ctx, r.dir, nil, nil, "cat-file", "blob", e.sha)
			if err != nil {
				return err
			}
			o["type"], o["target"] = "symlink", string(blob)
		default:
			blob, err := c.hub.git.runEnv(ctx, r.dir, nil, nil, "cat-file", "blob", e.sha)
			if err != nil {
				return err
			}
			o["encoding"], o["content"] = "base64", wrapped(blob)
		}
		c.reply(http.StatusOK, o)
		return nil
	}
	return notFound()
}

func (c *call) directory(r *repo, commit, path string) error {
	entries, err := c.hub.tree(c.ctx(), r, commit+":"+path, false)
	if err != nil {
		return err
	}
	out := []obj{}
	for _, e := range entries {
		full := strings.TrimPrefix(path+"/"+e.path, "/")
		o := c.contentEntry(r, e, commit, full)
		switch e.kind {
		case "tree":
			o["type"], o["download_url"] = "dir", nil
		case "commit":
			o["type"] = "submodule"
		}
		out = append(out, o)
	}
	c.reply(http.StatusOK, out)
	return nil
}

func (c *call) contentEntry(r *repo, e treeEntry, commit, full string) obj {
	self := c.urls.repoAPI(r) + "/contents/" + escapePath(full) + "?ref=" + commit
	git := c.urls.repoAPI(r) + "/git/blobs/" + e.sha
	html := c.urls.repoHTML(r) + "/blob/" + commit + "/" + escapePath(full)
	return obj{
		"type": "file", "name": full[strings.LastIndex(full, "/")+1:], "path": full, "sha": e.sha, "size": e.size,
		"url": self, "git_url": git, "html_url": html, "download_url": c.urls.repoHTML(r) + "/raw/" + commit + "/" + escapePath(full),
		"_links": obj{"self": self, "git": git, "html": html},
	}
}

// wrapped is base64 in lines of 60 characters, as GitHub sends it.
func wrapped(b []byte) string {
	s := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(s) > 60 {
		out.WriteString(s[:60] + "\n")
		s = s[60:]
	}
	if s != "" {
		out.WriteString(s + "\n")
	}
	return out.String()
}
