package azuretest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type user struct{ id, name string }

type group struct {
	id      string
	fields  map[string]any // as Graph shows them
	members map[string]bool
}

// User makes a user.
func (s *Server) User(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if strings.EqualFold(u.name, name) {
			return
		}
	}
	s.users[id] = &user{id, name}
}

// DeleteUser lets a user go; memberships go with it, role assignments do not.
func (s *Server) DeleteUser(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, id)
	for _, g := range s.groups {
		delete(g.members, id)
	}
}

// Group makes a group, or changes its properties.
func (s *Server) Group(id, name string, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]any{"id": id, "displayName": name, "groupTypes": []string{}, "isAssignableToRole": nil, "onPremisesSyncEnabled": nil, "mailEnabled": false, "visibility": nil}
	maps.Copy(all, fields)
	if g := s.groups[id]; g != nil {
		g.fields = all
		return
	}
	for _, g := range s.groups {
		if fields == nil && g.fields["displayName"] == name {
			return
		}
	}
	s.groups[id] = &group{id, all, map[string]bool{}}
}

// Join makes something of any kind a member.
func (s *Server) Join(group, id, kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[id] == nil {
		s.others[id] = kind
	}
	s.groups[group].members[id] = true
}

// Member reports whether somebody is a member.
func (s *Server) Member(group, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[group].members[id]
}

var (
	writers  = []string{"GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"}
	readers  = append([]string{"GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"}, writers...)
	people   = []string{"User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	oneGroup = regexp.MustCompile(`^/v1\.0/groups/([0-9a-f-]{36})(?:/members(?:/([0-9a-f-]{36}))?(/\$ref)?)?$`)
	inFilter = regexp.MustCompile(`^(id|userPrincipalName) in \((.*)\)$`)
	eqFilter = regexp.MustCompile(`^displayName eq ('(?:[^']|'')*')$`)
	text     = regexp.MustCompile(`^'((?:[^']|'')*)'(?:, |$)`)
)

var insufficient = &refused{http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."}

func texts(list string) (all []string) {
	for list != "" {
		m := text.FindStringSubmatch(list)
		if m == nil {
			return nil
		}
		all, list = append(all, strings.ReplaceAll(m[1], "''", "'")), list[len(m[0]):]
	}
	return all
}

// graph answers one call of Microsoft Graph.
func (s *Server) graph(w http.ResponseWriter, r *http.Request) error {
	t, err := s.caller(r, s.Graph)
	if err != nil {
		return err
	}
	has := func(any []string) bool {
		return slices.ContainsFunc(any, func(x string) bool { return slices.Contains(t.rights, x) })
	}
	m := oneGroup.FindStringSubmatch(r.URL.Path)
	s.calls[r.Method+" "+path(r, m)]++
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/v1.0/users":
		if !has(people) {
			return insufficient
		}
		return s.findUsers(w, r)
	case r.Method == http.MethodGet && r.URL.Path == "/v1.0/groups":
		if !has(readers) {
			return insufficient
		}
		return s.findGroups(w, r)
	case m == nil:
		return s.strange(r, "no such operation")
	}
	g := s.groups[m[1]]
	if g == nil {
		return refuse(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist or one of its queried reference-property objects are not present.", m[1])
	}
	tail := strings.TrimPrefix(r.URL.Path, "/v1.0/groups/"+m[1])
	switch {
	case r.Method == http.MethodGet && tail == "":
		if !has(readers) {
			return insufficient
		}
		return s.showGroup(w, r, g)
	case r.Method == http.MethodGet && tail == "/members":
		if !has(readers) {
			return insufficient
		}
		return s.showMembers(w, r, g, has(people))
	case r.Method == http.MethodPost && tail == "/members/$ref":
		if !has(writers) || g.fields["isAssignableToRole"] == true && !slices.Contains(t.rights, "RoleManagement.ReadWrite.Directory") {
			return insufficient
		}
		return s.join(w, r, g)
	case r.Method == http.MethodDelete && m[2] != "" && m[3] == "/$ref":
		if !has(writers) {
			return insufficient
		}
		if !g.members[m[2]] {
			return refuse(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist or one of its queried reference-property objects are not present.", m[2])
		}
		delete(g.members, m[2])
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return s.strange(r, "no such operation; a DELETE without $ref deletes the user")
}

func path(r *http.Request, m []string) string {
	if m == nil {
		return strings.TrimPrefix(r.URL.Path, "/v1.0/")
	}
	p := strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/v1.0/"), m[1], "ID")
	if m[2] != "" {
		p = strings.ReplaceAll(p, m[2], "ID")
	}
	return p
}

func (s *Server) findUsers(w http.ResponseWriter, r *http.Request) error {
	if err := s.only(r, []string{"$filter", "$select"}, "$skiptoken"); err != nil {
		return err
	}
	m := inFilter.FindStringSubmatch(r.URL.Query().Get("$filter"))
	if m == nil || texts(m[2]) == nil || len(texts(m[2])) > 15 {
		return s.strange(r, "the filter")
	}
	var all []map[string]any
	for _, id := range slices.Sorted(maps.Keys(s.users)) {
		u := s.users[id]
		if slices.ContainsFunc(texts(m[2]), func(v string) bool {
			return m[1] == "id" && v == u.id || m[1] != "id" && strings.EqualFold(v, u.name)
		}) {
			all = append(all, map[string]any{"id": u.id, "userPrincipalName": u.name})
		}
	}
	return s.page(w, r, all, s.pageSize)
}

func (s *Server) findGroups(w http.ResponseWriter, r *http.Request) error {
	if err := s.only(r, []string{"$filter", "$select"}, "$skiptoken"); err != nil {
		return err
	}
	m := eqFilter.FindStringSubmatch(r.URL.Query().Get("$filter"))
	if m == nil {
		return s.strange(r, "the filter")
	}
	var all []map[string]any
	for _, id := range slices.Sorted(maps.Keys(s.groups)) {
		if strings.EqualFold(s.groups[id].fields["displayName"].(string), texts(m[1])[0]) {
			all = append(all, s.groups[id].fields)
		}
	}
	return s.page(w, r, all, s.pageSize)
}

func (s *Server) showGroup(w http.ResponseWriter, r *http.Request, g *group) error {
	if err := s.only(r, []string{"$select"}); err != nil {
		return err
	}
	out, err := s.selected(r, g.fields)
	if err == nil {
		answer(w, http.StatusOK, out)
	}
	return err
}

// selected keeps the properties that a request asks for.
func (s *Server) selected(r *http.Request, fields map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for _, k := range strings.Split(r.URL.Query().Get("$select"), ",") {
		v, ok := fields[k]
		if !ok {
			return nil, s.strange(r, "no property "+k)
		}
		out[k] = v
	}
	if kind, ok := fields["@odata.type"]; ok {
		out["@odata.type"] = kind
	}
	return out, nil
}

func (s *Server) showMembers(w http.ResponseWriter, r *http.Request, g *group, names bool) error {
	if err := s.only(r, []string{"$select", "$top"}, "$skiptoken"); err != nil {
		return err
	}
	top, err := strconv.Atoi(r.URL.Query().Get("$top"))
	if err != nil || top < 1 || top > 999 {
		return s.strange(r, "$top")
	}
	all := []map[string]any{}
	if g.fields["visibility"] != "HiddenMembership" {
		for _, id := range slices.Sorted(maps.Keys(g.members)) {
			m := map[string]any{"@odata.type": "#microsoft.graph." + s.others[id], "id": id, "userPrincipalName": nil}
			if u := s.users[id]; u != nil {
				m["@odata.type"] = "#microsoft.graph.user"
				if names {
					m["userPrincipalName"] = u.name
				}
			}
			all = append(all, m)
		}
	}
	return s.page(w, r, all, min(top, s.pageSize))
}

// page answers with a part of a list.
func (s *Server) page(w http.ResponseWriter, r *http.Request, all []map[string]any, size int) error {
	q := r.URL.Query()
	from := 0
	if t := q.Get("$skiptoken"); t != "" {
		from, _ = strconv.Atoi(t)
	}
	value := []map[string]any{}
	for _, x := range all[min(from, len(all)):min(from+size, len(all))] {
		out, err := s.selected(r, x)
		if err != nil {
			return err
		}
		value = append(value, out)
	}
	doc := map[string]any{"value": value}
	if from+size < len(all) {
		next := url.Values{"$skiptoken": {strconv.Itoa(from + size)}}
		for k, v := range q {
			if k != "$skiptoken" {
				next[k] = v
			}
		}
		doc["@odata.nextLink"] = s.Graph + r.URL.Path + "?" + next.Encode()
	}
	answer(w, http.StatusOK, doc)
	return nil
}

func (s *Server) join(w http.ResponseWriter, r *http.Request, g *group) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var in map[string]string
	if json.Unmarshal(body, &in) != nil || len(in) != 1 {
		return s.strange(r, "the body")
	}
	id, found := strings.CutPrefix(in["@odata.id"], s.Graph+"/v1.0/directoryObjects/")
	if !found {
		return s.strange(r, "@odata.id")
	}
	switch types, _ := g.fields["groupTypes"].([]string); {
	case slices.Contains(types, "DynamicMembership") || g.fields["onPremisesSyncEnabled"] == true || g.fields["mailEnabled"] == true && !slices.Contains(types, "Unified"):
		return refuse(http.StatusBadRequest, "Request_BadRequest", "Insufficient privileges, or a group that cannot be written.")
	case s.young[id] > 0 || s.kindOf(id) == "":
		s.young[id]--
		return refuse(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
	case g.members[id]:
		return refuse(http.StatusBadRequest, "Request_BadRequest", "One or more added object references already exist for the following modified properties: 'members'.")
	}
	g.members[id] = true
	w.WriteHeader(http.StatusNoContent)
	return nil
}
