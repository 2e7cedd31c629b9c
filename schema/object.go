package schema

import (
	"regexp"
	"slices"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"
)

// object reads one mapping: it knows which keys are allowed and reports those
// that are unknown, double or missing, and values of the wrong type.
type object struct {
	d      *decoder
	node   *yaml.Node
	what   string // for errors: "Role", "schedule"
	prefix string // of marks: "" or "schedule."
	keys   []string
	vals   []*yaml.Node // by index of keys; nil: not there
}

// check says what is wrong with a value, or "".
type check func(string) string

// kindOf names a node's type in the words of the error messages.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	}
	return "text"
}

// pairs calls f for each key and value of a mapping, after checking that keys
// are plain text and stand only once. It reports false if n is no mapping.
func (d *decoder) pairs(n *yaml.Node, what string, f func(key string, k, v *yaml.Node)) bool {
	if n.Kind != yaml.MappingNode {
		d.problem(n, "%s is %s; it must be a mapping of keys to values", what, kindOf(n))
		return false
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			d.problem(k, "a key of %s is %s; keys are plain words", what, kindOf(k))
			continue
		}
		if k.ShortTag() == "!!merge" {
			d.problem(k, "the merge key << is not allowed; write the values out")
			continue
		}
		if first, ok := seen[k.Value]; ok {
			d.problem(k, "key %s stands twice in %s; the first is on line %d; keep one", show(k.Value), what, first)
			continue
		}
		seen[k.Value] = k.Line
		f(k.Value, k, v)
	}
	return true
}

// object reads n as a mapping with the given keys.
func (d *decoder) object(n *yaml.Node, what, prefix string, keys ...string) *object {
	o := &object{d: d, node: n, what: what, prefix: prefix, keys: keys, vals: make([]*yaml.Node, len(keys))}
	ok := d.pairs(n, what, func(key string, k, v *yaml.Node) {
		i := slices.Index(keys, key)
		if i < 0 {
			if !d.full() {
				d.problem(k, "unknown key %s in %s; allowed: %s%s", show(key), what, list(keys), suggest(key, keys))
			} else {
				d.more++
			}
			return
		}
		o.vals[i] = v
		d.mark(v, prefix+key)
	})
	if !ok {
		return nil
	}
	return o
}

// get returns the node of a key, or nil.
func (o *object) get(key string) *yaml.Node {
	if i := slices.Index(o.keys, key); i >= 0 {
		return o.vals[i]
	}
	return nil
}

func (o *object) has(key string) bool { return o.get(key) != nil }

// need reports keys that are missing.
func (o *object) need(keys ...string) {
	for _, key := range keys {
		if !o.has(key) {
			o.d.problem(o.node, "%s has no key %q, which is required", o.what, key)
		}
	}
}

// scalar reads n as text. Times and dates without quotes are text here; numbers
// and booleans are not, because they change when they are read (007, 1e3, no).
func (d *decoder) scalar(n *yaml.Node, what string) (string, bool) {
	if n.Kind == yaml.ScalarNode {
		switch tag := n.ShortTag(); tag {
		case "!!str", "!!timestamp":
			return n.Value, true
		case "!!null":
			d.problem(n, "%s has no value; give it one or leave the key out", what)
			return "", false
		case "!!int", "!!float", "!!bool":
			d.problem(n, "%s is %s; it must be text: put it in quotes, %s", what, kindOf(n), show(n.Value))
			return "", false
		}
	}
	d.problem(n, "%s is %s; it must be text", what, kindOf(n))
	return "", false
}

// text reads n as text that passes wrong. A value that does not is reported and "".
func (d *decoder) text(n *yaml.Node, what string, wrong check) string {
	s, ok := d.scalar(n, what)
	if !ok {
		return ""
	}
	if why := wrong(s); why != "" {
		d.problem(n, "%s %s %s", what, show(s), why)
		return ""
	}
	return s
}

func (o *object) text(key string, wrong check) string {
	n := o.get(key)
	if n == nil {
		return ""
	}
	return o.d.text(n, key, wrong)
}

// choice reads text that must be one of the allowed values.
func (o *object) choice(key string, allowed ...string) string {
	return o.text(key, func(s string) string {
		if slices.Contains(allowed, s) {
			return ""
		}
		return "is not allowed; allowed: " + list(allowed) + suggest(s, allowed)
	})
}

func (o *object) bool(key string, missing bool) bool {
	n := o.get(key)
	if n == nil {
		return missing
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		o.d.problem(n, "%s is %s; it must be true or false, without quotes", key, kindOf(n))
		return missing
	}
	return n.Value == "true" || n.Value == "True" || n.Value == "TRUE"
}

var wholeForm = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,15})$`)

// whole reads n as a whole number within [low, high].
func (d *decoder) whole(n *yaml.Node, what string, low, high int64) int64 {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || !wholeForm.MatchString(n.Value) {
		d.problem(n, "%s is not a whole number; write digits alone, without quotes, from %d to %d", what, low, high)
		return 0
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil || i < low || i > high {
		d.problem(n, "%s is %s; it must be from %d to %d", what, n.Value, low, high)
		return 0
	}
	return i
}

// items calls f for each item of a list. It reports false if n is no list, or
// one with fewer items than least or more than most.
func (d *decoder) items(n *yaml.Node, what, path string, least, most int, f func(item *yaml.Node, path string)) bool {
	if n.Kind != yaml.SequenceNode {
		example := ""
		if n.Kind == yaml.ScalarNode && n.Value != "" && n.ShortTag() != "!!null" {
			example = ", such as [" + show(n.Value) + "]"
		}
		d.problem(n, "%s is %s; it must be a list%s", what, kindOf(n), example)
		return false
	}
	if len(n.Content) < least {
		d.problem(n, "%s is an empty list; it needs at least %d item", what, least)
		return false
	}
	if len(n.Content) > most {
		d.problem(n, "%s has %d items; at most %d are allowed", what, len(n.Content), most)
		return false
	}
	for i, item := range n.Content {
		p := path + "." + strconv.Itoa(i)
		d.mark(item, p)
		f(item, p)
	}
	return true
}

// texts reads a list of distinct texts that pass wrong.
func (o *object) texts(key string, least, most int, wrong check) []string {
	n := o.get(key)
	if n == nil {
		return nil
	}
	return o.d.texts(n, key, o.prefix+key, least, most, wrong)
}

func (d *decoder) texts(n *yaml.Node, what, path string, least, most int, wrong check) []string {
	var out []string
	seen := map[string]bool{}
	d.items(n, what, path, least, most, func(item *yaml.Node, _ string) {
		s := d.text(item, "item of "+what, wrong)
		if s == "" {
			return
		}
		if seen[s] {
			d.problem(item, "%s stands twice in %s; keep one", show(s), what)
			return
		}
		seen[s] = true
		out = append(out, s)
	})
	return out
}

// table reads a mapping of free keys to text.
func (o *object) table(key string, wrongKey, wrongValue check) map[string]string {
	n := o.get(key)
	if n == nil {
		return nil
	}
	out := map[string]string{}
	o.d.pairs(n, key, func(name string, k, v *yaml.Node) {
		if why := wrongKey(name); why != "" {
			o.d.problem(k, "key %s of %s %s", show(name), key, why)
			return
		}
		o.d.mark(v, o.prefix+key+"."+name)
		s, ok := o.d.scalar(v, key+"."+name)
		if !ok {
			return
		}
		if why := wrongValue(s); why != "" {
			o.d.problem(v, "%s.%s %s %s", key, name, show(s), why)
			return
		}
		out[name] = s
	})
	return out
}

func (o *object) duration(key string) time.Duration {
	n := o.get(key)
	if n == nil {
		return 0
	}
	var out time.Duration
	o.d.text(n, key, func(s string) string {
		d, err := ParseDuration(s)
		out = d
		return errorText(err)
	})
	return out
}

func (o *object) time(key string, parse func(string) (time.Time, error)) time.Time {
	n := o.get(key)
	if n == nil {
		return time.Time{}
	}
	var out time.Time
	o.d.text(n, key, func(s string) string {
		t, err := parse(s)
		out = t
		return errorText(err)
	})
	return out
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
