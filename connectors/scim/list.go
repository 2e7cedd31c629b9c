package scim

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/tenure-dev/tenure/connectors/rest"
)

// user and groupDoc are what is needed of the resources of RFC 7643, 4.
type user struct {
	ID       string `json:"id"`
	UserName string `json:"userName"`
}

type groupDoc struct {
	ID          string   `json:"id"`
	DisplayName string   `json:"displayName"`
	Members     []member `json:"members"`
}

type member struct {
	Value string `json:"value"`
	Type  string `json:"type,omitempty"`
	Ref   string `json:"$ref,omitempty"`
}

func (u user) id() string     { return u.ID }
func (g groupDoc) id() string { return g.ID }

// errChanged says that the list changed while it was read.
var errChanged = errors.New("the list on the server changes while it is read")

// restarts is how often a list is begun again because of that.
const restarts = 5

// list is a question for resources of one type.
type list struct {
	resource string // Users or Groups
	filter   string // "": all
	only     string // attributes to ask for; servers may give more
	without  string // attributes not to ask for
	// enough ends the reading after the first page, given how many resources there are
	// in all and on it; the answer is then the first page only.
	enough func(total, page int) bool
}

// read returns all resources that answer the question, each once, or an error: a page
// that is missing, repeated or not counted is never taken for the end.
func read[T interface{ id() string }](ctx context.Context, c *connector, l list) ([]T, error) {
	s, err := c.who(ctx)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		out, err := pages[T](ctx, c, l, s.page)
		if err == nil || try == restarts || !errors.Is(err, errChanged) {
			return out, err
		}
	}
}

func pages[T interface{ id() string }](ctx context.Context, c *connector, l list, size int) ([]T, error) {
	var out []T
	seen := map[string]bool{}
	total := -1
	for {
		q := url.Values{"startIndex": {strconv.Itoa(len(out) + 1)}, "count": {strconv.Itoa(size)}}
		for key, value := range map[string]string{"filter": l.filter, "attributes": l.only, "excludedAttributes": l.without} {
			if value != "" {
				q.Set(key, value)
			}
		}
		var page struct {
			TotalResults *int
			StartIndex   int
			Resources    []T
		}
		if _, err := c.rest.Do(ctx, rest.Request{Path: []string{l.resource}, Query: q}, &page); err != nil {
			return nil, err
		}
		switch {
		case page.TotalResults == nil || *page.TotalResults < 0:
			return nil, fmt.Errorf("the list of %s has no totalResults, so that nobody knows where it ends", l.resource)
		case total >= 0 && *page.TotalResults != total:
			return nil, fmt.Errorf("%s: %w", l.resource, errChanged)
		case page.StartIndex != 0 && page.StartIndex != len(out)+1 && len(page.Resources) > 0:
			return nil, fmt.Errorf("the list of %s was asked for from %d and begins at %d", l.resource, len(out)+1, page.StartIndex)
		}
		total = *page.TotalResults
		for _, r := range page.Resources {
			switch {
			case r.id() == "":
				return nil, fmt.Errorf("the list of %s has an entry without an id", l.resource)
			case seen[r.id()]:
				return nil, fmt.Errorf("%s %q is there twice: %w", l.resource, r.id(), errChanged)
			}
			seen[r.id()] = true
			out = append(out, r)
		}
		switch {
		case len(out) == total:
			return out, nil
		case len(out) > total:
			return nil, fmt.Errorf("the list of %s has more entries than its totalResults: %w", l.resource, errChanged)
		case len(page.Resources) == 0:
			return nil, fmt.Errorf("the list of %s ends after %d of %d: %w", l.resource, len(out), total, errChanged)
		case l.enough != nil && l.enough(total, len(page.Resources)):
			return out, nil
		}
	}
}

// matching asks by a filter for resources whose attribute has a value. A server that
// takes no filters, or not this one, is asked for all. Callers compare again.
func matching[T interface{ id() string }](ctx context.Context, c *connector, l list, attribute, value string) ([]T, error) {
	s, err := c.who(ctx)
	if err != nil {
		return nil, err
	}
	if s.filter {
		l.filter = attribute + " eq " + rest.Quote(value)
		found, err := read[T](ctx, c, l)
		if err == nil || !refusesFilter(err) {
			return found, err
		}
		l.filter = ""
	}
	return read[T](ctx, c, l)
}

// refusesFilter reports whether the server cannot take a filter as such.
func refusesFilter(err error) bool {
	return rest.Status(err) == 400 || rest.Status(err) == 501
}

// alive is an error unless the server lists resources: a gateway may say that something
// is not there while the server is down.
func (c *connector) alive(ctx context.Context, resource string) error {
	var page struct{ TotalResults *int }
	q := url.Values{"startIndex": {"1"}, "count": {"1"}}
	_, err := c.rest.Do(ctx, rest.Request{Path: []string{resource}, Query: q}, &page)
	if err == nil && page.TotalResults == nil {
		err = errors.New("its list has no totalResults")
	}
	if err != nil {
		return fmt.Errorf("something of %s is not there, and whether the server itself says so is not known: %w", resource, err)
	}
	return nil
}
