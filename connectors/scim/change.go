package scim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors/rest"
)

// perRequest is how many members one request changes.
const perRequest = 100

// change is who is to become a member of a group, and who is to be none any more.
type change struct{ add, remove []string }

func (c change) size() int { return len(c.add) + len(c.remove) }

// split cuts a change into changes of at most n members, those that take away first.
func (c change) split(n int) (parts []change) {
	for part := range slices.Chunk(c.remove, n) {
		parts = append(parts, change{remove: part})
	}
	for part := range slices.Chunk(c.add, n) {
		parts = append(parts, change{add: part})
	}
	return parts
}

// change sends the change. A part that the server refuses is repeated member by member,
// so that one cannot keep back the others; what is refused then is put into failed.
func (c *connector) change(ctx context.Context, id string, ch change, failed map[string]error) error {
	s, err := c.who(ctx)
	if err != nil {
		return err
	}
	send := c.patch
	if !s.patch {
		send = c.put
	}
	for _, part := range ch.split(perRequest) {
		err := send(ctx, id, part)
		if err == nil {
			continue
		}
		if !refusesContent(err) {
			return err
		}
		for _, one := range part.split(1) {
			err := send(ctx, id, one)
			switch {
			case err == nil:
			case !refusesContent(err):
				return err
			default:
				failed[slices.Concat(one.add, one.remove)[0]] = err
			}
		}
	}
	return nil
}

// refusesContent reports whether the server refuses what is asked for, and not us.
func refusesContent(err error) bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, rest.Status(err))
}

// patch names the members that come and go (RFC 7644, 3.5.2), so that those whom
// somebody else adds at the same time stay.
func (c *connector) patch(ctx context.Context, id string, ch change) error {
	type operation struct {
		Op    string   `json:"op"`
		Path  string   `json:"path"`
		Value []member `json:"value,omitempty"`
	}
	var ops []operation
	for _, user := range ch.remove {
		ops = append(ops, operation{Op: "remove", Path: "members[value eq " + rest.Quote(user) + "]"})
	}
	if len(ch.add) > 0 {
		ops = append(ops, operation{Op: "add", Path: "members", Value: membersOf(ch.add)})
	}
	_, err := c.rest.Do(ctx, rest.Request{Method: http.MethodPatch, Path: []string{"Groups", id}, Body: map[string]any{
		"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": ops,
	}}, nil)
	return err
}

// put replaces the group as it was read, and only if nobody changed it since: for
// servers without PATCH. Attributes that are not known here go back as they came.
func (c *connector) put(ctx context.Context, id string, ch change) error {
	for try := 1; ; try++ {
		doc := map[string]json.RawMessage{}
		answer, err := c.rest.Do(ctx, rest.Request{Path: []string{"Groups", id}}, &doc)
		if err != nil {
			return err
		}
		tag := answer.Header.Get("ETag")
		if tag == "" {
			return errors.New("the server has no PATCH and gives no ETag, so that members cannot be changed without undoing somebody else's change")
		}
		key := "members"
		for k := range doc { // names of attributes are without regard to case (RFC 7643, 2.1)
			if strings.EqualFold(k, key) {
				key = k
			}
		}
		var members []json.RawMessage
		if raw, ok := doc[key]; ok {
			if err := json.Unmarshal(raw, &members); err != nil {
				return errors.New("the server's list of members cannot be read")
			}
		}
		kept := make([]any, 0, len(members)+len(ch.add))
		for _, raw := range members {
			var m member
			if err := json.Unmarshal(raw, &m); err != nil {
				return errors.New("the server's list of members cannot be read")
			}
			if !slices.Contains(ch.remove, m.Value) && !slices.Contains(ch.add, m.Value) {
				kept = append(kept, raw)
			}
		}
		for _, m := range membersOf(ch.add) {
			kept = append(kept, m)
		}
		if doc[key], err = json.Marshal(kept); err != nil {
			return err
		}
		delete(doc, "meta") // the server's own
		_, err = c.rest.Do(ctx, rest.Request{
			Method: http.MethodPut, Path: []string{"Groups", id}, Header: http.Header{"If-Match": {tag}}, Body: doc,
		}, nil)
		if rest.Status(err) != http.StatusPreconditionFailed || try == restarts {
			return err
		}
	}
}

func membersOf(ids []string) (list []member) {
	for _, id := range ids {
		list = append(list, member{Value: id})
	}
	return list
}
