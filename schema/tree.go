package schema

import (
	"cmp"
	"fmt"
)

// Problem is one thing that is wrong with a tree.
type Problem struct {
	Pos     Pos    `json:"pos"`
	Message string `json:"message"`           // what is wrong; what is allowed
	Warning bool   `json:"warning,omitempty"` // true: the document is still used
}

// Error prints the problem as file:line:column: message.
func (p Problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.Pos.File, p.Pos.Line, p.Pos.Column, p.Message)
}

// Compare orders problems by place, then message.
func (p Problem) Compare(o Problem) int {
	return cmp.Or(
		cmp.Compare(p.Pos.File, o.Pos.File),
		cmp.Compare(p.Pos.Line, o.Pos.Line),
		cmp.Compare(p.Pos.Column, o.Pos.Column),
		cmp.Compare(p.Message, o.Message),
	)
}

// File is one parsed file: its documents, in the order in which they stand, and
// what is wrong with it. Files are immutable and may be shared between trees.
type File struct {
	Path     string
	Docs     []any // *AccessRequest, *Role, *Person, *Group, *Target or *Policy
	Problems []Problem

	marks []fieldMark // places of values, for problems between files
}

// Broken reports whether the file has a problem that is not a warning. The
// documents of a broken file are not used.
func (f *File) Broken() bool {
	for _, p := range f.Problems {
		if !p.Warning {
			return true
		}
	}
	return false
}

// Tree is the state of an access repository at one commit: its well-formed
// documents by name. It is built by [NewTree] and not changed afterwards.
type Tree struct {
	Requests map[string]*AccessRequest // by path
	Roles    map[string]*Role
	People   map[string]*Person
	Groups   map[string]*Group
	Targets  map[string]*Target
	Policies []*Policy // by path
	Problems []Problem // sorted; of all files, and of names and references between them

	members map[string][]string  // of groups: people, expanded and sorted; nil: not computed
	byForge map[forgeKey]*Person // nil: not computed
}

// forgeKey is what a person is matched by on a forge.
type forgeKey struct {
	forge string
	id    int64
}
