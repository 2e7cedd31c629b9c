package minihub

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// paged cuts a list as ?per_page= and ?page= ask, and sets the Link header.
func paged[T any](c *call, list []T) []T {
	size := c.perPage()
	page, err := strconv.Atoi(c.query("page"))
	if err != nil || page < 1 {
		page = 1
	}
	last := max(1, (len(list)+size-1)/size)
	var links []string
	link := func(rel string, n int) {
		q := c.r.URL.Query()
		q.Set("page", strconv.Itoa(n))
		links = append(links, fmt.Sprintf("<%s?%s>; rel=%q", c.self(), q.Encode(), rel))
	}
	if page > 1 {
		link("prev", min(page-1, last))
	}
	if page < last {
		link("next", page+1)
		link("last", last)
	}
	if page > 1 {
		link("first", 1)
	}
	if len(links) > 0 {
		c.header.Set("Link", strings.Join(links, ", "))
	}
	from := min((page-1)*size, len(list))
	return list[from:min(from+size, len(list))]
}

// perPage is 30 unless asked for otherwise, and never more than 100.
func (c *call) perPage() int {
	n, err := strconv.Atoi(c.query("per_page"))
	if err != nil || n < 1 {
		return 30
	}
	return min(n, 100)
}

// self is the address of this call without its query.
func (c *call) self() string { return c.urls.html + c.r.URL.EscapedPath() }

func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return strings.Join(parts, "/")
}

// list replies with one page of a list.
func list[T any](c *call, items []T, render func(T) obj) error {
	out := []obj{}
	for _, item := range paged(c, items) {
		out = append(out, render(item))
	}
	c.reply(http.StatusOK, out)
	return nil
}
