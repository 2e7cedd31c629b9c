package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Webhook wakes the reconciler when the forge shows that it knows the shared
// secret. The body is not even parsed, and the header that names the event, which no
// forge signs, chooses only where to look: what happened is read from the forge. A
// delivery that is replayed, delayed or made up can therefore only cause a look.
type Webhook struct {
	Forge  string // whose headers count: "github", "gitea" or "gitlab"; others prove nothing
	Secret string // not empty
	Branch func() // looks at the watched branch; must not block
	Pulls  func() // looks at open pull requests and their reviews; must not block

	branch, pulls throttle
}

// maxWebhook is the largest body that is read, in bytes: the most that GitHub sends.
const maxWebhook = 25 << 20

// dialect is how a forge proves that a delivery is its own, and names its event.
type dialect struct {
	proof  string // header with the signature or, for a password, the secret itself
	prefix string // before the hexadecimal HMAC-SHA256 of the body
	event  string // header
	signed bool   // false: proof is a password and says nothing of the body
}

func dialectOf(forge string) (dialect, bool) {
	switch forge {
	case "github":
		return dialect{proof: "X-Hub-Signature-256", prefix: "sha256=", event: "X-GitHub-Event", signed: true}, true
	case "gitea":
		return dialect{proof: "X-Gitea-Signature", event: "X-Gitea-Event", signed: true}, true
	case "gitlab":
		return dialect{proof: "X-Gitlab-Token", event: "X-Gitlab-Event"}, true
	}
	return dialect{}, false
}

func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d, known := dialectOf(h.Forge)
	if !known || h.Secret == "" {
		plain(w, http.StatusUnauthorized, "not signed\n")
		return
	}
	if status, why := d.check(w, r, h.Secret); status != http.StatusOK {
		plain(w, status, why)
		return
	}
	branch, pulls := concerns(r.Header.Get(d.event))
	if branch {
		h.branch.call(h.Branch)
	}
	if pulls {
		h.pulls.call(h.Pulls)
	}
	plain(w, http.StatusAccepted, "ok\n")
}

// check reports whether the delivery proves the secret. The body of a password's
// delivery is not read.
func (d dialect) check(w http.ResponseWriter, r *http.Request, secret string) (status int, why string) {
	proofs := r.Header.Values(d.proof)
	if len(proofs) != 1 { // of two, others on the way may have checked the other one
		return http.StatusUnauthorized, "not signed\n"
	}
	if !d.signed {
		// Hashes are of one length, so that the comparison does not tell the secret's.
		given, want := sha256.Sum256([]byte(proofs[0])), sha256.Sum256([]byte(secret))
		if subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
			return http.StatusUnauthorized, "wrong token\n"
		}
		return http.StatusOK, ""
	}
	text, ok := strings.CutPrefix(proofs[0], d.prefix)
	given, err := hex.DecodeString(text)
	if !ok || err != nil || len(given) != sha256.Size {
		return http.StatusUnauthorized, "not signed\n"
	}
	mac := hmac.New(sha256.New, []byte(secret))
	if _, err := io.Copy(mac, http.MaxBytesReader(w, r.Body, maxWebhook)); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return http.StatusRequestEntityTooLarge, "too large\n"
		}
		return http.StatusBadRequest, "body could not be read\n"
	}
	if !hmac.Equal(given, mac.Sum(nil)) {
		return http.StatusUnauthorized, "wrong signature\n"
	}
	return http.StatusOK, ""
}

// concerns says where to look after an event, by the names that GitHub, Gitea and
// GitLab give it. What is not known concerns nothing here.
func concerns(event string) (branch, pulls bool) {
	switch event {
	case "push", "Push Hook":
		return true, false
	case "pull_request", "Merge Request Hook", // opened, pushed to, closed, or merged
		"ping": // somebody tries whether it works
		return true, true
	case "pull_request_review", "pull_request_approved", "pull_request_rejected":
		return false, true
	}
	return false, false
}
