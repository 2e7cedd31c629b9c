package scim

import (
	"context"
	"fmt"

	"github.com/tenure-dev/tenure/connectors/rest"
)

// pageSize is how many resources are asked for at once, unless the server gives less.
const pageSize = 500

// server is what a server says of itself (RFC 7643, 5).
type server struct {
	patch, etag, filter bool
	page                int
}

// who asks what the server can do, once. A server without that page is taken to have
// PATCH and filters: it says so itself if it has not.
func (c *connector) who(ctx context.Context) (server, error) {
	c.mu.Lock()
	known := c.server
	c.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	type supported struct {
		Supported  bool `json:"supported"`
		MaxResults int  `json:"maxResults"`
	}
	var said struct{ Patch, Filter, Etag supported }
	_, err := c.rest.Do(ctx, rest.Request{Path: []string{"ServiceProviderConfig"}}, &said)
	s := server{patch: said.Patch.Supported, etag: said.Etag.Supported, filter: said.Filter.Supported, page: pageSize}
	switch {
	case rest.Status(err) == 404 || rest.Status(err) == 501:
		s = server{patch: true, filter: true, page: pageSize}
	case err != nil:
		return server{}, fmt.Errorf("ask the server what it can do: %w", err)
	}
	if n := said.Filter.MaxResults; n > 0 && n < s.page {
		s.page = n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = &s
	return s, nil
}
