package minihub_test

import (
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tenure-dev/tenure/internal/minihub"
)

func TestManyClientsAtOnce(t *testing.T) {
	w := newWorld(t)
	n := w.open("alice", "topic")
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error { return w.hub.Comment(repoName, n, "bob", fmt.Sprint(i)) })
		g.Go(func() error { return tryGet(t.Context(), w, fmt.Sprintf("%s/pulls/%d", rp, n)) })
		g.Go(func() error {
			_, err := w.hub.Push(repoName, minihub.Commit{Branch: fmt.Sprintf("b%d", i), By: "carol", Write: map[string]string{"f": "1"}})
			return err
		})
		g.Go(func() error { w.hub.Requests(); return w.hub.RepointReviews(repoName, n) })
	}
	w.must(g.Wait())
	comments := w.as("bob").list(fmt.Sprintf("%s/issues/%d/comments", rp, n))
	if len(comments) != 8 || len(w.as("bob").list(rp+"/branches")) != 10 {
		t.Errorf("%d comments", len(comments))
	}
}
