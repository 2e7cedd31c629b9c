package minilab

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object of an answer.
type object = map[string]any

const webURL = "https://gitlab.example.com/"

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// orNull is null for what is empty.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (u *user) basic() any {
	if u == nil {
		return nil
	}
	return object{
		"id": u.ID, "username": u.Login, "name": u.name, "state": u.state, "locked": false,
		"avatar_url": nil, "web_url": webURL + u.Login,
	}
}

func (u *user) full() object {
	o := u.basic().(object)
	o["bot"] = u.bot
	o["bio"], o["location"], o["public_email"], o["organization"] = "", "", "", ""
	return o
}

func (p *project) shape() object {
	return object{
		"id": p.id, "name": p.path[strings.LastIndex(p.path, "/")+1:], "path_with_namespace": p.path, "default_branch": DefaultBranch,
		"web_url": webURL + p.path, "http_url_to_repo": webURL + p.path + ".git", "archived": p.archived,
		"merge_method": p.mergeMethod, "squash_option": p.squash, "merge_requests_access_level": "enabled",
		"permissions": object{"project_access": object{"access_level": p.role, "notification_level": 3}, "group_access": nil},
	}
}

func (e *event) shape(p *project) object {
	push := object{
		"commit_count": e.count, "action": e.action, "ref_type": "branch", "commit_from": orNull(e.before), "commit_to": orNull(e.after),
		"ref": orNull(e.branch), "commit_title": "Change", "ref_count": nil,
	}
	if e.branch == "" {
		push["ref_count"] = e.count
	}
	name := map[string]string{"created": "pushed new", "removed": "deleted", "pushed": "pushed to"}[e.action]
	return object{
		"id": e.id, "project_id": p.id, "action_name": name, "target_id": nil, "target_iid": nil, "target_type": nil,
		"author_id": e.by.ID, "target_title": nil, "created_at": stamp(e.at), "author": e.by.basic(), "author_username": e.by.Login,
		"imported": false, "imported_from": "none", "push_data": push,
	}
}

// basic is what lists of merge requests hold.
func (m *mergeRequest) basic() object {
	var from any
	if m.source.id != 0 {
		from = m.source.id
	}
	return object{
		"id": m.id, "iid": m.iid, "project_id": m.project.id, "title": m.title, "description": m.body, "state": m.state,
		"imported": m.imported, "imported_from": "none", "created_at": stamp(m.createdAt), "updated_at": stamp(m.updatedAt),
		"merged_by": m.mergedBy.basic(), "merge_user": m.mergedBy.basic(), "merged_at": stamp(m.mergedAt), "merge_after": nil,
		"closed_by": nil, "closed_at": nil, "target_branch": m.targetBranch, "source_branch": m.sourceBranch,
		"author": m.author.basic(), "assignees": []any{}, "assignee": nil, "reviewers": []any{},
		"source_project_id": from, "target_project_id": m.project.id, "labels": []any{}, "draft": false,
		"merge_when_pipeline_succeeds": false, "detailed_merge_status": "mergeable", "sha": m.head(),
		"merge_commit_sha": orNull(m.mergeCommit), "squash_commit_sha": orNull(m.squashCommit), "user_notes_count": 0,
		"should_remove_source_branch": nil, "force_remove_source_branch": false,
		"web_url": fmt.Sprintf("%s%s/-/merge_requests/%d", webURL, m.project.path, m.iid), "squash": m.squashCommit != "",
		"squash_on_merge": false, "has_conflicts": false, "blocking_discussions_resolved": true,
	}
}

// full is what one merge request is answered with.
func (m *mergeRequest) full(files int) object {
	o, v := m.basic(), m.versions[len(m.versions)-1]
	o["subscribed"], o["merge_error"], o["rebase_in_progress"] = false, nil, false
	o["changes_count"] = orNull(strings.TrimPrefix(strconv.Itoa(files), "0"))
	o["diff_refs"] = object{"base_sha": v.base, "head_sha": v.head, "start_sha": v.start}
	o["user"] = object{"can_merge": true}
	return o
}

func (v version) shape(m *mergeRequest) object {
	return object{
		"id": v.id, "head_commit_sha": v.head, "base_commit_sha": v.base, "start_commit_sha": v.start, "created_at": stamp(v.at),
		"merge_request_id": m.id, "state": "collected", "real_size": "1",
	}
}

func (n *note) shape(m *mergeRequest) object {
	return object{
		"id": n.id, "type": nil, "body": n.body, "author": n.by.basic(), "created_at": stamp(n.at), "updated_at": stamp(n.at),
		"system": n.system, "noteable_id": m.id, "noteable_type": "MergeRequest", "project_id": m.project.id, "resolvable": false,
		"confidential": false, "internal": false, "noteable_iid": m.iid,
	}
}

func (e stateEvent) shape(m *mergeRequest) object {
	o := object{
		"id": e.id, "user": e.by.basic(), "created_at": stamp(e.at), "resource_type": "MergeRequest", "resource_id": m.id,
		"state": e.state, "source_commit": nil, "source_merge_request_id": nil,
	}
	if e.from != nil && e.from.commit != "" {
		o["source_commit"] = e.from.commit
	}
	if e.from != nil && e.from.merge != 0 {
		o["source_merge_request_id"] = e.from.merge
	}
	return o
}

func (s *status) shape() object {
	return object{
		"id": s.id, "sha": s.commit, "ref": DefaultBranch, "status": s.state, "name": s.name, "target_url": orNull(s.url),
		"description": orNull(s.text), "created_at": stamp(s.at), "started_at": nil, "finished_at": nil, "allow_failure": false,
		"coverage": nil, "pipeline_id": 1, "author": s.by.basic(),
	}
}
