package minihub

import (
	"net/http"
	"strings"
	"time"
)

// The states of reviews, in the API's spelling.
const (
	Approved         = "APPROVED"
	ChangesRequested = "CHANGES_REQUESTED"
	Commented        = "COMMENTED"
	Dismissed        = "DISMISSED"
	Pending          = "PENDING"
)

type review struct {
	id          int64
	user        *user
	state       string
	body        string
	commit      string
	submittedAt time.Time
}

// Review reviews a pull request as an account: event is APPROVE, REQUEST_CHANGES
// or COMMENT. It returns the review's number.
func (h *Hub) Review(fullName string, number int, login, event, body string) (int64, error) {
	var id int64
	err := h.withPull(fullName, number, func(p *pull) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		rv, err := h.review(p, u, event, body, "")
		if err != nil {
			return err
		}
		id = rv.id
		return nil
	})
	return id, err
}

// Approve is Review with APPROVE.
func (h *Hub) Approve(fullName string, number int, login string) error {
	_, err := h.Review(fullName, number, login, "APPROVE", "")
	return err
}

func (h *Hub) review(p *pull, by *user, event, body, commit string) (*review, error) {
	if !p.base.permission(by).atLeast(Read) {
		return nil, notFound()
	}
	states := map[string]string{"": Pending, "APPROVE": Approved, "REQUEST_CHANGES": ChangesRequested, "COMMENT": Commented}
	state, ok := states[event]
	if !ok {
		return nil, unprocessable("Variable $event of type PullRequestReviewEvent was provided invalid value")
	}
	if by == p.author {
		switch state {
		case Approved:
			return nil, unprocessable("Can not approve your own pull request")
		case ChangesRequested:
			return nil, unprocessable("Can not request changes on your own pull request")
		}
	}
	if strings.TrimSpace(body) == "" && (state == ChangesRequested || state == Commented) {
		return nil, unprocessable("Body can't be blank")
	}
	if commit == "" {
		commit = p.headSHA
	}
	rv := &review{id: h.id(), user: by, state: state, body: body, commit: commit}
	if state != Pending {
		rv.submittedAt = h.now()
	}
	p.reviews = append(p.reviews, rv)
	p.updatedAt = h.now()
	h.hooks.review(h, p, rv, "submitted", by)
	return rv, nil
}

func (p *pull) review(id int64) *review {
	for _, rv := range p.reviews {
		if rv.id == id {
			return rv
		}
	}
	return nil
}

// DismissReview dismisses a review as an account.
func (h *Hub) DismissReview(fullName string, number int, reviewID int64, login, message string) error {
	return h.withPull(fullName, number, func(p *pull) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		return h.dismissReview(p, reviewID, u, message)
	})
}

func (h *Hub) dismissReview(p *pull, id int64, by *user, message string) error {
	rv := p.review(id)
	if rv == nil {
		return notFound()
	}
	if !p.base.permission(by).atLeast(Write) {
		return forbidden()
	}
	if strings.TrimSpace(message) == "" {
		return invalid("PullRequestReview", "message", "missing_field", "")
	}
	if rv.state != Approved && rv.state != ChangesRequested {
		return unprocessable("Can not dismiss a " + strings.ToLower(rv.state) + " pull request review")
	}
	h.dismiss(p, rv, by, message)
	return nil
}

func (h *Hub) dismiss(p *pull, rv *review, by *user, message string) {
	was := strings.ToLower(rv.state)
	rv.state = Dismissed
	detail := obj{"state": was, "review_id": rv.id, "dismissal_message": nil}
	if message != "" {
		detail["dismissal_message"] = message
	}
	p.record(h, "review_dismissed", by, "", obj{"dismissed_review": detail})
	h.hooks.review(h, p, rv, "dismissed", by)
}

// RepointReviews does what GitHub was seen to do: old reviews of a pull request
// suddenly name its present head as the commit they were given on. Nothing else
// about them changes.
func (h *Hub) RepointReviews(fullName string, number int) error {
	return h.withPull(fullName, number, func(p *pull) error {
		for _, rv := range p.reviews {
			rv.commit = p.headSHA
		}
		return nil
	})
}

// verdict counts what protection counts: the last deciding review of each account
// with write permission.
func (p *pull) verdict() (approvals int, changesRequested bool) {
	last := map[*user]string{}
	for _, rv := range p.reviews {
		if rv.user.deleted || rv.user == p.author || !p.base.permission(rv.user).atLeast(Write) {
			continue
		}
		switch rv.state {
		case Approved, ChangesRequested:
			last[rv.user] = rv.state
		case Dismissed: // decides nothing, and what that account said before stays superseded
			delete(last, rv.user)
		}
	}
	for _, state := range last {
		switch state {
		case Approved:
			approvals++
		case ChangesRequested:
			changesRequested = true
		}
	}
	return approvals, changesRequested
}

// blocked says what protection still asks of a merge; nil: nothing.
func (h *Hub) blocked(p *pull, by *user) *Refusal {
	prot, ok := p.base.protections[p.baseRef]
	if !ok || (prot.AllowBypass && p.base.permission(by) == Admin) {
		return nil
	}
	approvals, changes := p.verdict()
	if changes && prot.Approvals > 0 {
		return refuse(http.StatusMethodNotAllowed, "Changes must be made before this pull request can be merged: a reviewer with write access requested changes.")
	}
	if missing := prot.Approvals - approvals; missing > 0 {
		noun := "review is"
		if prot.Approvals > 1 {
			noun = "reviews are"
		}
		return refuse(http.StatusMethodNotAllowed, "At least %d approving %s required by reviewers with write access.", prot.Approvals, noun)
	}
	for _, name := range prot.RequireStatuses {
		if h.statusState(p.base, p.headSHA, name) != "success" {
			return refuse(http.StatusMethodNotAllowed, "Required status check %q is expected.", name)
		}
	}
	return nil
}
