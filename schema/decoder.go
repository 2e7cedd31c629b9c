package schema

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// decoder collects what one file holds and what is wrong with it.
type decoder struct {
	file *File
	doc  int    // index of the document being read
	more int    // problems beyond maxProblems
	wide []byte // the file's bytes, if it has characters of several bytes

	cursor cursor
}

// fieldMark is the place of one value, for problems that are only found once all
// files are known.
type fieldMark struct {
	doc          int32
	line, column int32
	path         string // such as "roles.0.params.namespace"
}

// at returns the place of a field of the file's n-th document, or the nearest
// place above it that is known.
func (f *File) at(n int, path string) Pos {
	best := Pos{File: f.Path}
	length := -1
	for _, m := range f.marks {
		if int(m.doc) == n && len(m.path) > length && within(path, m.path) {
			best.Line, best.Column, length = int(m.line), int(m.column), len(m.path)
		}
	}
	return best
}

// within reports whether path is parent or lies below it.
func within(path, parent string) bool {
	return parent == "" || path == parent ||
		len(path) > len(parent) && path[:len(parent)] == parent && path[len(parent)] == '.'
}

func (d *decoder) mark(n *yaml.Node, path string) {
	p := d.pos(n)
	d.file.marks = append(d.file.marks, fieldMark{int32(d.doc), int32(p.Line), int32(p.Column), path})
}

// pos returns a node's place with its column in bytes.
func (d *decoder) pos(n *yaml.Node) Pos {
	p := Pos{d.file.Path, n.Line, n.Column}
	if d.wide != nil {
		p.Column = d.cursor.column(d.wide, n.Line, n.Column)
	}
	return p
}

func (d *decoder) add(at Pos, message string) {
	if len(d.file.Problems) >= maxProblems-1 {
		d.more++
		return
	}
	d.file.Problems = append(d.file.Problems, Problem{Pos: at, Message: message})
}

// full reports whether further problems are only counted.
func (d *decoder) full() bool { return len(d.file.Problems) >= maxProblems-1 }

func (d *decoder) problem(n *yaml.Node, format string, args ...any) {
	if d.full() {
		d.more++
		return
	}
	d.add(d.pos(n), fmt.Sprintf(format, args...))
}

// finish sorts the problems and says how many were left out.
func (d *decoder) finish() {
	slices.SortFunc(d.file.Problems, Problem.Compare)
	if d.more > 0 {
		d.file.Problems = append(d.file.Problems, Problem{
			Pos:     d.file.Problems[len(d.file.Problems)-1].Pos,
			Message: fmt.Sprintf("and %d more problems in this file; mend the ones above first", d.more),
		})
	}
}

// clean refuses what strict files do not use, wherever it stands below n, and
// characters that an escape brought in. It reports whether n may be read.
func (d *decoder) clean(n *yaml.Node, depth int) bool {
	ok := true
	switch {
	case depth > 4*maxDepth:
		d.problem(n, "lists and mappings are nested too deep; at most %d levels are read", maxDepth)
		return false
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.problem(n, "YAML anchors and aliases (&, *) are not allowed; write the value out")
		return false
	case n.Style&yaml.TaggedStyle != 0:
		d.problem(n, "YAML tags (!) are not allowed; write the plain value")
		return false
	}
	if n.Kind == yaml.ScalarNode {
		for _, r := range n.Value {
			if r == utf8.RuneError {
				d.problem(n, "value contains a character that is not valid Unicode; remove it")
				return false
			}
			if why := forbiddenRune(r); why != "" {
				d.problem(n, "value contains a %s %U; remove it", why, r)
				return false
			}
		}
	}
	for _, child := range n.Content {
		ok = d.clean(child, depth+1) && ok
	}
	return ok
}
