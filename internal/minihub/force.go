package minihub

import "net/http"

// ForceReview puts a review on a pull request that GitHub would have refused, such
// as the author's own approval: what the reconciler must see through even if the
// forge did not. It returns the review's number.
func (h *Hub) ForceReview(fullName string, number int, login, state string) (int64, error) {
	var id int64
	err := h.withPull(fullName, number, func(p *pull) error {
		u, err := h.mustUser(login)
		if err != nil {
			return err
		}
		switch state {
		case Approved, ChangesRequested, Commented, Dismissed:
		default:
			return refuse(http.StatusUnprocessableEntity, "no review has the state %q", state)
		}
		rv := &review{id: h.id(), user: u, state: state, commit: p.headSHA, submittedAt: h.now()}
		p.reviews = append(p.reviews, rv)
		p.updatedAt = h.now()
		h.hooks.review(h, p, rv, "submitted", u)
		id = rv.id
		return nil
	})
	return id, err
}
