package githubtest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

type query struct {
	Query     string
	Variables struct {
		Org, Slug, Name, ID string
		After               *string
	}
}

// graphql answers the queries of the connector; package hubcheck holds query
// and answer to the schema.
func graphql(c *call) error {
	var q query
	if err := c.body(&q); err != nil {
		return err
	}
	if !strings.EqualFold(q.Variables.Org, Org) {
		return c.missing(obj{"organization": nil}, "organization", q)
	}
	about := obj{"login": Org, "viewerCanAdminister": c.token.app == nil && c.s.members[c.token.user.ID] == "admin"}
	switch {
	case strings.Contains(q.Query, "node(id:"):
		n := c.nodeOf(q.Variables.ID)
		if n == nil {
			return c.ok(obj{"data": obj{"organization": about, "node": nil}, "errors": []obj{{"type": "NOT_FOUND", "path": []string{"node"}, "message": "Could not resolve to a node"}}})
		}
		return c.ok(obj{"data": obj{"organization": about, "node": n}})
	case strings.Contains(q.Query, "team(slug:"):
		if c.token.classic && !slices.Contains(c.token.scopes, "admin:org") && !slices.Contains(c.token.scopes, "read:org") {
			return c.ok(obj{"data": nil, "errors": []obj{{"type": "INSUFFICIENT_SCOPES", "message": "Your token has not been granted the required scopes: read:org"}}})
		}
		about["team"] = c.teamOf(q)
		return c.ok(obj{"data": obj{"organization": about}})
	case strings.Contains(q.Query, "repository(owner:"):
		r := c.repositoryOf(q)
		if r == nil {
			return c.missing(obj{"organization": about, "repository": nil}, "repository", q)
		}
		return c.ok(obj{"data": obj{"organization": about, "repository": r}})
	}
	return c.ok(obj{"data": obj{"organization": about}})
}

func (c *call) missing(data obj, what string, q query) error {
	if strings.Contains(q.Query, "repository(owner:") {
		data["repository"] = nil
	}
	return c.ok(obj{"data": data, "errors": []obj{{"type": "NOT_FOUND", "path": []string{what}, "message": "Could not resolve to the " + what}}})
}

// cut is one page of a connection, after a cursor that names the last one seen, so
// that changes meanwhile move nobody over an edge.
func cut(ids []int64, after *string) (part []int64, info obj) {
	if after != nil {
		last, _ := strconv.ParseInt(*after, 10, 64)
		ids = slices.DeleteFunc(ids, func(id int64) bool { return id <= last })
	}
	part = ids[:min(100, len(ids))]
	info = obj{"hasNextPage": len(part) < len(ids), "endCursor": nil}
	if len(part) > 0 {
		info["endCursor"] = strconv.FormatInt(part[len(part)-1], 10)
	}
	return part, info
}

func (c *call) node(id int64) (obj, bool) {
	u, ok := c.s.user(id)
	if !ok {
		return nil, false
	}
	return obj{"login": u["login"], "databaseId": u["id"]}, true
}

func (c *call) teamOf(q query) any {
	t := c.s.teams[q.Variables.Slug]
	if t == nil {
		return nil
	}
	members := maps.Clone(t.members)
	if !strings.Contains(q.Query, "membership: IMMEDIATE") {
		for _, child := range c.s.teams {
			if child.parent == q.Variables.Slug {
				maps.Copy(members, child.members)
			}
		}
	}
	ids, info := cut(slices.Sorted(maps.Keys(members)), q.Variables.After)
	edges := []obj{}
	for _, id := range ids {
		if n, ok := c.node(id); ok {
			edges = append(edges, obj{"role": strings.ToUpper(members[id]), "node": n})
		}
	}
	return obj{"id": fmt.Sprint("T_", t.id), "slug": q.Variables.Slug, "members": obj{"pageInfo": info, "edges": edges}}
}

// nodeOf finds a team or repository by its lasting id; nil: there is none.
func (c *call) nodeOf(id string) any {
	for slug, t := range c.s.teams {
		if id == fmt.Sprint("T_", t.id) {
			return obj{"__typename": "Team", "slug": slug}
		}
	}
	for name, r := range c.s.repos {
		if id == fmt.Sprint("R_", r.id) {
			return obj{"__typename": "Repository", "name": name, "owner": obj{"login": Org}}
		}
	}
	return nil
}

func (c *call) repositoryOf(q query) any {
	name := q.Variables.Name
	if to, ok := c.s.moved[name]; ok {
		name = to
	}
	for have := range c.s.repos {
		if strings.EqualFold(have, name) {
			name = have
		}
	}
	r := c.s.repos[name]
	if r == nil || c.token.classic && !slices.Contains(c.token.scopes, "repo") {
		return nil
	}
	ids, info := cut(slices.Sorted(maps.Keys(r.direct)), q.Variables.After)
	edges := []obj{}
	for _, id := range ids {
		n, ok := c.node(id)
		if !ok {
			continue
		}
		var sources []obj
		if role := r.elsewhere[id]; role != "" {
			sources = append(sources, obj{"roleName": role, "source": obj{"__typename": "Team"}})
		}
		sources = append(sources, obj{"roleName": r.direct[id], "source": obj{"__typename": "Repository"}})
		edges = append(edges, obj{"node": n, "permissionSources": sources})
	}
	return obj{"id": fmt.Sprint("R_", r.id), "name": name, "owner": obj{"login": Org}, "collaborators": obj{"pageInfo": info, "edges": edges}}
}
