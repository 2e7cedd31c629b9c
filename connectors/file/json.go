package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tenure-dev/tenure/connectors"
)

// jsonFormat is one object, {"group": ["account", ...]}. Any name can stand in it.
type jsonFormat struct{}

func (jsonFormat) check(p pair) error {
	for what, name := range map[string]string{"group": p.Group, "account": p.Account} {
		if err := connectors.CheckName(name); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

var errJSON = errors.New(`the file must hold one JSON object of the form {"group": ["account", ...]}`)

func (jsonFormat) parse(content []byte, _ *state) (*document, error) {
	d := &document{ours: map[pair]bool{}, render: renderJSON(nil)}
	if len(bytes.TrimSpace(content)) == 0 {
		return d, nil
	}
	dec := json.NewDecoder(bytes.NewReader(content))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errJSON
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		group, ok := key.(string)
		if err != nil || !ok {
			return nil, errJSON
		}
		// Readers disagree on which of two equal keys counts.
		if seen[group] {
			return nil, fmt.Errorf("group %+.100q stands twice in the file", group)
		}
		seen[group] = true
		var accounts []*string
		if err := dec.Decode(&accounts); err != nil {
			return nil, errJSON
		}
		for _, a := range accounts {
			if a == nil {
				return nil, errJSON
			}
			d.ours[pair{group, *a}] = true
		}
	}
	if _, err := dec.Token(); err != nil || dec.More() {
		return nil, errJSON
	}
	d.render = renderJSON(seen)
	return d, nil
}

// renderJSON keeps groups that have become empty, or always were.
func renderJSON(groups map[string]bool) func(ours []pair) ([]byte, error) {
	return func(ours []pair) ([]byte, error) {
		m := map[string][]string{}
		for g := range groups {
			m[g] = []string{}
		}
		for _, p := range ours {
			m[p.Group] = append(m[p.Group], p.Account)
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err := e.Encode(m)
		return b.Bytes(), err
	}
}
