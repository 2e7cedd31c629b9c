package schema

import (
	"cmp"
	"fmt"
	"slices"
)

// placed is a document and where it stands.
type placed[T any] struct {
	file *File
	n    int // index in the file
	doc  T
}

// builder collects a tree and the problems between its files.
type builder struct {
	tree     *Tree
	requests []placed[*AccessRequest]
	roles    []placed[*Role]
	people   []placed[*Person]
	groups   []placed[*Group]
	targets  []placed[*Target]
	policies []placed[*Policy]
	// known holds every name that some file defines, by kind, even where that
	// definition is broken or left out: a reference to it is no second problem.
	known   map[string]map[string]bool
	names   map[string][]string // sorted keys of known, made when first needed
	perFile map[string]int
	terms   map[*Role]*roleTerms
}

// NewTree joins files to a tree. Broken files are left out, and so is the later
// (by path) of two definitions that cannot both hold: of one name, one forge
// identity, or one account on a target. Other problems between files leave the
// documents usable; whoever decides on them denies what cannot be resolved.
// The result does not depend on the order of files.
func NewTree(files []*File) *Tree {
	b := &builder{
		tree: &Tree{
			Requests: map[string]*AccessRequest{}, Roles: map[string]*Role{}, People: map[string]*Person{},
			Groups: map[string]*Group{}, Targets: map[string]*Target{},
		},
		known: map[string]map[string]bool{
			KindRole: {}, KindPerson: {}, KindGroup: {}, KindTarget: {},
		},
		names:   map[string][]string{},
		perFile: map[string]int{},
		terms:   map[*Role]*roleTerms{},
	}
	sorted := slices.Clone(files)
	slices.SortStableFunc(sorted, func(a, c *File) int { return cmp.Compare(a.Path, c.Path) })
	for i, f := range sorted {
		if i > 0 && sorted[i-1].Path == f.Path {
			b.tree.Problems = append(b.tree.Problems, Problem{Pos: Pos{File: shownPath(f.Path)}, Message: "file is given twice; the first is used"})
			continue
		}
		b.tree.Problems = append(b.tree.Problems, f.Problems...)
		b.place(f)
	}
	b.checkPeople()
	b.checkGroups()
	b.tree.index()
	b.checkRoles()
	b.checkRequests()
	b.checkPolicies()
	slices.SortFunc(b.tree.Problems, Problem.Compare)
	return b.tree
}

// place registers the documents of one file under their names.
func (b *builder) place(f *File) {
	broken := f.Broken()
	for n, doc := range f.Docs {
		switch d := doc.(type) {
		case *AccessRequest:
			if !broken {
				b.tree.Requests[f.Path] = d
				b.requests = append(b.requests, placed[*AccessRequest]{f, n, d})
			}
		case *Policy:
			if !broken {
				b.tree.Policies = append(b.tree.Policies, d)
				b.policies = append(b.policies, placed[*Policy]{f, n, d})
			}
		case *Role:
			b.define(f, n, broken, KindRole, d.Name, func() Pos { return posOf(b.tree.Roles, d.Name) }, func() {
				b.tree.Roles[d.Name] = d
				b.roles = append(b.roles, placed[*Role]{f, n, d})
			})
		case *Target:
			b.define(f, n, broken, KindTarget, d.Name, func() Pos { return posOf(b.tree.Targets, d.Name) }, func() {
				b.tree.Targets[d.Name] = d
				b.targets = append(b.targets, placed[*Target]{f, n, d})
			})
		case *Person:
			b.define(f, n, broken, KindPerson, d.Name, func() Pos { return b.subjectPos(d.Name) }, func() {
				b.tree.People[d.Name] = d
				b.people = append(b.people, placed[*Person]{f, n, d})
			})
		case *Group:
			b.define(f, n, broken, KindGroup, d.Name, func() Pos { return b.subjectPos(d.Name) }, func() {
				b.tree.Groups[d.Name] = d
				b.groups = append(b.groups, placed[*Group]{f, n, d})
			})
		}
	}
}

// define enters a document under its name unless the name is taken.
func (b *builder) define(f *File, n int, broken bool, kind, name string, first func() Pos, enter func()) {
	if name == "" {
		return
	}
	b.known[kind][name] = true
	if broken {
		return
	}
	if at := first(); at.File != "" {
		b.problem(f, n, "name", "name %s is taken by %s:%d:%d, which stays in force; %s", show(name), at.File, at.Line, at.Column, uniqueness(kind))
		return
	}
	enter()
}

func uniqueness(kind string) string {
	if kind == KindPerson || kind == KindGroup {
		return "people and groups share one set of names, so choose another"
	}
	return "choose another"
}

// subjectPos returns where a person or group of that name is defined.
func (b *builder) subjectPos(name string) Pos {
	if p := posOf(b.tree.People, name); p.File != "" {
		return p
	}
	return posOf(b.tree.Groups, name)
}

func posOf[T interface{ where() Pos }](m map[string]T, name string) Pos {
	if d, ok := m[name]; ok {
		return d.where()
	}
	return Pos{}
}

func (r *Role) where() Pos   { return r.Pos }
func (p *Person) where() Pos { return p.Pos }
func (g *Group) where() Pos  { return g.Pos }
func (t *Target) where() Pos { return t.Pos }

// room reports whether a file's problems are still listed one by one, and counts.
func (b *builder) room(f *File) bool {
	b.perFile[f.Path]++
	n := b.perFile[f.Path]
	if n == maxProblems {
		b.tree.Problems = append(b.tree.Problems, Problem{Pos: Pos{File: f.Path}, Message: "has further problems; mend those that are listed first"})
	}
	return n < maxProblems
}

func (b *builder) problem(f *File, n int, path, format string, args ...any) {
	if b.room(f) {
		b.tree.Problems = append(b.tree.Problems, Problem{Pos: f.at(n, path), Message: fmt.Sprintf(format, args...)})
	}
}

// resolves reports whether a name is defined under one of the kinds, and makes a
// dangling one a problem of the field at path.
func (b *builder) resolves(f *File, n int, path, name string, kinds ...string) bool {
	if name == "" {
		return false
	}
	for _, kind := range kinds {
		if b.known[kind][name] {
			return true
		}
	}
	if !b.room(f) {
		return false
	}
	what, candidates := "", []string(nil)
	for i, kind := range kinds {
		if b.names[kind] == nil {
			b.names[kind] = sortedKeys(b.known[kind])
		}
		if i > 0 {
			what += " or "
		}
		what += plain[kind]
		candidates = append(candidates, b.names[kind]...)
	}
	slices.Sort(candidates)
	b.tree.Problems = append(b.tree.Problems, Problem{
		Pos:     f.at(n, path),
		Message: fmt.Sprintf("there is no %s %s%s", what, show(name), among("defined", candidates, name)),
	})
	return false
}

// plain names kinds in sentences.
var plain = map[string]string{KindRole: "role", KindPerson: "person", KindGroup: "group", KindTarget: "target"}
