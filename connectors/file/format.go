package file

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// pair is one fact that a file can state: the account is in the group.
type pair struct {
	Group   string `json:"group"`
	Account string `json:"account"`
}

func (p pair) compare(o pair) int {
	return cmp.Or(cmp.Compare(p.Group, o.Group), cmp.Compare(p.Account, o.Account))
}

// format reads and writes one kind of file.
type format interface {
	// check refuses a pair that this kind of file could not state exactly, or that
	// would state something else.
	check(p pair) error
	// parse reads a file's content; nil content is a file that does not exist. st is
	// what is kept beside the file.
	parse(content []byte, st *state) (*document, error)
}

// document is a parsed file.
type document struct {
	ours    map[pair]bool // stated by Tenure's part of the file
	foreign map[pair]int  // stated elsewhere in it, with the line
	render  func(ours []pair) ([]byte, error)
}

// held returns everything that the file states, sorted.
func (d *document) held() []pair {
	all := maps.Clone(d.ours)
	for p := range d.foreign {
		all[p] = true
	}
	return sorted(all)
}

// has reports whether the file states p.
func (d *document) has(p pair) bool {
	_, foreign := d.foreign[p]
	return foreign || d.ours[p]
}

// remove takes p out of Tenure's part. A line that Tenure did not write stays, and
// is an error, because the account keeps what it should lose.
func (d *document) remove(p pair) error {
	delete(d.ours, p)
	if line, ok := d.foreign[p]; ok {
		return fmt.Errorf("line %d, which tenure did not write, still gives it; remove that line by hand", line)
	}
	return nil
}

func (d *document) bytes() ([]byte, error) { return d.render(sorted(d.ours)) }

func sorted(set map[pair]bool) []pair {
	return slices.SortedFunc(maps.Keys(set), pair.compare)
}
