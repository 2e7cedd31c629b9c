package aws

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
)

// genuine is a way to AWS that takes no good answer of anybody else for AWS's: the SDK
// reads the page of a proxy that wants a login as an empty list.
type genuine struct{ http.RoundTripper }

var errStranger = errors.New("the answer is not one of AWS; is there a proxy on the way?")

func (g genuine) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := g.RoundTripper.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		return answer, err
	}
	body := bufio.NewReader(answer.Body)
	start, err := body.Peek(1)
	if err == io.EOF {
		err = nil
	}
	if err != nil || !begins(answer.Header.Get("Content-Type"), r.Header.Get("X-Amz-Target"), start) {
		_ = answer.Body.Close()
		return nil, errors.Join(errStranger, err)
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{body, answer.Body}
	return answer, nil
}

// begins reports whether a body begins like an answer to such a call: calls of the one
// protocol name their target and are answered in JSON, the others in XML. Only an answer
// in JSON to a call that asks for nothing may be empty.
func begins(kind, target string, start []byte) bool {
	if target == "" {
		return string(start) == "<" && strings.Contains(kind, "xml")
	}
	call := target[strings.LastIndex(target, ".")+1:]
	asks := strings.HasPrefix(call, "List") || strings.HasPrefix(call, "Get") || strings.HasPrefix(call, "Describe")
	return string(start) == "{" || len(start) == 0 && !asks
}

// CloseIdleConnections lets the client close those of the way.
func (g genuine) CloseIdleConnections() {
	if c, ok := g.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
