package gitlab

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// maxProjects bounds of how many projects the events are kept: the own one, and
// the forks that were asked from last.
const maxProjects = 4

// pushEvent is a push to one branch, as GitLab recorded it.
type pushEvent struct {
	id            int64
	at            time.Time
	author        gl.BasicUser
	branch        string
	action        string // created, pushed or removed
	before, after string // empty: there was no branch
}

// eventList is the record of pushes to all branches of a project, newest first.
type eventList struct {
	events []pushEvent
	used   int64
}

// eventCache keeps the records that were read whole. GitLab cannot be asked for
// one branch, and without the cache every introduction would cost all pages.
type eventCache struct {
	mu       sync.Mutex
	projects map[string]*eventList
	clock    int64
}

func (c *eventCache) get(project string) []pushEvent {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.projects[project]; l != nil {
		return l.events
	}
	return nil
}

func (c *eventCache) put(project string, events []pushEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	c.projects[project] = &eventList{events: events, used: c.clock}
	for len(c.projects) > maxProjects {
		oldest := ""
		for name, l := range c.projects {
			if oldest == "" || l.used < c.projects[oldest].used {
				oldest = name
			}
		}
		delete(c.projects, oldest)
	}
}

// events returns the record of pushes of a project, newest first, and GitLab's own
// time when it was read.
func (g *Client) events(ctx context.Context, project string) ([]pushEvent, time.Time, error) {
	what := "push record of " + project
	known := g.record.get(project)
	byID := make(map[int64]pushEvent, len(known))
	for _, e := range known {
		byID[e.id] = e
	}
	var now time.Time
	var bad error
	fresh := map[int64]pushEvent{}
	met := false // what is known already, far enough back
	action, desc := gl.PushedEventType, "desc"
	err := pages(ctx, g, what, func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]*gl.ProjectEvent, *gl.Response, error) {
		page, resp, err := g.api.Events.ListProjectVisibleEvents(project, &gl.ListProjectVisibleEventsOptions{ListOptions: o, Action: &action, Sort: &desc}, with...)
		if err == nil && now.IsZero() {
			now, bad = http.ParseTime(resp.Header.Get("Date"))
		}
		return page, resp, err
	}, func(page []*gl.ProjectEvent) bool {
		for _, raw := range page {
			e, err := push(raw)
			if err != nil {
				bad = err
				return false
			}
			fresh[e.id] = e
			if _, old := byID[e.id]; old && e.at.Before(known[0].at.Add(-overlap)) {
				met = true
			}
		}
		return !met && bad == nil
	})
	switch {
	case err != nil:
		return nil, now, err
	case bad != nil:
		return nil, now, fmt.Errorf("gitlab: %s: %w: an answer has no time that can be read", what, forge.ErrUnavailable)
	}
	if met {
		for id, e := range byID {
			fresh[id] = e
		}
	}
	list := make([]pushEvent, 0, len(fresh))
	for _, e := range fresh {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b pushEvent) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(b.id, a.id)) })
	g.record.put(project, list)
	return list, now.UTC(), nil
}

// push reads an event. One that names no branch, as of a tag or of more branches
// at once than GitLab lists, has none here.
func push(e *gl.ProjectEvent) (pushEvent, error) {
	at, err := time.Parse(time.RFC3339, e.CreatedAt)
	p := pushEvent{id: e.ID, at: at.UTC(), author: e.Author, action: e.PushData.Action, before: e.PushData.CommitFrom, after: e.PushData.CommitTo}
	if e.PushData.RefType == "branch" {
		p.branch = e.PushData.Ref
	}
	return p, err
}
