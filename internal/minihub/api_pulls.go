package minihub

import (
	"context"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// pull finds the pull request of the path.
func (c *call) pull(need Permission) (*pull, error) {
	r, err := c.repo(need)
	if err != nil {
		return nil, err
	}
	number := c.params["pull_number"]
	if number == "" {
		number = c.params["issue_number"]
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return nil, notFound()
	}
	p := r.pull(n)
	if p == nil {
		return nil, notFound()
	}
	return p, nil
}

// writer is the pull request of the path for a caller who authenticated.
func (c *call) writer() (*pull, error) {
	p, err := c.pull(Read)
	if err == nil && c.user == nil {
		return nil, refuse(http.StatusUnauthorized, "Requires authentication")
	}
	return p, err
}

func listPulls(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	state := orElse(c.query("state"), "open")
	var found []*pull
	for _, p := range r.pulls {
		if (state != "all" && p.state != state) ||
			(c.query("base") != "" && p.baseRef != c.query("base")) ||
			(strings.Contains(c.query("head"), ":") && p.label() != c.query("head")) { // without an owner GitHub ignores it
			continue
		}
		found = append(found, p)
	}
	key := func(p *pull) int64 {
		if c.query("sort") == "updated" {
			return p.updatedAt.Unix()
		}
		return p.number
	}
	sort.SliceStable(found, func(i, j int) bool { return key(found[i]) < key(found[j]) })
	direction := c.query("direction")
	if direction == "desc" || (direction == "" && (c.query("sort") == "" || c.query("sort") == "created")) {
		slices.Reverse(found)
	}
	return list(c, found, c.urls.pullSimple)
}

func createPull(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	if c.user == nil {
		return refuse(http.StatusUnauthorized, "Requires authentication")
	}
	var in PullRequest
	if err := c.decode(&in); err != nil {
		return err
	}
	p, err := c.hub.openPull(c.ctx(), r, c.user, in)
	if err != nil {
		return err
	}
	return c.replyPull(http.StatusCreated, p)
}

func getPull(c *call) error {
	p, err := c.pull(Read)
	if err != nil {
		return err
	}
	return c.replyPull(http.StatusOK, p)
}

// pullFull adds what only the answer about one pull request has, and webhooks; of
// mergeability it says that it is not known.
func (h *Hub) pullFull(ctx context.Context, u urls, p *pull) (obj, error) {
	o := u.pullSimple(p)
	commits, err := h.commits(ctx, p)
	if err != nil {
		return nil, err
	}
	from, err := h.base(ctx, p)
	if err != nil {
		return nil, err
	}
	files, err := h.diff(ctx, p.base, from, p.headSHA, false)
	if err != nil {
		return nil, err
	}
	add, del := 0, 0
	for _, f := range files {
		add, del = add+f.additions, del+f.deletions
	}
	comments := 0
	for _, m := range p.base.comments {
		if m.pull == p {
			comments++
		}
	}
	o["merged"], o["merged_by"] = p.merged(), nil
	if p.merged() {
		o["merged_by"] = u.userOrNil(p.mergedBy)
	}
	o["mergeable"], o["rebaseable"], o["mergeable_state"] = nil, nil, "unknown"
	o["additions"], o["deletions"], o["changed_files"], o["commits"] = add, del, len(files), len(commits)
	o["comments"], o["review_comments"], o["maintainer_can_modify"] = comments, 0, false
	return o, nil
}

// replyPull answers with one pull request.
func (c *call) replyPull(status int, p *pull) error {
	o, err := c.hub.pullFull(c.ctx(), c.urls, p)
	if err != nil {
		return err
	}
	state, err := c.hub.mergeability(c.ctx(), p)
	if err != nil {
		return err
	}
	if state != "unknown" && p.unknownFor > 0 && c.r.Method == http.MethodGet {
		p.unknownFor--
		state = "unknown"
	}
	if state != "unknown" {
		o["mergeable"], o["rebaseable"], o["mergeable_state"] = state != "dirty", state != "dirty", state
	}
	c.reply(status, o)
	return nil
}

// mergeability is what the merge button would say, without pressing it: clean,
// dirty, draft or blocked; unknown when it is closed.
func (h *Hub) mergeability(ctx context.Context, p *pull) (string, error) {
	if p.state != "open" {
		return "unknown", nil
	}
	tip, err := h.branchHead(ctx, p.base, p.baseRef)
	if err != nil {
		return "", err
	}
	_, ok, err := h.git.mergeTrees(ctx, p.base.dir, tip, p.headSHA)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "dirty", nil
	case p.draft:
		return "draft", nil
	case h.blocked(p, nil) != nil:
		return "blocked", nil
	}
	return "clean", nil
}

func updatePull(c *call) error {
	p, err := c.writer()
	if err != nil {
		return err
	}
	var in pullEdit
	if err := c.decode(&in); err != nil {
		return err
	}
	if err := c.hub.editPull(c.ctx(), p, c.user, in); err != nil {
		return err
	}
	return c.replyPull(http.StatusOK, p)
}

func listPullCommits(c *call) error {
	p, err := c.pull(Read)
	if err != nil {
		return err
	}
	shas, err := c.hub.commits(c.ctx(), p)
	if err != nil {
		return err
	}
	var infos []commitInfo
	for _, s := range shas {
		info, err := c.hub.commit(c.ctx(), p.base, s)
		if err != nil {
			return err
		}
		infos = append(infos, info)
	}
	return list(c, infos, func(i commitInfo) obj { return c.hub.repoCommit(c.urls, p.base, i) })
}

func listPullFiles(c *call) error {
	p, err := c.pull(Read)
	if err != nil {
		return err
	}
	from, err := c.hub.base(c.ctx(), p)
	if err != nil {
		return err
	}
	files, err := c.hub.diff(c.ctx(), p.base, from, p.headSHA, true)
	if err != nil {
		return err
	}
	if len(files) > c.hub.maxFiles { // GitHub leaves the others out without a word
		files = files[:c.hub.maxFiles]
	}
	return list(c, files, func(f fileDiff) obj { return c.urls.diffEntry(p.base, f, p.headSHA) })
}

func getMerged(c *call) error {
	p, err := c.pull(Read)
	if err != nil {
		return err
	}
	if !p.merged() {
		return notFound()
	}
	c.reply(http.StatusNoContent, nil)
	return nil
}

func mergePull(c *call) error {
	p, err := c.writer()
	if err != nil {
		return err
	}
	var in struct {
		SHA     string `json:"sha"`
		Method  string `json:"merge_method"`
		Title   string `json:"commit_title"`
		Message string `json:"commit_message"`
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	sha, err := c.hub.merge(c.ctx(), p, c.user, mergeRequest(in))
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, obj{"sha": sha, "merged": true, "message": "Pull Request successfully merged"})
	return nil
}

// listPullsOfCommit answers for a commit on the default branch with the merged
// pull requests that brought it, otherwise with the open ones that contain it.
func listPullsOfCommit(c *call) error {
	r, err := c.repo(Read)
	if err != nil {
		return err
	}
	ctx := c.ctx()
	sha := c.hub.resolve(ctx, r, c.params["commit_sha"])
	if sha == "" {
		return invalid("Commit", "", "custom", "No commit found for SHA: "+c.params["commit_sha"])
	}
	tip, err := c.hub.branchHead(ctx, r, r.defaultBranch)
	if err != nil {
		return err
	}
	landed := false
	if tip != "" {
		if landed, err = c.hub.git.isAncestor(ctx, r.dir, sha, tip); err != nil {
			return err
		}
	}
	var found []*pull
	for _, p := range r.pulls {
		switch {
		case landed && p.merged() && p.introduced[sha]:
			found = append(found, p)
		case !landed && p.state == "open":
			commits, err := c.hub.commits(ctx, p)
			if err != nil {
				return err
			}
			if slices.Contains(commits, sha) {
				found = append(found, p)
			}
		}
	}
	return list(c, found, c.urls.pullSimple)
}
