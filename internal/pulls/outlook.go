package pulls

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

// standing of a file's change, the worst last.
type verdict int

const (
	takesEffect verdict = iota // if it were merged now
	waits                      // for approvals
	refused                    // for good, as it is
)

// outlook is what one changed file would bring if the pull request were merged now.
type outlook struct {
	path    string
	verdict verdict
	what    string         // one sentence
	grants  []grants.Item  // of a request
	window  string         // of a request
	missing []string       // approvals
	wrong   []string       // what stands in the way otherwise
	reviews []grants.Check // what counts, and what does not
	rules   []string       // guardrails that hold
}

// outlooks says what each document of a pull request would bring, by the
// configuration in force. Judging is the same as after the merge: only the merge
// itself is made up.
func (p *pass) outlooks(s *subject) []outlook {
	var out []outlook
	for _, f := range s.files {
		if f.Kind == forge.FileRenamed && f.OldPath != "" && schema.IsDocument(f.OldPath) {
			out = append(out, p.removal(s, f.OldPath))
		}
		switch {
		case !schema.IsDocument(f.Path):
		case f.Blob == "":
			out = append(out, p.removal(s, f.Path))
		case f.doc.Broken():
			out = append(out, broken(f))
		default:
			out = append(out, p.change(s, f))
		}
	}
	return out
}

func broken(f changed) outlook {
	o := outlook{path: f.Path, verdict: refused, what: "This file is not valid, so it would not come into force."}
	for _, problem := range f.doc.Problems {
		if !problem.Warning {
			o.wrong = append(o.wrong, fmt.Sprintf("line %d, column %d: %s", problem.Pos.Line, problem.Pos.Column, problem.Message))
		}
	}
	return o
}

// change says what a new or changed document would bring.
func (p *pass) change(s *subject, f changed) outlook {
	o := outlook{path: f.Path}
	stood, exists := p.present.Files[f.Path]
	ev := p.evidence(s, f.Path, f.Blob)
	hidden := ""
	if f.Kind == forge.FileRenamed && f.OldPath != "" {
		if old, ok := p.present.Files[f.OldPath]; ok && !old.InForce {
			hidden = f.OldPath
		}
	}
	if request := f.request(); request != nil {
		p.request(&o, s, request, stood, exists, hidden, ev)
		return o
	}
	v := policy.JudgeTrust(policy.TrustJudgement{
		Evidence: ev, Laundered: exists && !stood.InForce, Hidden: hidden, Trusted: p.present.Trusted,
		Host: p.cfg.Host, ForgeType: p.cfg.ForgeType, ApprovalsValid: p.cfg.ApprovalsValid,
		Group: p.cfg.TrustGroup, Count: p.cfg.TrustCount,
	})
	o.what = "Configuration: it comes into force when it is merged with the approval of " + p.cfg.TrustGroup + "."
	o.judged(v)
	return o
}

func (p *pass) request(o *outlook, s *subject, request *schema.AccessRequest, stood intake.Standing, exists bool, hidden string, ev forge.Evidence) {
	j := policy.Judgement{
		Request: request, Laundered: exists && !stood.InForce, Hidden: hidden, Evidence: ev, Trusted: p.present.Trusted,
		Host: p.cfg.Host, ForgeType: p.cfg.ForgeType, ApprovalsValid: p.cfg.ApprovalsValid, Canonical: p.cfg.Canonical,
		FirstMerged: stood.FirstMerged, Rules: p.present.Rules, Others: p.heldBut(o.path),
	}
	if exists && stood.InForce {
		j.Previous = stood.Request
	}
	v := policy.Judge(j)
	o.grants = policy.Brings(p.present.Trusted, request, p.cfg.Canonical)
	o.window = window(request)
	switch {
	case !exists:
		o.what = "A request for access."
	default:
		o.what = "A change of a request for access. Until it is proven, only what both versions allow is in force."
	}
	o.judged(v)
	if o.verdict == waits && exists && stood.InForce && policy.OnlyTakesAway(stood.Request, request, stood.FirstMerged) {
		o.verdict = takesEffect
		o.what = "Only takes away from a request: that takes effect at the merge, and needs no approval. Without one, though, the file cannot be built on later."
	}
	if len(o.wrong) == 0 && p.over(o.path) {
		o.verdict, o.wrong = refused, []string{"this request has ended, and ended is final; ask with a new file"}
	}
}

// heldBut are the decisions of the other requests.
func (p *pass) heldBut(path string) []grants.Decision {
	return slices.DeleteFunc(p.others(0), func(d grants.Decision) bool { return d.Path == path })
}

// over reports whether the request at a path has ended.
func (p *pass) over(path string) bool {
	return slices.ContainsFunc(p.present.Held, func(d grants.Decision) bool {
		end := d.Ends()
		return d.Path == path && d.Granted && !end.IsZero() && !p.cfg.Now().Before(end)
	})
}

// removal says what taking a document away would bring.
func (p *pass) removal(s *subject, path string) outlook {
	o := outlook{path: path}
	stood, exists := p.present.Files[path]
	switch {
	case !exists:
		o.what = "This file is gone from the branch already."
	case stood.Request != nil || p.isRequest(path):
		o.what = "Takes access away as soon as it is merged. That needs no approval."
	default:
		o.what = "Takes configuration away. What that takes from people it takes at the merge; for the rest it needs the approval of " + p.cfg.TrustGroup + "."
		o.judged(policy.JudgeTrust(policy.TrustJudgement{
			Evidence: p.evidence(s, path, ""), Laundered: !stood.InForce, Trusted: p.present.Trusted,
			Host: p.cfg.Host, ForgeType: p.cfg.ForgeType, ApprovalsValid: p.cfg.ApprovalsValid,
			Group: p.cfg.TrustGroup, Count: p.cfg.TrustCount,
		}))
	}
	return o
}

func (p *pass) isRequest(path string) bool {
	return slices.ContainsFunc(p.present.Held, func(d grants.Decision) bool { return d.Path == path })
}

// evidence is what the forge would say if the pull request were merged now.
func (p *pass) evidence(s *subject, path, blob string) forge.Evidence {
	pull := s.pull
	// A second ahead: the forge's times are whole seconds, and a review of this very
	// second is before any merge that can still come.
	pull.MergedAt, pull.MergeCommit = p.repo.Now.Add(time.Second), pull.HeadSHA
	return forge.Evidence{
		Introduction: forge.Introduction{Path: path, Blob: blob, Commit: pull.HeadSHA},
		RepositoryID: p.present.Repo, Branch: p.cfg.Branch, Pull: &pull, Before: p.present.Head, HeadBlob: blob,
		BaseChange: s.baseChange, HeadPushes: s.pushes, Reviews: s.reviews, ReadAt: p.repo.Now,
	}
}

// judged sorts what judging found.
func (o *outlook) judged(v policy.Verdict) {
	for _, c := range v.Checks {
		switch {
		case c.Rule == "review":
			o.reviews = append(o.reviews, c)
		case c.OK && c.Rule == "guardrail":
			o.rules = append(o.rules, strings.TrimSuffix(c.Detail, " holds"))
		case c.OK:
		case c.Rule == "approval", c.Rule == "trust":
			o.missing = append(o.missing, c.Detail)
		default:
			o.wrong = append(o.wrong, c.Detail)
		}
	}
	switch {
	case v.Proven:
	case len(o.wrong) == 0, !v.Final:
		o.verdict = waits
	default:
		o.verdict = refused
	}
}

// window prints when a request holds.
func window(r *schema.AccessRequest) string {
	from := "from the merge"
	if !r.StartsAt.IsZero() {
		from = "from " + stamp(r.StartsAt)
	}
	switch {
	case r.Schedule != nil:
		zone := r.Schedule.Timezone
		if zone == "" {
			zone = "UTC"
		}
		return fmt.Sprintf("each time for %s, by the schedule %s (%s), until %s", schema.FormatDuration(r.Schedule.Duration), r.Schedule.Cron, zone, stamp(r.ExpiresAt))
	case !r.ReviewBy.IsZero():
		return fmt.Sprintf("standing, to be reviewed by %s", stamp(r.ReviewBy))
	case !r.ExpiresAt.IsZero():
		return fmt.Sprintf("%s until %s", from, stamp(r.ExpiresAt))
	case r.Emergency:
		return fmt.Sprintf("for %s from the moment that the pull request was opened", schema.FormatDuration(r.Duration))
	}
	return fmt.Sprintf("for %s %s", schema.FormatDuration(r.Duration), from)
}
