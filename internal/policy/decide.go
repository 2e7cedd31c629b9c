package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// Decide says what a request holds, from all its versions and the trusted state in
// force. The last proven version is what it holds at most. Later versions that are
// not proven can only take away; broken ones are passed over; the present state of
// people, roles and targets takes away what it no longer allows, and adds nothing,
// whether that state was approved or not.
//
// A request that ended stays as it ended: its decision is returned as it was.
func Decide(in DecideInput) grants.Decision {
	d := &deciding{in: in, now: presentOf(in.Tree, in.Branch, in.Canonical)}
	next := d.frame()
	switch {
	case !in.Previous.EndedAt.IsZero() && !in.Previous.EndedAt.After(in.At):
		ended := in.Previous
		ended.Blob = next.Blob
		return ended
	case in.Record.GoneIn != "":
		d.fail("in-force", "the file was deleted in commit %s", short(in.Record.GoneIn))
		next.Checks = d.checks
		next.Removals = grants.Removals(in.Previous, next, in.Record.GoneIn, in.At, grants.CauseDeleted)
		return next
	case in.Tree == nil || in.Docs == nil:
		kept := in.Previous // nothing to judge by: the last good state stays
		if kept.Request == "" {
			kept = next
		}
		return kept
	}
	d.walk()
	if d.base == nil && d.unread != "" && in.Previous.Granted {
		return d.keep(next)
	}
	if d.base == nil {
		d.unproven()
		next.Checks = d.checks
		next.Removals = grants.Removals(in.Previous, next, in.Commit, in.At, grants.CauseUnproven)
		return next
	}
	next.Granted = true
	next.Author = d.base.Verdict.Author
	next.Reason, next.Ticket = d.baseDoc.Reason, d.baseDoc.Ticket
	next.ReviewBy = d.baseDoc.ReviewBy.UTC()
	if next.EndedAt.IsZero() {
		next.EndedAt = d.over
	}
	d.explain()
	loose := next // the same, before the present limits cut its windows
	for i, v := range append([]stage{{d.base, d.baseDoc}}, d.pending...) {
		items := d.narrow(v.doc, d.base.Verdict.Items, i == 0)
		t := d.terms(v, items)
		loose.Terms = append(loose.Terms, t)
		next.Terms = append(next.Terms, d.cut(t, v))
	}
	next.Checks = d.checks
	next.Removals = d.removals(next, loose)
	return next
}

// stage is a version that bears on what is in force, and its document.
type stage struct {
	version *Version
	doc     *schema.AccessRequest
}

// deciding is the state of one call of Decide.
type deciding struct {
	in      DecideInput
	now     present
	checks  []grants.Check
	base    *Version // last proven version; nil: none
	baseDoc *schema.AccessRequest
	origin  *forge.PullRequest // of the first proven version; nil: none
	first   time.Time          // where the window is counted from, see Anchor
	pending []stage            // later versions that are not proven, oldest first
	unread  string             // blob of a proven version that is not a valid request any more
	over    time.Time          // the request ended before a later version was merged; zero: it did not
}

func (d *deciding) pass(rule, format string, args ...any) {
	d.checks = append(d.checks, grants.Check{Rule: rule, OK: true, Detail: fmt.Sprintf(format, args...)})
}

func (d *deciding) fail(rule, format string, args ...any) {
	d.checks = append(d.checks, grants.Check{Rule: rule, Detail: fmt.Sprintf(format, args...)})
}

// frame is the decision without anything granted.
func (d *deciding) frame() grants.Decision {
	r := &d.in.Record
	next := grants.Decision{Request: r.ID, Path: r.Path, Floor: d.in.Previous.Floor, EndedAt: d.in.Previous.EndedAt,
		Author: d.in.Previous.Author, Reason: d.in.Previous.Reason, Ticket: d.in.Previous.Ticket}
	if n := len(r.Versions); n > 0 {
		last := &r.Versions[n-1]
		if r.GoneIn == "" {
			next.Blob = last.Blob
		}
		if v := last.Verdict; v != nil && next.Author == "" {
			next.Author = v.Author
		}
		if d.in.Docs != nil {
			if doc := d.in.Docs(last.Blob); doc != nil {
				next.Reason, next.Ticket = doc.Reason, doc.Ticket
			}
		}
	}
	return next
}

// walk finds the last proven version and what came after it. A version that brings
// back the proven bytes needs no approval of its own and settles what was pending.
// A version that was merged, or brought the proven bytes back, when the request was
// over cannot bring it back.
func (d *deciding) walk() {
	for i := range d.in.Record.Versions {
		v := &d.in.Record.Versions[i]
		if d.step(i) {
			continue
		}
		doc := d.in.Docs(v.Blob)
		if v.Broken || doc == nil || windowWrong(doc) != "" {
			if v.Verdict != nil && v.Verdict.Proven {
				d.unread = v.Blob
				d.begin(v) // the window is counted from there all the same
			}
			continue
		}
		if merged := mergedAt(v); d.base != nil && !merged.IsZero() {
			if end := d.end(); !merged.Before(end) {
				d.over = end
				d.fail("in-force", "the request was over at %s, before version %s was merged at %s; a new one needs a new file",
					stamp(end), short(v.Blob), stamp(merged))
				return
			}
		}
		switch {
		case v.Verdict != nil && v.Verdict.Proven && !mergedAt(v).IsZero():
			d.base, d.baseDoc, d.pending = v, doc, nil
			d.begin(v)
			if d.first.IsZero() {
				d.first = Anchor(doc, d.origin)
			}
		case d.base == nil:
		case v.Blob == d.base.Blob:
			if end, over := d.overBefore(v); over {
				d.over = end
				d.fail("in-force", "the request was over at %s, before the proven version %s was brought back; a new one needs a new file",
					stamp(end), short(v.Blob))
				return
			}
			d.pending = nil
		default:
			d.pending = append(d.pending, stage{v, doc})
		}
	}
}

// begin notes the pull request of the first proven version.
func (d *deciding) begin(v *Version) {
	if d.origin == nil && v.Evidence != nil {
		d.origin = v.Evidence.Pull
	}
}

// overBefore reports whether the request was over, as it was decided then, before a
// version was seen that brings the proven bytes back. Such a version has no merge to
// go by. An edit that shortened and was undone before anybody saw it ended nothing.
func (d *deciding) overBefore(v *Version) (time.Time, bool) {
	prev := d.in.Previous
	end := prev.Ends()
	return end, prev.Granted && !end.IsZero() && !end.After(v.SeenAt) && !d.end().After(v.SeenAt)
}

// end is when the request is over as far as its versions up to here say.
func (d *deciding) end() time.Time {
	end := endOf(d.baseDoc, d.first)
	for _, p := range d.pending {
		if e := endOf(p.doc, d.first); e.Before(end) {
			end = e
		}
	}
	return end
}

// mergedAt is when the forge says a version was merged; zero: not known.
func mergedAt(v *Version) time.Time {
	if v.Evidence == nil || v.Evidence.Pull == nil {
		return time.Time{}
	}
	return v.Evidence.Pull.MergedAt.UTC()
}

// unproven says why nothing is granted.
func (d *deciding) unproven() {
	n := len(d.in.Record.Versions)
	if n == 0 {
		d.fail("in-force", "the file has no version")
		return
	}
	d.fail("in-force", "no version of this file is proven, so nothing is granted")
	d.verdict(&d.in.Record.Versions[n-1])
}

// keep leaves in force what was, where the proven bytes cannot be read any more (a
// newer program may refuse what an older one took). People who are gone lose it.
func (d *deciding) keep(next grants.Decision) grants.Decision {
	prev := d.in.Previous
	d.fail("in-force", "the proven version %s cannot be read any more: what was granted stays until it ends", short(d.unread))
	kept := filtered(prev, func(it grants.Item) bool { return d.now.active(it.Subject) })
	kept.Blob = next.Blob
	kept.Checks = d.checks
	kept.Removals = grants.Removals(prev, kept, d.in.Commit, d.in.At, grants.CauseDeactivated)
	return kept
}

// explain says which versions are in force, and why the last one is or is not.
func (d *deciding) explain() {
	last := &d.in.Record.Versions[len(d.in.Record.Versions)-1]
	switch {
	case !d.over.IsZero():
	case len(d.pending) > 0:
		d.fail("in-force", "version %s is not proven: until it is, only what it and the proven version %s both allow is in force",
			short(d.pending[len(d.pending)-1].version.Blob), short(d.base.Blob))
	case last.Blob != d.base.Blob:
		d.fail("in-force", "the last version is broken: the proven version %s stays in force", short(d.base.Blob))
	default:
		d.pass("in-force", "version %s is proven and in force", short(d.base.Blob))
	}
	if last.Blob == d.base.Blob {
		last = d.base
	}
	d.verdict(last)
}

// verdict appends what is known of one version.
func (d *deciding) verdict(v *Version) {
	switch {
	case v.Broken:
		d.fail("request", "the file is not a valid request: %s", orElse(v.Problem, "see the problems of the file"))
	case v.Verdict != nil:
		d.checks = append(d.checks, v.Verdict.Checks...)
	default:
		d.fail("pending", "version %s is not judged yet: %s", short(v.Blob), orElse(v.Problem, "its evidence has not been read"))
	}
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// removals compares with the previous decision, cause by cause: first the people
// who are gone, then what the request or its roles no longer bring, then a window
// that an edit closed, then one that a lower limit closed.
func (d *deciding) removals(next, loose grants.Decision) []grants.Removal {
	cur := d.in.Previous
	step := func(to grants.Decision, cause grants.Cause) {
		to.Removals = grants.Removals(cur, to, d.in.Commit, d.in.At, cause)
		cur = to
	}
	step(filtered(cur, func(it grants.Item) bool { return !Left(d.in.Tree, d.in.Branch, it.Subject) }), grants.CauseDeactivated)
	allowed := map[grants.Grant]bool{}
	for _, it := range next.Allowed() {
		allowed[it.Grant] = true
	}
	step(filtered(cur, func(it grants.Item) bool { return allowed[it.Grant] }), grants.CauseNarrowed)
	step(loose, grants.CauseShortened)
	step(next, grants.CauseNarrowed)
	return cur.Removals
}

// filtered is a decision with some of its items only.
func filtered(d grants.Decision, keep func(grants.Item) bool) grants.Decision {
	terms := slices.Clone(d.Terms)
	for i := range terms {
		terms[i].Items = slices.DeleteFunc(slices.Clone(terms[i].Items), func(it grants.Item) bool { return !keep(it) })
	}
	d.Terms = terms
	return d
}
