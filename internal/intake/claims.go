package intake

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tenure-dev/tenure/schema"
)

// claims says which file in force has each name, forge identity and account. The
// file that had one first keeps it, whatever the others are called: a second one
// must not throw the first one's person out.
type claims struct {
	files    *fileCache
	path     map[string]string   // what is claimed → file
	explicit map[string][]string // account → targets on which somebody has it by their own accounts
}

// claims returns what a configuration claims. The files more are those that may be
// compared with it.
func (in *Intake) claims(config map[string]string, more []*schema.File) *claims {
	c := &claims{files: in.files, path: make(map[string]string, 2*len(config)), explicit: map[string][]string{}}
	paths := slices.Sorted(maps.Keys(config))
	for _, path := range paths {
		c.note(in.files.get(path, config[path]))
	}
	for _, f := range more {
		c.note(f)
	}
	for _, path := range paths {
		for _, n := range c.names(in.files.get(path, config[path])) {
			if _, taken := c.path[n]; !taken {
				c.path[n] = path
			}
		}
	}
	return c
}

func (c *claims) note(f *schema.File) {
	for _, d := range f.Docs {
		if p, ok := d.(*schema.Person); ok {
			for target, account := range p.Accounts {
				if !slices.Contains(c.explicit[account], target) {
					c.explicit[account] = append(c.explicit[account], target)
				}
			}
		}
	}
}

// names returns what a file's documents claim. People and groups share one name
// space, as requests mix them. Where somebody has an account by their own accounts,
// the person of that name has it by default.
func (c *claims) names(f *schema.File) []string {
	var out []string
	for _, d := range f.Docs {
		switch d := d.(type) {
		case *schema.Role:
			out = append(out, "role "+d.Name)
		case *schema.Group:
			out = append(out, "person or group "+d.Name)
		case *schema.Target:
			out = append(out, "target "+d.Name)
		case *schema.Person:
			out = append(out, "person or group "+d.Name)
			for _, forge := range slices.Sorted(maps.Keys(d.Forge)) {
				out = append(out, fmt.Sprintf("%s account %d", forge, d.Forge[forge].ID))
			}
			for _, target := range slices.Sorted(maps.Keys(d.Accounts)) {
				out = append(out, "account "+d.Accounts[target]+" on "+target)
			}
			for _, target := range slices.Sorted(slices.Values(c.explicit[d.Name])) {
				if _, own := d.Accounts[target]; !own {
					out = append(out, "account "+d.Name+" on "+target)
				}
			}
		}
	}
	return out
}

// giveUp lets go of what a step takes out of a file, so that another file of the
// same step may claim it: a document can move.
func (c *claims) giveUp(s step) {
	keeps := map[string]bool{}
	for path, ch := range s.changes {
		if ch.entry == nil || !schema.IsDocument(path) {
			continue
		}
		f := c.files.entry(*ch.entry)
		for _, n := range c.names(f) {
			keeps[path+" "+n] = true
		}
		if f.Broken() {
			keeps[path] = true // its last good version stays
		}
	}
	for n, path := range c.path {
		if ch, touched := s.changes[path]; touched && ch.entry != nil && !keeps[path] && !keeps[path+" "+n] {
			delete(c.path, n)
		}
	}
}

// release gives up everything that a file claims; an empty blob: it was not in force.
func (c *claims) release(path, blob string) {
	if blob == "" {
		return
	}
	for _, n := range c.names(c.files.get(path, blob)) {
		if c.path[n] == path {
			delete(c.path, n)
		}
	}
}

func (c *claims) take(path string, f *schema.File) {
	for _, n := range c.names(f) {
		c.path[n] = path
	}
}

// clash says what of a file another one in force has already; empty: nothing.
func (c *claims) clash(path string, f *schema.File) string {
	for _, n := range c.names(f) {
		if other, ok := c.path[n]; ok && other != path {
			return fmt.Sprintf("%s is defined in %s already, so %s cannot have it, too; the version in force before stays", n, other, path)
		}
	}
	return ""
}
