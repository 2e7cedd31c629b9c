package intake

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/source"
	"github.com/tenure-dev/tenure/schema"
)

// fileCache parses each blob once.
type fileCache struct {
	src    Source
	unread error                   // why a blob could not be read since failed was last called
	parsed map[string]*schema.File // by path and blob
	older  map[string]*schema.File // the generation before, dropped when the present one is full
}

// cacheFiles is the size of one generation of parsed files.
const cacheFiles = 50_000

func newFileCache(src Source) *fileCache {
	return &fileCache{src: src, parsed: map[string]*schema.File{}}
}

// get returns the parsed file. A blob that cannot be read is a refused file here
// and is tried again next time; nothing may be decided on it (see failed).
func (c *fileCache) get(path, blob string) *schema.File {
	key := blob + " " + path
	if f, ok := c.parsed[key]; ok {
		return f
	}
	f, ok := c.older[key]
	if !ok {
		data, err := c.src.Read(blob, schema.MaxFileBytes)
		if err != nil {
			if !errors.Is(err, source.ErrTooLarge) { // which is the file's own fault
				c.unread = errors.Join(c.unread, fmt.Errorf("%s: %w", path, err))
			}
			return schema.RefuseFile(path, err.Error())
		}
		f = schema.ParseFile(path, data)
	}
	if len(c.parsed) >= cacheFiles {
		c.older, c.parsed = c.parsed, map[string]*schema.File{}
	}
	c.parsed[key] = f
	return f
}

// failed returns why files could not be read since it was last called. A file that
// the local copy does not give away is not a broken file: were it taken for one,
// people would be gone and rules would not be asked.
func (c *fileCache) failed() error {
	err := c.unread
	c.unread = nil
	if err != nil {
		return fmt.Errorf("the local copy of the repository: %w", err)
	}
	return nil
}

// document returns the request in a version of a file; nil: there is none, or the
// local copy does not have those bytes any more, as after a rewritten history.
func (c *fileCache) document(path, blob string) *schema.AccessRequest {
	before := c.unread
	f := c.get(path, blob)
	if errors.Is(c.unread, source.ErrUnknown) && before == nil {
		c.unread = nil
	}
	return requestOf(f)
}

// entry returns the parsed file of a tree entry, refusing what is not a plain
// file.
func (c *fileCache) entry(e source.Entry) *schema.File {
	switch e.Mode {
	case source.Symlink, source.Submodule:
		return schema.RefuseFile(e.Path, fmt.Sprintf("a %s stands where a plain file is expected", e.Mode))
	}
	return c.get(e.Path, e.Blob)
}

// requestOf returns the one request of a file, or nil.
func requestOf(f *schema.File) *schema.AccessRequest {
	if f == nil || f.Broken() || len(f.Docs) != 1 {
		return nil
	}
	r, _ := f.Docs[0].(*schema.AccessRequest)
	return r
}

func countPeople(f *schema.File) (n int) {
	for _, d := range f.Docs {
		if _, ok := d.(*schema.Person); ok {
			n++
		}
	}
	return n
}

// treeCache builds the tree of a configuration once, with its rules compiled.
type treeCache struct {
	files *fileCache
	trees map[string]trusted
	order []string
}

type trusted struct {
	tree  *schema.Tree
	rules *policy.Rules
}

// cacheTrees is how many configurations are kept: few are in use at a time.
const cacheTrees = 16

func newTreeCache(files *fileCache) *treeCache {
	return &treeCache{files: files, trees: map[string]trusted{}}
}

// get returns the tree of a configuration and its rules, or an error when not all
// of it can be read: a part of it would leave out people, or rules that deny.
func (c *treeCache) get(config map[string]string) (*schema.Tree, *policy.Rules, error) {
	paths := slices.Sorted(maps.Keys(config))
	var key strings.Builder
	for _, p := range paths {
		key.WriteString(p + " " + config[p] + "\n")
	}
	if t, ok := c.trees[key.String()]; ok {
		return t.tree, t.rules, nil
	}
	files := make([]*schema.File, 0, len(paths))
	for _, p := range paths {
		files = append(files, c.files.get(p, config[p]))
	}
	if err := c.files.failed(); err != nil {
		return nil, nil, fmt.Errorf("the configuration in force cannot be read: %w", err)
	}
	tree := schema.NewTree(files)
	rules, _ := policy.Compile(tree) // a rule that does not compile denies
	if len(c.order) == cacheTrees {
		delete(c.trees, c.order[0])
		c.order = c.order[1:]
	}
	c.trees[key.String()] = trusted{tree, rules}
	c.order = append(c.order, key.String())
	return tree, rules, nil
}
