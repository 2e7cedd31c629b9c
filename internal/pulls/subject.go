package pulls

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/schema"
)

// subject is one open pull request that is looked at.
type subject struct {
	pull    forge.PullRequest
	files   []changed // nil: not read
	tooMany bool      // it changes more than the forge lists

	reviews    []forge.Review
	pushes     []forge.Push
	baseChange time.Time
	emergency  *use     // of this pull request; nil: none
	refused    []string // why a request with emergency: true got no access; none: it did, or asked for none
	unsettled  bool     // what it brings could not be judged yet: it is looked at again in any case
}

// changed is one file that a pull request changes, parsed.
type changed struct {
	forge.FileChange
	doc  *schema.File // nil: gone at the head, or no document
	text []byte
}

// request returns the request in the file, if it holds exactly one and is valid.
func (c changed) request() *schema.AccessRequest {
	if c.doc == nil || c.doc.Broken() || len(c.doc.Docs) != 1 {
		return nil
	}
	r, _ := c.doc.Docs[0].(*schema.AccessRequest)
	return r
}

// glance is what a pull request looked like when it was last looked at.
type glance struct {
	head, base string
	updated    time.Time
	at         time.Time // when it was looked at, by the forge's clock
	trusted    *schema.Tree
	branch     *schema.Tree
	standing   []intake.Standing // of its paths
	paths      []string
	twins      []int
	refused    bool // it asked for break-glass in vain
}

// refresh is how often a pull request is looked at although nobody touched it:
// approvals age, and other requests begin.
const refresh = time.Hour

// blur is how far apart two of the forge's instants must be to be told apart
// safely: its times are whole seconds, and its lists lag behind.
const blur = 5 * time.Second

// stale reports whether a pull request has to be looked at again.
func (p *pass) stale(g glance, pull forge.PullRequest) bool {
	if g.head != pull.HeadSHA || g.base != pull.BaseRef || !g.updated.Equal(pull.UpdatedAt) {
		return true
	}
	if g.at.Sub(pull.UpdatedAt) < blur || p.repo.Now.Sub(g.at) >= refresh {
		return true
	}
	return g.trusted != p.present.Trusted || !slices.Equal(g.twins, p.twins(pull)) || g.branch != p.present.Branch || !slices.Equal(g.standing, p.standing(g.paths))
}

func (p *pass) standing(paths []string) []intake.Standing {
	out := make([]intake.Standing, len(paths))
	for i, path := range paths {
		out[i] = p.present.Files[path]
	}
	return out
}

// saw notes that everything was said about a pull request; one that is not settled
// is looked at again all the same.
func (p *pass) saw(s *subject) {
	g := glance{
		head: s.pull.HeadSHA, base: s.pull.BaseRef, updated: s.pull.UpdatedAt, at: p.repo.Now,
		trusted: p.present.Trusted, branch: p.present.Branch, twins: p.twins(s.pull), refused: len(s.refused) > 0,
	}
	for _, f := range s.files {
		g.paths = append(g.paths, f.Path)
		if f.OldPath != "" {
			g.paths = append(g.paths, f.OldPath)
		}
	}
	g.standing = p.standing(g.paths)
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.unsettled {
		p.forget(s.pull.Number)
		return
	}
	p.seen[s.pull.Number] = g
}

// maxFiles is how many changed documents of one pull request are read.
const maxFiles = 300

// read reads what a pull request changes.
func (p *pass) read(ctx context.Context, s *subject) error {
	files, err := p.cfg.Forge.Changed(ctx, s.pull.Number)
	if errors.Is(err, forge.ErrTooMany) || len(files) > maxFiles {
		s.tooMany, s.files = true, []changed{}
		return nil
	}
	if err != nil {
		return err
	}
	out := make([]changed, 0, len(files))
	for _, f := range files {
		c := changed{FileChange: f}
		if f.Blob != "" && schema.IsDocument(f.Path) {
			text, err := p.cfg.Forge.ReadBlob(ctx, f.Blob, schema.MaxFileBytes)
			switch {
			case errors.Is(err, forge.ErrTooMany):
				c.doc = schema.RefuseFile(f.Path, fmt.Sprintf("larger than %d bytes", schema.MaxFileBytes))
			case err != nil:
				return err
			default:
				c.doc, c.text = schema.ParseFile(f.Path, text), text
			}
		}
		out = append(out, c)
	}
	if s.reviews, err = p.cfg.Forge.Reviews(ctx, s.pull.Number); err != nil {
		return err
	}
	if s.baseChange, err = p.cfg.Forge.BaseChanged(ctx, s.pull.Number); err != nil {
		return err
	}
	if s.pushes, err = forge.HeadPushes(ctx, p.cfg.Forge, s.pull); err != nil {
		return err
	}
	s.files = out
	return nil
}
