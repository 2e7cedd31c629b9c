package intake

import (
	"maps"
	"slices"

	"github.com/tenure-dev/tenure/internal/source"
	"github.com/tenure-dev/tenure/schema"
)

// stand notes what stands on the branch at a path, trusted or not. A broken file
// says nothing: what stood there before still counts.
func (in *Intake) stand(v *view, path string, e source.Entry) {
	f := in.files.entry(e)
	v.files[path] = e.Blob
	switch {
	case f.Broken():
	case requestOf(f) != nil:
		delete(v.branch, path)
	default:
		v.branch[path] = e.Blob
	}
}

// readBranch finds out what stands on the branch at the accepted head. A broken
// file there leaves what is trusted: nothing is taken away by what cannot be read.
func (in *Intake) readBranch(v *view) error {
	v.branch, v.files = maps.Clone(v.config), map[string]string{}
	entries, err := in.cfg.Source.Files(v.head)
	if err != nil {
		return nil // the copy is being made anew; it takes nothing away meanwhile
	}
	there := map[string]bool{}
	for _, e := range entries {
		if schema.IsDocument(e.Path) {
			there[e.Path] = true
			in.stand(v, e.Path, e)
		}
	}
	maps.DeleteFunc(v.branch, func(path, _ string) bool { return !there[path] })
	return in.files.failed()
}

// branchTree is the tree of what stands on the branch; nil when it is what is in
// force. A file that defines a name of another one is left out: it cannot speak
// for it.
func (in *Intake) branchTree(v *view) (*schema.Tree, error) {
	if maps.Equal(v.branch, v.config) {
		return nil, nil
	}
	files := maps.Clone(v.branch)
	changed := map[string]*schema.File{}
	for path, blob := range v.branch {
		if v.config[path] != blob {
			changed[path] = in.files.get(path, blob)
		}
	}
	claims := in.claims(v.config, slices.Collect(maps.Values(changed)))
	for path, f := range changed {
		for _, n := range claims.names(f) {
			if other := claims.path[n]; other != "" && other != path && v.branch[other] == v.config[other] {
				delete(files, path)
			}
		}
	}
	tree, _, err := in.trees.get(files)
	return tree, err
}
