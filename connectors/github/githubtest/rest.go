package githubtest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tenure-dev/tenure/internal/minihub"
)

type obj = map[string]any

var repoName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

const stamp = "2026-11-20T08:00:00Z"

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, f func(*call) error) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /api/v3"+path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, f) })
	}
	route("GET /orgs/{org}/members", owners)
	route("GET /orgs/{org}/memberships/{username}", getStanding)
	route("PUT /orgs/{org}/memberships/{username}", setStanding)
	route("GET /orgs/{org}/invitations", listInvites)
	route("GET /orgs/{org}/failed_invitations", listFailed)
	route("DELETE /orgs/{org}/invitations/{id}", cancelInvite)
	route("GET /orgs/{org}/invitations/{id}/teams", inviteTeams)
	route("GET /orgs/{org}/teams/{slug}/invitations", teamInvites)
	route("GET /orgs/{org}/teams/{slug}/memberships/{username}", getMembership)
	route("PUT /orgs/{org}/teams/{slug}/memberships/{username}", setMembership)
	route("DELETE /orgs/{org}/teams/{slug}/memberships/{username}", dropMembership)
	route("GET /orgs/{org}/organization-roles", listRoles)
	route("GET /orgs/{org}/organization-roles/{role}/users", roleUsers)
	route("PUT /orgs/{org}/organization-roles/users/{username}/{role}", assignRole)
	route("DELETE /orgs/{org}/organization-roles/users/{username}/{role}", removeRole)
	route("PUT /repos/{org}/{repo}/collaborators/{username}", addCollaborator)
	route("DELETE /repos/{org}/{repo}/collaborators/{username}", dropCollaborator)
	route("GET /repos/{org}/{repo}/invitations", repoInvites)
	route("DELETE /repos/{org}/{repo}/invitations/{id}", dropRepoInvite)
	mux.HandleFunc("POST /api/graphql", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, graphql) })
	mux.HandleFunc("/", s.account)
	return mux
}

// account serves users, Apps and installations from the hub, as the token's owner.
func (s *Server) account(w http.ResponseWriter, r *http.Request) {
	_, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	s.mu.Lock()
	t := s.tokens[text]
	s.mu.Unlock()
	if t != nil && t.user != nil {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+t.user.Token)
	} else if !strings.HasPrefix(text, "ghs_") && strings.Count(text, ".") != 2 {
		write(w, http.StatusUnauthorized, obj{"message": "Bad credentials"})
		return
	}
	if strings.HasSuffix(r.URL.Path, "/access_tokens") {
		r.Body = http.NoBody
	}
	s.users.ServeHTTP(w, r)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, f func(*call) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, by, err := s.whose(r)
	c := &call{s: s, w: w, r: r, token: t, by: by}
	if err == nil {
		if t.classic {
			w.Header().Set("X-OAuth-Scopes", strings.Join(t.scopes, ", "))
		}
		if org := r.PathValue("org"); org != "" && !strings.EqualFold(org, Org) {
			err = notFound()
		} else {
			err = f(c)
		}
	}
	var no *refusal
	if errors.As(err, &no) {
		write(w, no.status, obj{"message": no.message, "documentation_url": "https://docs.github.com/rest"})
	}
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (c *call) ok(v any) error {
	write(c.w, http.StatusOK, v)
	return nil
}

func (c *call) done() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) body(v any) error {
	b, err := io.ReadAll(c.r.Body)
	if err != nil || len(b) > 0 && json.Unmarshal(b, v) != nil {
		return refuse(http.StatusBadRequest, "Problems parsing JSON")
	}
	return nil
}

// list answers with one page of a list.
func list[T any](c *call, items []T, show func(T) (obj, bool)) error {
	q := c.r.URL.Query()
	size, _ := strconv.Atoi(q.Get("per_page"))
	if size < 1 || size > 100 {
		size = 30
	}
	page := max(1, number(q.Get("page")))
	from := min((page-1)*size, len(items))
	to := min(from+size, len(items))
	if to < len(items) {
		q.Set("page", strconv.Itoa(page+1))
		c.w.Header().Set("Link", fmt.Sprintf("<%s%s?%s>; rel=\"next\"", c.s.URL, c.r.URL.EscapedPath(), q.Encode()))
	}
	out := []obj{}
	for _, item := range items[from:to] {
		if o, ok := show(item); ok {
			out = append(out, o)
		}
	}
	return c.ok(out)
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// user is an account as GitHub shows it; false: it is gone.
func (s *Server) user(id int64) (obj, bool) {
	rec := s.ask(httptest.NewRequest(http.MethodGet, fmt.Sprintf("/api/v3/user/%d", id), nil))
	var o obj
	if rec.Code != http.StatusOK || json.Unmarshal(rec.Body.Bytes(), &o) != nil {
		return nil, false
	}
	return o, true
}

func (s *Server) userOrNil(id int64) any {
	if o, ok := s.user(id); ok {
		return o
	}
	return nil
}

func (s *Server) login(id int64) any {
	if o, ok := s.user(id); ok {
		return o["login"]
	}
	return nil
}

func (s *Server) org() obj {
	api := s.URL + "/api/v3/orgs/" + Org
	return obj{"login": Org, "id": 77, "node_id": "O_77", "url": api, "repos_url": api + "/repos", "events_url": api + "/events", "hooks_url": api + "/hooks",
		"issues_url": api + "/issues", "members_url": api + "/members{/member}", "public_members_url": api + "/public_members{/member}", "avatar_url": s.URL + "/a", "description": nil}
}

// user is the account of the path, for a caller who may read or write members.
func (c *call) user(want string) (minihub.User, error) {
	if err := c.admin(want); err != nil {
		return minihub.User{}, err
	}
	return c.s.person(c.r.PathValue("username"))
}

func owners(c *call) error {
	if err := c.admin("read"); err != nil {
		return err
	}
	var ids []int64
	for _, id := range slices.Sorted(maps.Keys(c.s.members)) {
		if want := c.r.URL.Query().Get("role"); want == "" || want == "all" || c.s.members[id] == want {
			ids = append(ids, id)
		}
	}
	return list(c, ids, c.s.user)
}

// standing is where somebody is in the organisation.
func (c *call) standing(u minihub.User) (obj, error) {
	role, state := c.s.members[u.ID], "active"
	if role == "" {
		i := c.s.inviteOf(u.ID)
		if i == nil {
			return nil, notFound()
		}
		role, state = "member", "pending"
		if i.role == "admin" {
			role = "admin"
		}
	}
	api := c.s.URL + "/api/v3/orgs/" + Org
	return obj{"state": state, "role": role, "organization_url": api, "url": api + "/memberships/" + u.Login, "organization": c.s.org(), "user": c.s.userOrNil(u.ID)}, nil
}

func getStanding(c *call) error {
	u, err := c.user("read")
	if err != nil {
		return err
	}
	o, err := c.standing(u)
	if err != nil {
		return err
	}
	return c.ok(o)
}

func setStanding(c *call) error {
	u, err := c.user("write")
	if err != nil {
		return err
	}
	var in struct{ Role string }
	if err := c.body(&in); err != nil {
		return err
	}
	if c.s.members[u.ID] == "" {
		role := cmp.Or(map[string]string{"admin": "admin"}[in.Role], "direct_member")
		c.s.nextID++
		c.s.invites[c.s.nextID] = &invite{id: c.s.nextID, who: u.ID, role: role, by: c.by, teams: map[string]string{}}
	} else {
		c.s.members[u.ID] = in.Role
	}
	o, err := c.standing(u)
	if err != nil {
		return err
	}
	return c.ok(o)
}

func (c *call) role() (*role, error) {
	for _, r := range c.s.roles {
		if strconv.FormatInt(r.id, 10) == c.r.PathValue("role") {
			return r, nil
		}
	}
	return nil, notFound()
}

func listRoles(c *call) error {
	if err := c.may("admin:org", "organization_custom_org_roles", "read"); err != nil {
		return err
	}
	out := []obj{}
	for _, r := range c.s.roles {
		out = append(out, obj{"id": r.id, "name": r.name, "permissions": []string{}, "organization": nil, "created_at": stamp, "updated_at": stamp})
	}
	return c.ok(obj{"total_count": len(out), "roles": out})
}

func roleUsers(c *call) error {
	if err := c.admin("read"); err != nil {
		return err
	}
	r, err := c.role()
	if err != nil {
		return err
	}
	return list(c, slices.Sorted(maps.Keys(r.users)), func(id int64) (obj, bool) {
		o, ok := c.s.user(id)
		if ok {
			o["assignment"] = r.users[id]
		}
		return o, ok
	})
}

func assignRole(c *call) error {
	r, u, err := c.roleAndUser()
	if err != nil {
		return err
	}
	if c.s.members[u.ID] == "" {
		return refuse(http.StatusUnprocessableEntity, "User is not a member of the organization")
	}
	if r.users[u.ID] == "indirect" || r.users[u.ID] == "mixed" {
		r.users[u.ID] = "mixed"
	} else {
		r.users[u.ID] = "direct"
	}
	return c.done()
}

func removeRole(c *call) error {
	r, u, err := c.roleAndUser()
	if err != nil {
		return err
	}
	if r.users[u.ID] == "mixed" {
		r.users[u.ID] = "indirect"
	} else if r.users[u.ID] == "direct" {
		delete(r.users, u.ID)
	}
	return c.done()
}

func (c *call) roleAndUser() (*role, minihub.User, error) {
	u, err := c.user("write")
	if err != nil {
		return nil, minihub.User{}, err
	}
	r, err := c.role()
	return r, u, err
}

// minimal is a repository as invitations show it.
func (s *Server) minimal(name string, id int64) obj {
	api := s.URL + "/api/v3/repos/" + Org + "/" + url.PathEscape(name)
	owner, _ := s.user(s.rootID())
	o := obj{"id": id, "node_id": fmt.Sprint("R_", id), "name": name, "full_name": Org + "/" + name, "owner": owner, "private": true, "fork": false, "description": nil,
		"url": api, "html_url": s.URL + "/" + Org + "/" + url.PathEscape(name)}
	for _, k := range strings.Fields(`archive assignees blobs branches collaborators comments commits compare contents contributors deployments downloads events
		forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels languages merges milestones notifications pulls releases
		stargazers statuses subscribers subscription tags teams trees`) {
		o[k+"_url"] = api + "/" + k
	}
	return o
}

func (s *Server) rootID() int64 {
	u, _ := s.hub.User("root")
	return u.ID
}
