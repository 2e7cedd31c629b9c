package config

import (
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/tenure-dev/tenure/schema"
)

// section is one mapping of the file. Its accessors report what is wrong and
// return the default, so that a load finds every problem.
type section struct {
	l      *loader
	path   string // dotted; empty for the whole file
	node   *yaml.Node
	values map[string]*yaml.Node
	keys   map[string]*yaml.Node
}

// mapping checks that a node is a mapping without duplicate or unknown keys. No
// known keys: any is allowed. A missing node is an empty section.
func (l *loader) mapping(n *yaml.Node, path string, known ...string) *section {
	s := &section{l: l, path: path, node: n, values: map[string]*yaml.Node{}, keys: map[string]*yaml.Node{}}
	if n == nil {
		return s
	}
	if n.Kind != yaml.MappingNode {
		l.problem(n, label(path)+": must be a mapping of keys to values")
		return s
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := key.Value
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge" || key.Tag == "!!null":
			l.problem(key, label(path)+": a key must be plain text")
			continue
		case s.keys[name] != nil:
			l.problem(key, "duplicate key "+strconv.Quote(join(path, name))+"; it is already on line "+strconv.Itoa(s.keys[name].Line))
			continue
		case len(known) > 0 && !contains(known, name):
			l.problem(key, "unknown key "+strconv.Quote(join(path, name))+meant(name, known))
			continue
		}
		s.keys[name] = key
		if value.Kind == yaml.AliasNode || value.Anchor != "" {
			l.problem(value, join(path, name)+": anchors and aliases are not used here; write the value out, and put quotes around a text that starts with & or *")
			continue
		}
		if value.Tag == "!!null" {
			l.problem(value, join(path, name)+": has no value; give it one or leave the key out")
			continue
		}
		s.values[name] = value
	}
	return s
}

func contains(known []string, name string) bool {
	for _, k := range known {
		if k == name {
			return true
		}
	}
	return false
}

func label(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// has reports whether the file gives the key, right or wrong.
func (s *section) has(key string) bool { return s.keys[key] != nil }

// place is the best position for a problem with a key.
func (s *section) place(key string) *yaml.Node {
	if n := s.values[key]; n != nil {
		return n
	}
	if n := s.keys[key]; n != nil {
		return n
	}
	return s.node
}

func (s *section) wrong(key, message string) {
	s.l.problem(s.place(key), join(s.path, key)+": "+message)
}

// text returns a key's text after expansion; ok is false when it is not given or
// wrong.
func (s *section) text(key string) (text string, ok bool) {
	n := s.values[key]
	if n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		s.wrong(key, "must be text; put it in quotes")
		return "", false
	}
	return s.l.expand(n, join(s.path, key), n.Value)
}

// word is text with a default, for what must not be empty.
func (s *section) word(key, def string) string {
	v, ok := s.text(key)
	if !ok {
		return def
	}
	if strings.TrimSpace(v) == "" {
		s.wrong(key, "must not be empty")
		return def
	}
	return v
}

// filePath is a path, made absolute.
func (s *section) filePath(key, def string) string {
	v := s.word(key, def)
	if v == "" {
		return ""
	}
	return s.l.resolve(v)
}

// oneOf is text out of a list.
func (s *section) oneOf(key, def string, allowed ...string) string {
	v := s.word(key, def)
	if v != "" && !contains(allowed, v) {
		hint := "; allowed are " + strings.Join(allowed, ", ")
		if !strings.Contains(s.raw(key), "${") {
			hint = meant(v, allowed) // what came from the environment is not compared aloud
		}
		s.wrong(key, "is not a value that can stand here"+hint)
		return def
	}
	return v
}

func (s *section) raw(key string) string {
	if n := s.values[key]; n != nil {
		return n.Value
	}
	return ""
}

// secret reads key, or the file that keyFile names.
func (s *section) secret(key string) Secret {
	file := key + "File"
	if s.has(key) && s.has(file) {
		s.wrong(file, "give either "+key+" or "+file+", not both")
		return Secret{}
	}
	if s.has(file) {
		path := s.word(file, "")
		if path == "" {
			return Secret{}
		}
		v, ok := s.l.fromFile(s.values[file], join(s.path, file), path)
		if ok && strings.TrimSpace(v) == "" {
			s.wrong(file, "the file is empty")
		}
		return NewSecret(v)
	}
	return NewSecret(s.word(key, ""))
}

// number is a whole number of at least low.
func (s *section) number(key string, def, low int64) int64 {
	text, ok := s.numeral(key, "!!int")
	if !ok {
		return def
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < low {
		s.wrong(key, "must be a whole number of at least "+strconv.FormatInt(low, 10))
		return def
	}
	return v
}

// ratio is a number from 0 to 1.
func (s *section) ratio(key string, def float64) float64 {
	text, ok := s.numeral(key, "!!int", "!!float")
	if !ok {
		return def
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= 1) { // the negation also catches NaN
		s.wrong(key, "must be a number from 0 to 1")
		return def
	}
	return v
}

// numeral is the text of a number; text that names a variable counts as one.
func (s *section) numeral(key string, tags ...string) (string, bool) {
	n := s.values[key]
	switch {
	case n == nil:
		return "", false
	case n.Kind == yaml.ScalarNode && contains(tags, n.Tag):
		return n.Value, true
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str" && strings.Contains(n.Value, "${"):
		return s.text(key)
	}
	s.wrong(key, "must be a number")
	return "", false
}

// duration is longer than nothing.
func (s *section) duration(key string, def time.Duration) time.Duration {
	v, ok := s.text(key)
	if !ok {
		return def
	}
	d, err := schema.ParseDuration(v)
	if err != nil || d <= 0 {
		s.wrong(key, "must be a duration, such as 30s, 5m, 4h or 7d")
		return def
	}
	return d
}

// schedule is a duration or a cron expression.
func (s *section) schedule(key, def string) Schedule {
	v, ok := s.text(key)
	if !ok {
		v = def
	}
	out, err := parseSchedule(v)
	if err != nil {
		s.wrong(key, err.Error())
		out, _ = parseSchedule(def)
	}
	return out
}
