package minilab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// call is one request to the API, by somebody, mostly about a project.
type call struct {
	l *Lab
	w http.ResponseWriter
	r *http.Request
	u *user
	p *project
}

// refusal is an answer that is an error.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

func refuse(status int, message string) error { return &refusal{status, message} }

var errGone = refuse(http.StatusNotFound, "404 Not found")

// routes lists what the lab answers.
func (l *Lab) routes() http.Handler {
	mux := http.NewServeMux()
	on := func(pattern string, f func(*call) error) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /api/v4/"+path, func(w http.ResponseWriter, r *http.Request) { l.answer(w, r, f) })
	}
	on("GET user", func(c *call) error { return c.say(200, c.u.full()) })
	on("GET users/{user}", (*call).getUser)
	on("GET projects/{id}", func(c *call) error { return c.say(200, c.p.shape()) })
	on("GET projects/{id}/events", (*call).getEvents)

	on("GET projects/{id}/merge_requests", (*call).listMerges)
	on("POST projects/{id}/merge_requests", (*call).createMerge)
	on("GET projects/{id}/merge_requests/{iid}", merge((*call).getMerge))
	on("PUT projects/{id}/merge_requests/{iid}", merge((*call).editMerge))
	on("PUT projects/{id}/merge_requests/{iid}/merge", merge((*call).acceptMerge))
	on("GET projects/{id}/merge_requests/{iid}/commits", merge((*call).getCommits))
	on("GET projects/{id}/merge_requests/{iid}/diffs", merge((*call).getDiffs))
	on("GET projects/{id}/merge_requests/{iid}/versions", merge((*call).getVersions))
	on("GET projects/{id}/merge_requests/{iid}/approvals", merge((*call).getApprovals))
	on("GET projects/{id}/merge_requests/{iid}/resource_state_events", merge((*call).getStates))
	on("GET projects/{id}/merge_requests/{iid}/notes", merge((*call).getNotes))
	on("POST projects/{id}/merge_requests/{iid}/notes", merge((*call).createNote))
	on("PUT projects/{id}/merge_requests/{iid}/notes/{note}", merge((*call).editNote))
	on("DELETE projects/{id}/merge_requests/{iid}/notes/{note}", merge((*call).deleteNote))

	on("GET projects/{id}/repository/branches/{branch}", (*call).getBranch)
	on("DELETE projects/{id}/repository/branches/{branch}", (*call).deleteBranch)
	on("HEAD projects/{id}/repository/files/{path}", (*call).headFile)
	on("GET projects/{id}/repository/blobs/{blob}/raw", (*call).rawBlob)
	on("POST projects/{id}/repository/commits", (*call).createCommit)
	on("GET projects/{id}/repository/commits/{sha}/merge_requests", (*call).mergesOfCommit)
	on("GET projects/{id}/repository/commits/{sha}/statuses", (*call).getStatuses)
	on("POST projects/{id}/statuses/{sha}", (*call).setStatus)
	mux.HandleFunc("/", l.serveGit)
	return mux
}

// answer finds out who asks and about which project, and answers.
func (l *Lab) answer(w http.ResponseWriter, r *http.Request, f func(*call) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &call{l: l, w: w, r: r, u: l.userWithToken(r.Header.Get("PRIVATE-TOKEN"))}
	err := refuse(http.StatusUnauthorized, "401 Unauthorized")
	if c.u != nil && c.u.state == "active" {
		err = nil
		if id := r.PathValue("id"); id != "" {
			if c.p = l.projectAt(id); c.p == nil || !c.p.seenBy(c.u) {
				err = refuse(http.StatusNotFound, "404 Project Not Found")
			} else if r.Method != http.MethodGet && r.Method != http.MethodHead && (c.p.archived || c.p.role < 30) {
				err = refuse(http.StatusForbidden, "403 Forbidden")
			}
		}
	}
	if err == nil {
		err = f(c)
	}
	if err == nil {
		return
	}
	var no *refusal
	if !errors.As(err, &no) {
		no = &refusal{http.StatusInternalServerError, err.Error()}
	}
	_ = c.say(no.status, object{"message": no.message})
}

func (c *call) say(status int, v any) error {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	return json.NewEncoder(c.w).Encode(v)
}

// input reads the body of a request; a key that is not expected is an error.
func (c *call) input(v any) error {
	d := json.NewDecoder(c.r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return refuse(http.StatusBadRequest, "400 Bad request: "+err.Error())
	}
	return nil
}

// list answers with one page, as GitLab's offset pagination does.
func list[T any](c *call, all []T, shape func(T) any) error {
	q := c.r.URL.Query()
	per, page := 20, 1
	if n, err := strconv.Atoi(q.Get("per_page")); err == nil && n > 0 {
		per = min(n, 100)
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 {
		page = n
	}
	from := min((page-1)*per, len(all))
	to := min(from+per, len(all))
	out := []any{}
	for _, x := range all[from:to] {
		out = append(out, shape(x))
	}
	next := ""
	if to < len(all) {
		next = strconv.Itoa(page + 1)
	}
	h := c.w.Header()
	h.Set("X-Page", strconv.Itoa(page))
	h.Set("X-Per-Page", strconv.Itoa(per))
	h.Set("X-Next-Page", next)
	h.Set("X-Total", strconv.Itoa(len(all)))
	return c.say(http.StatusOK, out)
}

func (c *call) getUser() error {
	for _, u := range c.l.users {
		if strconv.FormatInt(u.ID, 10) == c.r.PathValue("user") {
			return c.say(http.StatusOK, u.full())
		}
	}
	return refuse(http.StatusNotFound, "404 User Not Found")
}

func (c *call) getEvents() error {
	if q := c.r.URL.Query(); q.Get("action") != "pushed" || q.Get("sort") != "desc" {
		return fmt.Errorf("the lab knows pushes only, newest first")
	}
	var all []*event
	for i := len(c.p.events) - 1; i >= 0; i-- {
		all = append(all, c.p.events[i])
	}
	return list(c, all, func(e *event) any { return e.shape(c.p) })
}
