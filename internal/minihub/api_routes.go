package minihub

// apiRoutes lists the calls that the hub serves. The first match wins.
func apiRoutes() []route {
	const repo = "/repos/{owner}/{repo}"
	h := (*Hub).rateLimit
	return []route{
		newRoute("GET", "/rate_limit", func(c *call) error { return h(c.hub, c) }),
		newRoute("GET", "/user", getSelf),
		newRoute("GET", "/user/{account_id}", getUserByID),
		newRoute("GET", "/users/{username}", getUser),
		newRoute("GET", "/app", getApp),
		newRoute("GET", "/app/installations/{installation_id}", getInstallation),
		newRoute("POST", "/app/installations/{installation_id}/access_tokens", createInstallationToken),

		newRoute("GET", repo, getRepo),
		newRoute("GET", repo+"/activity", listActivity),
		newRoute("GET", repo+"/branches", listBranches),
		newRoute("GET", repo+"/branches/{branch...}", getBranch),
		newRoute("GET", repo+"/collaborators/{username}/permission", getPermission),
		newRoute("GET", repo+"/commits/{commit_sha}/pulls", listPullsOfCommit),
		newRoute("GET", repo+"/commits/{ref}/status", getCombinedStatus),
		newRoute("GET", repo+"/commits/{ref}/statuses", listStatuses),
		newRoute("GET", repo+"/commits/{ref...}", getCommit),
		newRoute("POST", repo+"/statuses/{sha}", createStatus),
		newRoute("GET", repo+"/contents/{path...}", getContents),
		newRoute("POST", repo+"/forks", createFork),

		newRoute("POST", repo+"/git/blobs", createBlob),
		newRoute("GET", repo+"/git/blobs/{file_sha}", getBlob),
		newRoute("POST", repo+"/git/commits", createCommit),
		newRoute("GET", repo+"/git/commits/{commit_sha}", getGitCommit),
		newRoute("GET", repo+"/git/matching-refs/{ref...}", listMatchingRefs),
		newRoute("GET", repo+"/git/ref/{ref...}", getRef),
		newRoute("POST", repo+"/git/refs", createRef),
		newRoute("PATCH", repo+"/git/refs/{ref...}", updateRef),
		newRoute("DELETE", repo+"/git/refs/{ref...}", deleteRef),
		newRoute("POST", repo+"/git/trees", createTree),
		newRoute("GET", repo+"/git/trees/{tree_sha}", getTree),

		newRoute("GET", repo+"/issues/comments/{comment_id}", getComment),
		newRoute("PATCH", repo+"/issues/comments/{comment_id}", updateComment),
		newRoute("DELETE", repo+"/issues/comments/{comment_id}", deleteComment),
		newRoute("GET", repo+"/issues/{issue_number}/comments", listComments),
		newRoute("POST", repo+"/issues/{issue_number}/comments", createComment),
		newRoute("GET", repo+"/issues/{issue_number}/events", listEvents),
		newRoute("GET", repo+"/issues/{issue_number}/timeline", listTimeline),

		newRoute("GET", repo+"/pulls", listPulls),
		newRoute("POST", repo+"/pulls", createPull),
		newRoute("GET", repo+"/pulls/{pull_number}", getPull),
		newRoute("PATCH", repo+"/pulls/{pull_number}", updatePull),
		newRoute("GET", repo+"/pulls/{pull_number}/commits", listPullCommits),
		newRoute("GET", repo+"/pulls/{pull_number}/files", listPullFiles),
		newRoute("GET", repo+"/pulls/{pull_number}/merge", getMerged),
		newRoute("PUT", repo+"/pulls/{pull_number}/merge", mergePull),
		newRoute("GET", repo+"/pulls/{pull_number}/reviews", listReviews),
		newRoute("POST", repo+"/pulls/{pull_number}/reviews", createReview),
		newRoute("GET", repo+"/pulls/{pull_number}/reviews/{review_id}", getReview),
		newRoute("PUT", repo+"/pulls/{pull_number}/reviews/{review_id}/dismissals", dismissReview),
		newRoute("PUT", repo+"/pulls/{pull_number}/update-branch", updateBranch),
	}
}

// Routes names the calls that the hub serves, as GitHub's description does.
func Routes() []string {
	var out []string
	for _, r := range apiRoutes() {
		out = append(out, r.name)
	}
	return out
}
