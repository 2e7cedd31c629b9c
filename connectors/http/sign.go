package http

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// The headers of a request; an answer has the signature only.
const (
	headerTime      = "Tenure-Time"
	headerSignature = "Tenure-Signature"
)

// signRequest covers all that the receiver acts on. The time is in Unix seconds; the
// id inside the body is what makes every request another one.
func signRequest(key []byte, method, path string, at time.Time, body []byte) string {
	return sign(key, "request", method, path, strconv.FormatInt(at.Unix(), 10), string(body))
}

// signAnswer covers the request's signature, so that an answer to one request cannot
// be shown for another.
func signAnswer(key []byte, requestSignature string, body []byte) string {
	return sign(key, "answer", requestSignature, string(body))
}

func sign(key []byte, parts ...string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(mac.Sum(nil))
}
