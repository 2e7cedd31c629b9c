package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// refusal is an answer that is not the one asked for.
type refusal struct {
	status  int
	code    string // the server's word for it, such as AuthorizationFailed
	message string // the server's sentence for people
}

// refusalOf reads an error in the form that the Resource Manager and Graph share. One in
// another form (of a proxy, say) means nothing but its number.
func refusalOf(status int, body []byte) error {
	var doc struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	no := &refusal{status: status}
	if json.Unmarshal(body, &doc) == nil {
		no.code, no.message = doc.Error.Code, doc.Error.Message
	}
	return no
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("the server answers %d", r.status)
	if r.code != "" {
		text += fmt.Sprintf(" %+.80q", r.code)
	}
	if r.message != "" {
		text += fmt.Sprintf(": %+.300q", r.message)
	}
	switch {
	case r.code == "":
	case r.code == "ScopeLocked":
		text += " (a lock of Azure forbids it; remove the lock)"
	case r.status == http.StatusUnauthorized:
		text += " (the server does not take the reconciler's token)"
	case r.status == http.StatusForbidden:
		text += " (the reconciler's application lacks a right; doctor names it)"
	}
	return text
}

// is reports whether err is a refusal with one of the codes.
func is(err error, codes ...string) bool {
	var no *refusal
	return errors.As(err, &no) && slices.Contains(codes, no.code)
}

// gone reports whether it is the server's own word for a resource group, a resource or an
// object of the directory that does not exist. A subscription that is not found is not
// among them: the reconciler may just be cut off from it.
func gone(err error) bool {
	var no *refusal
	return errors.As(err, &no) && no.status == http.StatusNotFound &&
		slices.Contains([]string{"ResourceGroupNotFound", "ResourceNotFound", "ParentResourceNotFound", "RoleAssignmentNotFound", "Request_ResourceNotFound"}, no.code)
}

// clash reports whether two writers met, so that another try may do.
func clash(err error) bool {
	var no *refusal
	return errors.As(err, &no) && (no.status == http.StatusConflict || no.status == http.StatusPreconditionFailed) &&
		!slices.Contains([]string{"", "RoleAssignmentExists", "RoleAssignmentUpdateNotPermitted", "ScopeLocked"}, no.code)
}

// attempts of a write that is repeated because of what the server says.
const attempts = 7

// again repeats f while it fails in a way that passes: 0.2 s, 0.4 s and so on, about
// 13 seconds in all.
func again(ctx context.Context, passes func(error) bool, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || try == attempts || !passes(err) {
			return err
		}
		wait := 200 * time.Millisecond << (try - 1)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}
