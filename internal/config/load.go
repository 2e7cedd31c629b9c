package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/tenure-dev/tenure/schema"
)

// Env looks up an environment variable, as os.LookupEnv does.
type Env func(name string) (value string, set bool)

// Load reads a configuration file. Its error is a [Problems] with everything that
// is wrong, or the reason why the file could not be read.
func Load(path string, env func(string) (string, bool)) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, env)
}

// Parse reads a configuration from memory. Relative paths in it are relative to
// the directory of name; problems name it as their file.
func Parse(name string, data []byte, env Env) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("find the directory of %s: %w", name, err)
	}
	l := &loader{name: name, dir: dir, env: env}
	root := l.document(data)
	if root != nil && root.Kind != yaml.MappingNode {
		l.problem(root, "the file must be a mapping of keys to values")
		root = nil
	}
	c := &Config{}
	if root != nil {
		l.config(c, root)
	}
	if len(l.problems) > 0 {
		return nil, sorted(l.problems)
	}
	c.Warnings = sorted(l.warnings)
	return c, nil
}

type loader struct {
	name, dir string
	env       Env
	problems  Problems
	warnings  Problems
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

// document parses the one YAML document of the file; nil after a problem.
func (l *loader) document(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		l.syntax(err)
		return nil
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			l.syntax(err)
			return nil
		}
		l.problem(&more, "a configuration is one document; remove the second one")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Tag == "!!null" {
		l.problem(nil, "the file is empty; repository, trust, forge and targets are needed")
		return nil
	}
	return doc.Content[0]
}

// syntax reports what the YAML parser said, unless it would repeat a piece of the
// file: an unquoted secret that starts with * reads as an alias.
func (l *loader) syntax(err error) {
	if errors.Is(err, io.EOF) {
		l.problem(nil, "the file is empty; repository, trust, forge and targets are needed")
		return
	}
	line, message := 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = m[2]
	}
	if strings.Contains(message, "anchor") || strings.ContainsAny(message, "`") {
		message = "a value that starts with * or & must stand in quotes"
	}
	l.problems = append(l.problems, schema.Problem{
		Pos:     schema.Pos{File: l.name, Line: line, Column: 1},
		Message: "not valid YAML: " + message,
	})
}

func (l *loader) config(c *Config, root *yaml.Node) {
	s := l.mapping(root, "", "repository", "trust", "forge", "git", "ssh", "poll", "resync", "ledger",
		"reverts", "guard", "targets", "listen", "webhook", "stateDir", "evidence", "notify", "timeouts")
	l.repository(c, s)
	l.trust(c, s)
	l.forge(c, s)
	l.access(c, s)
	l.ledger(c, s)
	l.running(c, s)
	l.targets(c, s)
}

// sub is a section below the top, by name.
func (s *section) sub(key string, known ...string) *section {
	return s.l.mapping(s.values[key], join(s.path, key), known...)
}

// need reports a key that must be given.
func (s *section) need(keys ...string) {
	for _, key := range keys {
		if s.has(key) {
			continue
		}
		s.l.problem(s.node, join(s.path, key)+": is required")
	}
}

func (l *loader) running(c *Config, top *section) {
	c.Poll = top.schedule("poll", DefaultPoll)
	c.Resync = top.schedule("resync", DefaultResync)
	c.StateDir = top.filePath("stateDir", DefaultStateDir)

	s := top.sub("reverts", "group", "merge", "reviewAhead")
	c.Reverts.Group = s.duration("group", DefaultRevertGroup)
	c.Reverts.Merge = s.oneOf("merge", MergeManual, MergeAuto, MergeManual)
	c.Reverts.ReviewAhead = s.duration("reviewAhead", DefaultReviewAhead)

	s = top.sub("guard", "maxRemovals", "maxRemovalRatio")
	c.Guard.MaxRemovals = int(s.number("maxRemovals", DefaultMaxRemovals, 0))
	c.Guard.MaxRemovalRatio = s.ratio("maxRemovalRatio", DefaultMaxRatio)

	s = top.sub("timeouts", "act", "observe")
	c.Timeouts.Act = s.duration("act", DefaultTimeout)
	c.Timeouts.Observe = s.duration("observe", DefaultTimeout)

	s = top.sub("evidence", "file")
	c.Evidence.File = s.filePath("file", "")
	if top.has("evidence") {
		s.need("file")
	}
	l.listener(c, top)
}
