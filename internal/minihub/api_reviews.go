package minihub

import (
	"net/http"
	"strconv"
)

func listReviews(c *call) error {
	p, err := c.pull(Read)
	if err != nil {
		return err
	}
	var shown []*review
	for _, rv := range p.reviews {
		if rv.state != Pending || rv.user == c.user {
			shown = append(shown, rv)
		}
	}
	return list(c, shown, func(rv *review) obj { return c.urls.review(p, rv) })
}

func createReview(c *call) error {
	p, err := c.writer()
	if err != nil {
		return err
	}
	var in struct {
		Event, Body string
		Commit      string `json:"commit_id"`
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	if in.Commit != "" && in.Commit != p.headSHA {
		commits, err := c.hub.commits(c.ctx(), p)
		if err != nil {
			return err
		}
		known := false
		for _, s := range commits {
			known = known || s == in.Commit
		}
		if !known {
			return unprocessable("Commit OID is not part of the pull request")
		}
	}
	rv, err := c.hub.review(p, c.user, in.Event, in.Body, in.Commit)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, c.urls.review(p, rv))
	return nil
}

func (c *call) reviewID() int64 {
	id, err := strconv.ParseInt(c.params["review_id"], 10, 64)
	if err != nil {
		return 0
	}
	return id
}

func getReview(c *call) error {
	p, err := c.pull(Read)
	if err != nil {
		return err
	}
	rv := p.review(c.reviewID())
	if rv == nil {
		return notFound()
	}
	c.reply(http.StatusOK, c.urls.review(p, rv))
	return nil
}

func dismissReview(c *call) error {
	p, err := c.writer()
	if err != nil {
		return err
	}
	var in struct{ Message string }
	if err := c.decode(&in); err != nil {
		return err
	}
	if err := c.hub.dismissReview(p, c.reviewID(), c.user, in.Message); err != nil {
		return err
	}
	c.reply(http.StatusOK, c.urls.review(p, p.review(c.reviewID())))
	return nil
}
