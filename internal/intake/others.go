package intake

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

// others is what a rule that looks across requests sees beside the one that it is
// asked about: what those that came to the branch before it were granted, and who
// uses break-glass now.
type others struct {
	in          *Intake
	view        *view
	now         *Present
	order       order
	decisions   map[string]grants.Decision // by request, of what was proven in this hearing
	emergencies []ledger.Request
}

func (in *Intake) others(ctx context.Context, v *view) (*others, error) {
	o := &others{in: in, view: v, decisions: map[string]grants.Decision{}}
	var err error
	if o.order, err = in.orderOf(v.head); err != nil {
		return nil, err
	}
	if o.now, err = in.standing(v); err != nil {
		return nil, err
	}
	rows, err := in.cfg.Ledger.Emergencies(ctx)
	if err != nil {
		return nil, fmt.Errorf("read emergencies: %w", err)
	}
	o.emergencies = slices.DeleteFunc(rows, func(r ledger.Request) bool { return !r.Live })
	return o, nil
}

// waitsFor says that a version is judged only after another one.
type waitsFor struct{ path string }

func (w waitsFor) Error() string {
	return fmt.Sprintf("rules look across requests, and %s, which came to the branch before, is not judged yet", w.path)
}

// before returns the decisions of all other requests that came before a version, or
// waitsFor one that shares a role or a subject with it and is not judged yet. Others
// that cannot be read hold up nobody.
func (o *others) before(t turn, request *schema.AccessRequest, trusted *schema.Tree) ([]grants.Decision, error) {
	var out []grants.Decision
	for _, path := range o.view.paths() {
		rec := o.view.records[path]
		if rec.ID == t.rec.ID {
			continue
		}
		came := false // with a proven version
		for i, v := range rec.Versions {
			if o.order.compare(turn{rec, i}, t) >= 0 {
				break
			}
			came = came || v.Verdict != nil && v.Verdict.Proven
			if settled(v) || restores(rec, i) {
				continue
			}
			if doc := o.in.files.document(path, v.Blob); doc != nil && share(trusted, doc, request) {
				return nil, waitsFor{path}
			}
		}
		if !came {
			continue
		}
		d, fresh := o.decisions[rec.ID]
		if !fresh {
			d = o.view.rows[rec.ID].Decision
		}
		out = append(out, d)
	}
	pull := pullOf(t.rec.Versions[t.i].Evidence)
	for _, e := range o.emergencies {
		if e.Pull != pull { // which this is the merge of
			out = append(out, e.Decision)
		}
	}
	return out, nil
}

// granted notes what a request holds by what was proven just now.
func (o *others) granted(rec *policy.Record) error {
	row, err := o.in.row(*rec, o.view.rows[rec.ID].Decision, o.now, o.view.head)
	o.decisions[rec.ID] = row.Decision
	return err
}

// share reports whether two requests are for the same person or for the same role.
func share(t *schema.Tree, a, b *schema.AccessRequest) bool {
	for _, use := range a.Roles {
		if slices.ContainsFunc(b.Roles, func(other schema.RoleUse) bool { return other.Role == use.Role }) {
			return true
		}
	}
	people := append(t.SubjectsOf(a), a.Subjects...)
	return slices.ContainsFunc(append(t.SubjectsOf(b), b.Subjects...), func(s string) bool { return slices.Contains(people, s) })
}

// order says at which place of the first-parent history a commit stands. What is on
// none, because the branch was rewritten since, came before everything.
type order map[string]int

func (o order) place(t turn) int {
	if n, ok := o[t.rec.Versions[t.i].Commit]; ok {
		return n
	}
	return -1
}

// compare sorts versions as they came to the branch, and by path within a commit, so
// that of two requests in one the second sees the first.
func (o order) compare(a, b turn) int {
	return cmp.Or(cmp.Compare(o.place(a), o.place(b)), cmp.Compare(a.rec.Path, b.rec.Path), cmp.Compare(a.i, b.i))
}

// history is the order of the commits up to a head.
type history struct {
	head  string
	order order
}

// orderOf returns the order up to a head. It is kept, and grows with the branch.
func (in *Intake) orderOf(head string) (order, error) {
	h := in.history
	if h.head == head {
		return h.order, nil
	}
	if h.head != "" {
		if commits, err := in.cfg.Source.FirstParents(h.head, head); err == nil {
			return in.grow(h.order, commits, head), nil
		}
	}
	commits, err := in.cfg.Source.FirstParents("", head)
	if err != nil {
		return nil, fmt.Errorf("the order of the commits up to %s: %w", head, err)
	}
	return in.grow(order{}, commits, head), nil
}

func (in *Intake) grow(o order, commits []string, head string) order {
	for _, c := range commits {
		o[c] = len(o)
	}
	in.history = history{head, o}
	return o
}
