package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Webhook wakes the reconciler when the forge signs a request with the shared
// secret. The body is not even parsed: what happened is read from the forge.
type Webhook struct {
	Secret string // not empty
	Wake   func() // must not block
}

// maxWebhook is the largest body that GitHub sends, in bytes.
const maxWebhook = 25 << 20

func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256="))
	if err != nil || len(given) != sha256.Size || h.Secret == "" {
		plain(w, http.StatusUnauthorized, "not signed\n")
		return
	}
	mac := hmac.New(sha256.New, []byte(h.Secret))
	if _, err := io.Copy(mac, http.MaxBytesReader(w, r.Body, maxWebhook)); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			plain(w, http.StatusRequestEntityTooLarge, "too large\n")
			return
		}
		plain(w, http.StatusBadRequest, "body could not be read\n")
		return
	}
	if !hmac.Equal(given, mac.Sum(nil)) {
		plain(w, http.StatusUnauthorized, "wrong signature\n")
		return
	}
	h.Wake()
	plain(w, http.StatusAccepted, "ok\n")
}
