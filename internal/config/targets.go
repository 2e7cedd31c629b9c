package config

import (
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

var targetName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$`)

// pathKeys are settings that end in File and are paths all the same: they are
// handed on as absolute paths, not read.
var pathKeys = map[string]bool{"templateFile": true}

func (l *loader) targets(c *Config, top *section) {
	top.need("targets")
	s := top.sub("targets")
	c.Targets = make(map[string]Target, len(s.values))
	for name, n := range s.values {
		if !targetName.MatchString(name) {
			l.problem(s.keys[name], "targets: "+strconv.Quote(name)+" is not a name; use letters, digits, dots, dashes and underscores")
			continue
		}
		t := l.mapping(n, "targets."+name)
		if n.Kind != yaml.MappingNode {
			continue
		}
		t.need("connector")
		connector := t.word("connector", "")
		delete(t.values, "connector")
		delete(t.keys, "connector")
		c.Targets[name] = Target{Connector: connector, Settings: l.settings(t)}
	}
	if top.has("targets") && len(s.keys) == 0 {
		l.warn(top.place("targets"), "targets: there is none, so nothing can be granted")
	}
}

// settings hands a connector what it decodes itself. A key such as dsnFile becomes
// dsn, read from that file; this holds at every level.
func (l *loader) settings(s *section) map[string]any {
	out := make(map[string]any, len(s.values))
	for key, n := range s.values {
		where := join(s.path, key)
		base, isFile := strings.CutSuffix(key, "File")
		isFile = isFile && base != ""
		if isFile && pathKeys[key] {
			out[key] = s.filePath(key, "")
			continue
		}
		if !isFile {
			out[key] = l.value(n, where)
			continue
		}
		if s.has(base) {
			s.wrong(key, "give either "+base+" or "+key+", not both")
			continue
		}
		if file := s.word(key, ""); file != "" {
			out[base], _ = l.fromFile(n, where, file)
		}
	}
	return out
}

// value decodes text, whole numbers, numbers, booleans, lists and mappings. What
// comes from the environment is text, whatever it looks like.
func (l *loader) value(n *yaml.Node, where string) any {
	switch n.Kind {
	case yaml.MappingNode:
		return l.settings(l.mapping(n, where))
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, item := range n.Content {
			at := where + "[" + strconv.Itoa(i) + "]"
			if item.Kind == yaml.AliasNode || item.Anchor != "" || item.Tag == "!!null" {
				l.problem(item, at+": must be a value written out")
				continue
			}
			list = append(list, l.value(item, at))
		}
		return list
	case yaml.ScalarNode:
		return l.scalar(n, where)
	default:
		l.problem(n, where+": must be a value written out")
		return nil
	}
}

func (l *loader) scalar(n *yaml.Node, where string) any {
	var (
		i   int
		f   float64
		b   bool
		err error
		out any
	)
	switch n.Tag {
	case "!!int":
		err = n.Decode(&i)
		out = i
	case "!!float":
		err = n.Decode(&f)
		out = f
	case "!!bool":
		err = n.Decode(&b)
		out = b
	case "!!str":
		out, _ = l.expand(n, where, n.Value)
		return out
	case "!!timestamp":
		return n.Value // a date is text to a connector
	default:
		l.problem(n, where+": must be text, a number, true or false; put it in quotes")
		return nil
	}
	if err != nil {
		l.problem(n, where+": the number is too large")
	}
	return out
}
