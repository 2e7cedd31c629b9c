package minihub

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

func createBlob(c *call) error {
	r, err := c.repo(Write)
	if err != nil {
		return err
	}
	var in struct{ Content, Encoding string }
	if err := c.decode(&in); err != nil {
		return err
	}
	content := []byte(in.Content)
	if in.Encoding == "base64" {
		content, err = base64.StdEncoding.DecodeString(strings.Map(dropSpace, in.Content))
		if err != nil {
			return invalid("Blob", "content", "invalid", "")
		}
	}
	sha, err := c.hub.git.writeBlob(c.ctx(), r.dir, content)
	if err != nil {
		return err
	}
	c.reply(http.StatusCreated, obj{"sha": sha, "url": c.urls.repoAPI(r) + "/git/blobs/" + sha})
	return nil
}

func dropSpace(r rune) rune {
	if r == '\n' || r == '\r' || r == ' ' {
		return -1
	}
	return r
}

func getBlob(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	sha := c.params["file_sha"]
	if c.hub.objectType(c.ctx(), r, sha) != "blob" {
		return notFound()
	}
	blob, err := c.hub.git.runEnv(c.ctx(), r.dir, nil, nil, "cat-file", "blob", sha)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, obj{
		"sha": sha, "node_id": nodeID("Blob "+sha, r.id), "size": len(blob), "url": c.urls.repoAPI(r) + "/git/blobs/" + sha,
		"encoding": "base64", "content": wrapped(blob),
	})
	return nil
}

func getGitCommit(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	if !fullHash(c.params["commit_sha"]) {
		return notFound()
	}
	info, err := c.hub.commit(c.ctx(), r, c.params["commit_sha"])
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, c.urls.gitCommit(r, info))
	return nil
}

// gitPerson is author or committer in a request; absent fields are the caller's.
type gitPerson struct {
	Name, Email string
	Date        *time.Time
}

func (p *gitPerson) signature(otherwise signature) signature {
	if p == nil {
		return otherwise
	}
	s := signature{name: orElse(p.Name, otherwise.name), email: orElse(p.Email, otherwise.email), when: otherwise.when}
	if p.Date != nil {
		s.when = *p.Date
	}
	return s
}

func createCommit(c *call) error {
	r, err := c.repo(Write)
	if err != nil {
		return err
	}
	var in struct {
		Message, Tree     string
		Parents           []string
		Author, Committer *gitPerson
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	if c.hub.objectType(c.ctx(), r, in.Tree) != "tree" {
		return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Tree SHA does not exist"}
	}
	for _, p := range in.Parents {
		if c.hub.objectType(c.ctx(), r, p) != "commit" {
			return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Parent SHA does not exist or is not a commit object"}
		}
	}
	author := in.Author.signature(c.hub.signature(c.user))
	committer := in.Committer.signature(author)
	sha, err := c.hub.git.commitTree(c.ctx(), r.dir, in.Tree, in.Message, in.Parents, author, committer)
	if err != nil {
		return err
	}
	info, err := c.hub.commit(c.ctx(), r, sha)
	if err != nil {
		return err
	}
	c.reply(http.StatusCreated, c.urls.gitCommit(r, info))
	return nil
}

func getTree(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	rev := c.params["tree_sha"]
	if !fullHash(rev) {
		rev = c.hub.resolve(c.ctx(), r, rev)
		if rev == "" {
			return notFound()
		}
	}
	sha, err := c.hub.git.run(c.ctx(), r.dir, "rev-parse", "--verify", "--quiet", rev+"^{tree}")
	if err != nil {
		return notFound()
	}
	return c.tree(r, sha, c.r.URL.Query().Has("recursive"), http.StatusOK)
}

func (c *call) tree(r *repo, sha string, recursive bool, status int) error {
	entries, err := c.hub.tree(c.ctx(), r, sha, recursive)
	if err != nil {
		return err
	}
	out := []obj{}
	for _, e := range entries {
		o := obj{"path": e.path, "mode": e.mode, "type": e.kind, "sha": e.sha}
		if e.kind != "commit" {
			o["url"] = c.urls.repoAPI(r) + "/git/" + e.kind + "s/" + e.sha
		}
		if e.kind == "blob" {
			o["size"] = e.size
		}
		out = append(out, o)
	}
	c.reply(status, obj{"sha": sha, "url": c.urls.repoAPI(r) + "/git/trees/" + sha, "tree": out, "truncated": false})
	return nil
}

// newEntry is an entry of a tree to be made. A sha of null removes the path.
type newEntry struct {
	Path, Mode, Type string
	SHA              *string
	Content          *string
}

func createTree(c *call) error {
	r, err := c.repo(Write)
	if err != nil {
		return err
	}
	var in struct {
		BaseTree string `json:"base_tree"`
		Tree     []newEntry
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	if len(in.Tree) == 0 {
		return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Invalid tree info"}
	}
	files := map[string]treeEntry{}
	if in.BaseTree != "" {
		entries, err := c.hub.tree(c.ctx(), r, in.BaseTree, true)
		if err != nil || !fullHash(in.BaseTree) {
			return &Refusal{Status: http.StatusUnprocessableEntity, Message: "base_tree does not exist"}
		}
		for _, e := range entries {
			if e.kind != "tree" {
				files[e.path] = e
			}
		}
	}
	for _, e := range in.Tree {
		if err := c.apply(r, files, e); err != nil {
			return err
		}
	}
	sha, err := c.hub.git.writeTree(c.ctx(), r.dir, files)
	if err != nil {
		return err
	}
	return c.tree(r, sha, false, http.StatusCreated)
}

// apply puts one new entry into the files of a tree.
func (c *call) apply(r *repo, files map[string]treeEntry, e newEntry) error {
	below := func(p string) bool { return p == e.Path || strings.HasPrefix(p, e.Path+"/") }
	if e.SHA == nil && e.Content == nil {
		gone := false
		for p := range files {
			if below(p) {
				delete(files, p)
				gone = true
			}
		}
		if !gone {
			return &Refusal{Status: http.StatusUnprocessableEntity, Message: "GitRPC::BadObjectState"}
		}
		return nil
	}
	for p := range files {
		if below(p) {
			delete(files, p)
		}
	}
	sha := ""
	switch {
	case e.Content != nil:
		blob, err := c.hub.git.writeBlob(c.ctx(), r.dir, []byte(*e.Content))
		if err != nil {
			return err
		}
		sha = blob
	default:
		sha = *e.SHA
		if kind := c.hub.objectType(c.ctx(), r, sha); kind == "" && e.Type != "commit" {
			return &Refusal{Status: http.StatusUnprocessableEntity, Message: "tree.sha " + sha + " is not a valid " + orElse(e.Type, "object")}
		}
	}
	if e.Mode == "040000" {
		sub, err := c.hub.tree(c.ctx(), r, sha, true)
		if err != nil {
			return err
		}
		for _, s := range sub {
			if s.kind != "tree" {
				s.path = e.Path + "/" + s.path
				files[s.path] = s
			}
		}
		return nil
	}
	files[e.Path] = treeEntry{mode: orElse(e.Mode, "100644"), sha: sha, path: e.Path}
	return nil
}
