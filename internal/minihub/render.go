package minihub

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// urls is how the hub names itself in one answer.
type urls struct{ html, api string }

func (h *Hub) urlsOf(r *http.Request, prefix string) urls {
	base := h.opts.BaseURL
	if base == "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		base = scheme + "://" + r.Host
	}
	return urls{html: base, api: base + prefix}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// stampOrNil is null for a time that has not come.
func stampOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func nodeID(kind string, id int64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s:%d", kind, id))
}

// ghost stands for accounts that are gone, where GitHub shows one at all.
var ghost = user{id: 10137, login: "ghost", kind: "User"}

func (u urls) user(x *user) obj {
	if x == nil || x.deleted {
		x = &ghost
	}
	api := u.api + "/users/" + x.login
	return obj{
		"login": x.login, "id": x.id, "node_id": nodeID("User", x.id), "type": x.kind, "site_admin": false,
		"avatar_url": u.html + "/avatars/" + x.login, "gravatar_id": "",
		"url": api, "html_url": u.html + "/" + x.login,
		"followers_url": api + "/followers", "following_url": api + "/following{/other_user}",
		"gists_url": api + "/gists{/gist_id}", "starred_url": api + "/starred{/owner}{/repo}",
		"subscriptions_url": api + "/subscriptions", "organizations_url": api + "/orgs",
		"repos_url": api + "/repos", "events_url": api + "/events{/privacy}",
		"received_events_url": api + "/received_events", "user_view_type": "public",
	}
}

// userOrNil is null for accounts that are gone: reviews and push records show them so.
func (u urls) userOrNil(x *user) any {
	if x == nil || x.deleted {
		return nil
	}
	return u.user(x)
}

func (u urls) profile(x *user) obj {
	o := u.user(x)
	for _, k := range []string{"bio", "blog", "company", "email", "hireable", "location", "name"} {
		o[k] = nil
	}
	o["followers"], o["following"], o["public_gists"], o["public_repos"] = 0, 0, 0, 0
	o["created_at"], o["updated_at"] = stamp(x.createdAt), stamp(x.createdAt)
	return o
}

func (u urls) repoAPI(r *repo) string  { return u.api + "/repos/" + r.fullName() }
func (u urls) repoHTML(r *repo) string { return u.html + "/" + r.fullName() }

// repository is the form that is part of other objects.
func (u urls) repository(r *repo) obj {
	api, html := u.repoAPI(r), u.repoHTML(r)
	open := 0
	for _, p := range r.pulls {
		if p.state == "open" {
			open++
		}
	}
	visibility := "public"
	if r.private {
		visibility = "private"
	}
	o := obj{
		"id": r.id, "node_id": nodeID("Repository", r.id), "name": r.name, "full_name": r.fullName(),
		"owner": u.user(r.owner), "private": r.private, "visibility": visibility,
		"html_url": html, "url": api, "description": nil, "fork": r.parent != nil,
		"clone_url": html + ".git", "git_url": html + ".git", "ssh_url": html + ".git", "svn_url": html,
		"default_branch": r.defaultBranch, "created_at": stamp(r.createdAt), "updated_at": stamp(r.pushedAt), "pushed_at": stamp(r.pushedAt),
		"homepage": nil, "language": nil, "license": nil, "mirror_url": nil, "topics": []string{},
		"archived": false, "disabled": false, "is_template": false,
		"has_issues": false, "has_projects": false, "has_downloads": false, "has_wiki": false, "has_pages": false, "has_discussions": false,
		"forks": 0, "forks_count": 0, "size": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
		"open_issues": open, "open_issues_count": open,
		"allow_merge_commit": true, "allow_squash_merge": true, "allow_rebase_merge": true, "allow_forking": true,
	}
	for key, tail := range map[string]string{
		"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
		"branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}",
		"commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}", "contents_url": "/contents/{+path}",
		"contributors_url": "/contributors", "deployments_url": "/deployments", "downloads_url": "/downloads", "events_url": "/events",
		"forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
		"hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
		"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}", "languages_url": "/languages",
		"merges_url": "/merges", "milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}",
		"pulls_url": "/pulls{/number}", "releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}",
		"subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams", "trees_url": "/git/trees{/sha}",
	} {
		o[key] = api + tail
	}
	return o
}

// fullRepository is the answer about a repository itself.
func (u urls) fullRepository(r *repo, caller *user) obj {
	o := u.repository(r)
	o["network_count"], o["subscribers_count"] = 0, 0
	p := r.permission(caller)
	o["permissions"] = obj{
		"admin": p == Admin, "maintain": p == Admin, "push": p.atLeast(Write), "triage": p.atLeast(Write), "pull": p.atLeast(Read),
	}
	if r.parent != nil {
		o["parent"] = u.repository(r.parent)
		root := r.parent
		for root.parent != nil {
			root = root.parent
		}
		o["source"] = u.repository(root)
	}
	return o
}

func (u urls) pullHTML(p *pull) string {
	return fmt.Sprintf("%s/pull/%d", u.repoHTML(p.base), p.number)
}

func (u urls) pullAPI(p *pull) string {
	return fmt.Sprintf("%s/pulls/%d", u.repoAPI(p.base), p.number)
}

// pullSimple is a pull request as lists show it.
func (u urls) pullSimple(p *pull) obj {
	api, html := u.pullAPI(p), u.pullHTML(p)
	issue := fmt.Sprintf("%s/issues/%d", u.repoAPI(p.base), p.number)
	statuses := u.repoAPI(p.base) + "/statuses/" + p.headSHA
	link := func(href string) obj { return obj{"href": href} }
	head := obj{"label": p.label(), "ref": p.headRef, "sha": p.headSHA, "user": u.user(p.headOwner), "repo": nil}
	if p.headRepo != nil && !p.headRepo.deleted {
		head["repo"] = u.repository(p.headRepo)
	}
	return obj{
		"id": p.id, "node_id": nodeID("PullRequest", p.id), "number": p.number, "state": p.state, "locked": false,
		"title": p.title, "body": orNil(p.body), "user": u.user(p.author), "draft": p.draft,
		"url": api, "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "issue_url": issue,
		"commits_url": api + "/commits", "review_comments_url": api + "/comments",
		"review_comment_url": u.repoAPI(p.base) + "/pulls/comments{/number}", "comments_url": issue + "/comments", "statuses_url": statuses,
		"created_at": stamp(p.createdAt), "updated_at": stamp(p.updatedAt), "closed_at": stampOrNil(p.closedAt), "merged_at": stampOrNil(p.mergedAt),
		"merge_commit_sha": orNil(orElse(p.mergeCommit, p.testMerge)),
		"assignee":         nil, "assignees": []obj{}, "requested_reviewers": []obj{}, "requested_teams": []obj{}, "labels": []obj{},
		"milestone": nil, "auto_merge": nil, "active_lock_reason": nil, "author_association": u.association(p.base, p.author),
		"head": head,
		"base": obj{
			"label": p.base.owner.login + ":" + p.baseRef, "ref": p.baseRef, "sha": p.baseSHA,
			"user": u.user(p.base.owner), "repo": u.repository(p.base),
		},
		"_links": obj{
			"self": link(api), "html": link(html), "issue": link(issue), "comments": link(issue + "/comments"),
			"review_comments": link(api + "/comments"), "review_comment": link(u.repoAPI(p.base) + "/pulls/comments{/number}"),
			"commits": link(api + "/commits"), "statuses": link(statuses),
		},
	}
}

func (u urls) association(r *repo, x *user) string {
	switch {
	case x == nil || x.deleted:
		return "NONE"
	case x == r.owner:
		return "OWNER"
	case r.permission(x).atLeast(Write):
		return "COLLABORATOR"
	default:
		return "CONTRIBUTOR"
	}
}

func (u urls) review(p *pull, rv *review) obj {
	html := fmt.Sprintf("%s#pullrequestreview-%d", u.pullHTML(p), rv.id)
	o := obj{
		"id": rv.id, "node_id": nodeID("PullRequestReview", rv.id), "user": u.userOrNil(rv.user), "body": rv.body, "state": rv.state,
		"html_url": html, "pull_request_url": u.pullAPI(p), "author_association": u.association(p.base, rv.user), "commit_id": rv.commit,
		"_links": obj{"html": obj{"href": html}, "pull_request": obj{"href": u.pullAPI(p)}},
	}
	if !rv.submittedAt.IsZero() {
		o["submitted_at"] = stamp(rv.submittedAt)
	}
	return o
}

func person(s signature) obj {
	return obj{"name": s.name, "email": s.email, "date": stamp(s.when)}
}

func unverified() obj {
	return obj{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}
}

// gitCommit is a commit as the Git database calls show it.
func (u urls) gitCommit(r *repo, c commitInfo) obj {
	return obj{
		"sha": c.sha, "node_id": nodeID("Commit "+c.sha, r.id), "url": u.repoAPI(r) + "/git/commits/" + c.sha,
		"html_url": u.repoHTML(r) + "/commit/" + c.sha, "author": person(c.author), "committer": person(c.committer),
		"tree":    obj{"sha": c.tree, "url": u.repoAPI(r) + "/git/trees/" + c.tree},
		"message": strings.TrimSuffix(c.message, "\n"), "parents": u.parents(r, c, "/git/commits/"), "verification": unverified(),
	}
}

func (u urls) parents(r *repo, c commitInfo, path string) []obj {
	out := []obj{}
	for _, p := range c.parents {
		out = append(out, obj{"sha": p, "url": u.repoAPI(r) + path + p, "html_url": u.repoHTML(r) + "/commit/" + p})
	}
	return out
}

// repoCommit is a commit as the repository calls show it, with accounts where the
// hub knows the e-mail address.
func (h *Hub) repoCommit(u urls, r *repo, c commitInfo) obj {
	account := func(s signature) any {
		for _, x := range h.users {
			if x.email == s.email {
				return u.userOrNil(x)
			}
		}
		return nil
	}
	api := u.repoAPI(r) + "/commits/" + c.sha
	return obj{
		"sha": c.sha, "node_id": nodeID("Commit "+c.sha, r.id), "url": api, "html_url": u.repoHTML(r) + "/commit/" + c.sha, "comments_url": api + "/comments",
		"commit": obj{
			"url": u.repoAPI(r) + "/git/commits/" + c.sha, "author": person(c.author), "committer": person(c.committer),
			"message": strings.TrimSuffix(c.message, "\n"), "comment_count": 0,
			"tree":         obj{"sha": c.tree, "url": u.repoAPI(r) + "/git/trees/" + c.tree},
			"verification": unverified(),
		},
		"author": account(c.author), "committer": account(c.committer), "parents": u.parents(r, c, "/commits/"),
	}
}

func (u urls) diffEntry(r *repo, f fileDiff, head string) obj {
	o := obj{
		"sha": f.sha, "filename": f.path, "status": f.status,
		"additions": f.additions, "deletions": f.deletions, "changes": f.additions + f.deletions,
		"blob_url":     u.repoHTML(r) + "/blob/" + head + "/" + escapePath(f.path),
		"raw_url":      u.repoHTML(r) + "/raw/" + head + "/" + escapePath(f.path),
		"contents_url": u.repoAPI(r) + "/contents/" + escapePath(f.path) + "?ref=" + head,
	}
	if f.patch != "" {
		o["patch"] = f.patch
	}
	if f.oldPath != "" {
		o["previous_filename"] = f.oldPath
	}
	return o
}
