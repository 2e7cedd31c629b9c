package github

import "context"

const nodeQuery = `query ($org: String!, $id: ID!) {
  organization(login: $org) { login viewerCanAdminister }
  node(id: $id) {
    __typename
    ... on Team { slug }
    ... on Repository { name owner { login } }
  }
}`

// node is a team or repository by the id that stays.
type node struct {
	Slug  string `json:"slug"` // of a team
	Name  string `json:"name"` // of a repository
	Owner struct {
		Login string `json:"login"`
	} `json:"owner"`
}

// node is what the team or repository with an id is called now; nil: it is gone.
func (c *connector) node(ctx context.Context, e entitlement, id string) (*node, error) {
	var a struct {
		Organization *about `json:"organization"`
		Node         *node  `json:"node"`
	}
	head, err := c.query(ctx, nodeQuery, map[string]any{"org": c.set.Organization, "id": id}, &a)
	if err == nil {
		err = c.found(a.Organization)
	}
	switch {
	case err != nil:
		return nil, err
	case a.Node == nil && e.kind == kindTeam:
		return nil, c.seesTeams(a.Organization, e.name)
	case a.Node == nil:
		return nil, c.seesRepositories(ctx, a.Organization, head, e.name)
	case e.kind == kindTeam && checkSlug(a.Node.Slug) == nil, e.kind == kindRepository && checkRepository(a.Node.Name) == nil:
		return a.Node, nil
	}
	return nil, errUnseen(e.kind, e.name, "GitHub does not say what it is called now")
}
