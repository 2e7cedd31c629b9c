package minihub

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// status is a commit status; the last one of a context counts.
type status struct {
	id                     int64
	sha, state, context    string
	description, targetURL string
	creator                *user
	createdAt              time.Time
}

// The limits of commit statuses.
const (
	maxStatuses    = 1000 // of one commit and context
	maxDescription = 140  // characters
)

// Status is a commit status as the Go side sees it.
type Status struct {
	State, Context, Description, URL string
	Creator                          string // login
	CreatedAt                        time.Time
}

// Statuses lists the statuses of a commit, newest first: all that were ever set.
func (h *Hub) Statuses(fullName, sha string) ([]Status, error) {
	var out []Status
	err := h.withRepo(fullName, func(r *repo) error {
		for _, s := range slices.Backward(r.statuses) {
			if s.sha == sha {
				out = append(out, Status{State: s.state, Context: s.context, Description: s.description, URL: s.targetURL, Creator: s.creator.login, CreatedAt: s.createdAt})
			}
		}
		return nil
	})
	return out, err
}

// SetStatus sets a commit status as an account: state is error, failure, pending
// or success.
func (h *Hub) SetStatus(fullName, sha, login, context, state string) error {
	return h.withRepo(fullName, func(r *repo) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		_, err = h.addStatus(r, status{sha: sha, state: state, context: context, creator: u})
		return err
	})
}

func (h *Hub) addStatus(r *repo, s status) (status, error) {
	if utf8.RuneCountInString(s.description) > maxDescription {
		return s, invalid("Status", "description", "custom", fmt.Sprintf("description is too long (maximum is %d characters)", maxDescription))
	}
	n := 0
	for _, o := range r.statuses {
		if o.sha == s.sha && strings.EqualFold(o.context, s.context) {
			n++
		}
	}
	if n >= maxStatuses {
		return s, invalid("Status", "", "custom", "This SHA and context has reached the maximum number of statuses.")
	}
	s.id, s.createdAt = h.id(), h.now()
	r.statuses = append(r.statuses, s)
	return s, nil
}

// latest returns the last status of each context of a commit, newest first.
// Contexts are not told apart by case.
func (r *repo) latest(sha string) []status {
	var out []status
	for _, s := range slices.Backward(r.statuses) {
		if s.sha == sha && !slices.ContainsFunc(out, func(o status) bool { return strings.EqualFold(o.context, s.context) }) {
			out = append(out, s)
		}
	}
	return out
}

func (h *Hub) statusState(r *repo, sha, context string) string {
	for _, s := range r.latest(sha) {
		if strings.EqualFold(s.context, context) {
			return s.state
		}
	}
	return ""
}

func (u urls) status(r *repo, s status) obj {
	return obj{
		"id": s.id, "node_id": nodeID("StatusContext", s.id), "url": u.repoAPI(r) + "/statuses/" + s.sha,
		"state": s.state, "context": s.context, "description": orNil(s.description), "target_url": orNil(s.targetURL),
		"avatar_url": u.html + "/avatars/status", "creator": u.userOrNil(s.creator),
		"created_at": stamp(s.createdAt), "updated_at": stamp(s.createdAt),
	}
}

func createStatus(c *call) error {
	r, err := c.repo(Write)
	if err != nil {
		return err
	}
	var in struct {
		State, Context, Description string
		TargetURL                   string `json:"target_url"`
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	if !slices.Contains([]string{"error", "failure", "pending", "success"}, in.State) {
		return invalid("Status", "state", "invalid", "")
	}
	sha := c.params["sha"]
	if c.hub.objectType(c.ctx(), r, sha) != "commit" {
		return invalid("Status", "", "custom", "No commit found for SHA: "+sha)
	}
	s, err := c.hub.addStatus(r, status{
		sha: sha, state: in.State, context: orElse(in.Context, "default"),
		description: in.Description, targetURL: in.TargetURL, creator: c.user,
	})
	if err != nil {
		return err
	}
	c.reply(http.StatusCreated, c.urls.status(r, s))
	return nil
}

func (c *call) statusCommit() (*repo, string, error) {
	r, err := c.repo(Read)
	if err != nil {
		return nil, "", err
	}
	sha := c.hub.resolve(c.ctx(), r, c.params["ref"])
	if sha == "" {
		return nil, "", notFound()
	}
	return r, sha, nil
}

func listStatuses(c *call) error {
	r, sha, err := c.statusCommit()
	if err != nil {
		return err
	}
	var found []status
	for _, s := range slices.Backward(r.statuses) {
		if s.sha == sha {
			found = append(found, s)
		}
	}
	return list(c, found, func(s status) obj { return c.urls.status(r, s) })
}

func getCombinedStatus(c *call) error {
	r, sha, err := c.statusCommit()
	if err != nil {
		return err
	}
	state, out := "success", []obj{}
	latest := r.latest(sha)
	if len(latest) == 0 {
		state = "pending"
	}
	for _, s := range latest {
		switch s.state {
		case "error", "failure":
			state = "failure"
		case "pending":
			if state != "failure" {
				state = "pending"
			}
		}
	}
	for _, s := range paged(c, latest) {
		o := c.urls.status(r, s)
		delete(o, "creator")
		out = append(out, o)
	}
	c.reply(http.StatusOK, obj{
		"state": state, "sha": sha, "total_count": len(latest), "statuses": out, "repository": c.urls.repository(r),
		"commit_url": c.urls.repoAPI(r) + "/commits/" + sha, "url": c.urls.repoAPI(r) + "/commits/" + sha + "/status",
	})
	return nil
}
