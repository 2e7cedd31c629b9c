package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
)

// provider is a small server with the habits of others that the real one here does not
// have. It speaks just enough SCIM for one group, ops, and its people.
type provider struct {
	mu      sync.Mutex
	config  string          // ServiceProviderConfig; "": not found
	people  []string        // userName; the id is u- and the name
	members map[string]bool // ids
	key     string          // how the attribute members is written
	version int
	writes  int

	answer func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	list   func(start, count int) (from int, names []string, total int)
	shown  func(ids []string) []member // how members are shown
}

const everything = `{"patch": {"supported": true}, "filter": {"supported": true, "maxResults": 2}, "etag": {"supported": true}}`

func (p *provider) start(t testing.TB) connectors.Settings {
	if p.members == nil {
		p.members = map[string]bool{}
	}
	if p.key == "" {
		p.key = "members"
	}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	return connectors.Settings{"url": srv.URL, "token": writer}
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answer != nil && p.answer(w, r) {
		return
	}
	reply := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); {
	case parts[0] == "ServiceProviderConfig" && p.config != "":
		fmt.Fprint(w, p.config)
	case r.URL.Path == "/Users":
		p.users(w, r)
	case parts[0] == "Users" && slices.Contains(p.people, strings.TrimPrefix(parts[1], "u-")):
		reply(user{parts[1], strings.TrimPrefix(parts[1], "u-")})
	case r.URL.Path == "/Groups":
		reply(map[string]any{"totalResults": 1, "Resources": []groupDoc{{ID: "g", DisplayName: "ops"}}})
	case r.URL.Path == "/Groups/g":
		p.group(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404"}`)
	}
}

func (p *provider) users(w http.ResponseWriter, r *http.Request) {
	start, _ := strconv.Atoi(r.URL.Query().Get("startIndex"))
	count, _ := strconv.Atoi(r.URL.Query().Get("count"))
	names := p.people
	if f := r.URL.Query().Get("filter"); f != "" {
		names = nil
		for _, name := range p.people {
			if strings.EqualFold(f, `userName eq "`+name+`"`) { // as RFC 7643 says of userName
				names = append(names, name)
			}
		}
	}
	from, total := start, len(names)
	if p.list != nil && r.URL.Query().Get("filter") == "" {
		from, names, total = p.list(start, count)
	} else {
		names = names[min(start-1, total):min(start-1+count, total)]
	}
	list := []user{}
	for _, name := range names {
		list = append(list, user{"u-" + name, name})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"totalResults": total, "startIndex": from, "Resources": list})
}

func (p *provider) group(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		var fields map[string]json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&fields)
		var doc struct {
			Members []member
			Color   string
		}
		_ = json.Unmarshal(fields["color"], &doc.Color)
		_ = json.Unmarshal(fields[p.key], &doc.Members)
		if r.Header.Get("If-Match") != fmt.Sprintf(`W/"%d"`, p.version) {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		if doc.Color != "red" { // what is not known is lost
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.members = map[string]bool{}
		for _, m := range doc.Members {
			p.members[m.Value] = true
		}
		p.writes++
		p.version++
	}
	if r.Method == http.MethodPatch {
		var doc struct {
			Operations []struct {
				Op, Path string
				Value    []member
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&doc)
		for _, op := range doc.Operations {
			for _, m := range op.Value {
				p.members[m.Value] = true
			}
			if op.Op == "remove" {
				delete(p.members, strings.TrimSuffix(strings.TrimPrefix(op.Path, `members[value eq "`), `"]`))
			}
		}
		p.writes++
		p.version++
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var ids []string
	for id := range p.members {
		ids = append(ids, id)
	}
	list := membersOf(ids)
	if p.shown != nil {
		list = p.shown(ids)
	}
	w.Header().Set("ETag", fmt.Sprintf(`W/"%d"`, p.version))
	_ = json.NewEncoder(w).Encode(map[string]any{"id": "g", "displayName": "ops", "color": "red", p.key: list, "meta": map[string]any{"version": "x"}})
}

// crowd is more people than are looked up one by one.
func crowd(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("p%03d", i))
	}
	return names
}
