package intake

import "fmt"

// run is a stretch of the first-parent history that one pull request brought.
type run struct {
	before, to string
	commits    map[string]bool
	stood      map[string]string // path → blob before the first of them; empty: not there
	left       map[string]string // path → blob after the last of them; empty: not there
	unapproved map[string]string // what they take away without anybody having approved it; nil: not looked at
}

// runOf returns the run after one commit and up to another. The last one is kept:
// a pull request often brings many files.
func (in *Intake) runOf(before, to string) (*run, error) {
	if r := in.run; r != nil && r.before == before && r.to == to {
		return r, nil
	}
	commits, err := in.cfg.Source.FirstParents(before, to)
	if err != nil {
		return nil, fmt.Errorf("commits after %s: %w", before, err)
	}
	r := &run{before: before, to: to, commits: map[string]bool{}, stood: map[string]string{}, left: map[string]string{}}
	for _, c := range commits {
		r.commits[c] = true
		changes, err := in.cfg.Source.Changes(c)
		if err != nil {
			return nil, fmt.Errorf("changes of %s: %w", c, err)
		}
		for _, ch := range changes {
			if _, seen := r.stood[ch.Path]; !seen {
				r.stood[ch.Path] = blobOf(ch.Old)
			}
			r.left[ch.Path] = blobOf(ch.New)
		}
	}
	in.run = r
	return r, nil
}
