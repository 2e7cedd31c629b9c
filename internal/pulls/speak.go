package pulls

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/markdown"
)

// commentKey names our one comment on a pull request.
const commentKey = "outlook"

// speak sets the status and the comment of each pull request that was looked at.
func (p *pass) speak(ctx context.Context, looked []*subject) error {
	return each(looked, func(s *subject) error {
		all := p.outlooks(s)
		if err := p.cfg.Forge.SetStatus(ctx, s.pull.HeadSHA, p.status(s, all)); err != nil {
			return fmt.Errorf("status of pull request %d: %w", s.pull.Number, err)
		}
		if err := p.cfg.Forge.PutComment(ctx, s.pull.Number, commentKey, p.comment(s, all)); err != nil {
			return fmt.Errorf("comment on pull request %d: %w", s.pull.Number, err)
		}
		p.saw(s)
		return nil
	})
}

func worst(all []outlook) verdict {
	v := takesEffect
	for _, o := range all {
		v = max(v, o.verdict)
	}
	return v
}

// status is what can be made a required check: success exactly when every changed
// document takes effect if it is merged now.
func (p *pass) status(s *subject, all []outlook) forge.Status {
	st := forge.Status{State: forge.StatusSuccess, URL: s.pull.URL}
	switch {
	case s.tooMany:
		st.State, st.Description = forge.StatusFailure, "changes too many files to be looked at"
		return st
	case len(p.twins(s.pull)) > 0:
		st.State, st.Description = forge.StatusFailure, "other open pull requests have the same head: "+numbers(p.twins(s.pull))
		return st
	case len(all) == 0:
		st.Description = "no access is asked for or changed"
		return st
	}
	var words []string
	switch worst(all) {
	case refused:
		st.State = forge.StatusFailure
		for _, o := range all {
			words = append(words, o.wrong...)
		}
	case waits:
		st.State = forge.StatusPending
		for _, o := range all {
			words = append(words, o.missing...)
			words = append(words, o.wrong...)
		}
	default:
		words = []string{"takes effect when it is merged"}
	}
	if u := s.emergency; u != nil && u.ReviewedAt.IsZero() {
		words = append([]string{"break-glass, review due by " + stamp(u.ReviewBy)}, words...)
	}
	st.Description = markdown.Plain(strings.Join(words, "; "))
	return st
}

// maxParts bounds how many files, and how many lines of one, a comment shows.
const maxParts = 40

// maxComment is how many bytes a comment has at most: forges take 65,536 characters.
const maxComment = 60_000

// comment says everything about one pull request. All that comes from files or
// from people is inside code spans.
func (p *pass) comment(s *subject, all []outlook) string {
	var b strings.Builder
	p.headline(&b, s, all)
	for i, o := range all {
		if i == maxParts || b.Len() > maxComment {
			fmt.Fprintf(&b, "\n… and %d files more.\n", len(all)-i)
			break
		}
		o.write(&b)
	}
	fmt.Fprintf(&b, "\n<sub>As of commit %s. This comment is kept up to date; only what is merged with the approvals above takes effect.</sub>\n", markdown.Code(abbrev(s.pull.HeadSHA)))
	return b.String()
}

func (p *pass) headline(b *strings.Builder, s *subject, all []outlook) {
	switch {
	case s.tooMany:
		fmt.Fprintf(b, "**Tenure** cannot look at this pull request: it changes more files than can be read. Nothing that it brings is refused for that, but split it, so that people can see what it does.\n")
	case len(all) == 0:
		b.WriteString("**Tenure**: this pull request asks for no access and changes none.\n")
	case worst(all) == refused:
		b.WriteString("**Tenure**: as it is, not all of this takes effect when it is merged.\n")
	case worst(all) == waits:
		b.WriteString("**Tenure**: approvals are missing. Merged without them, this grants nothing, and only a new pull request can repair that.\n")
	default:
		b.WriteString("**Tenure**: everything here takes effect when it is merged.\n")
	}
	if twins := p.twins(s.pull); len(twins) > 0 {
		fmt.Fprintf(b, "\nOther open pull requests have the same head (%s). One status cannot speak for several: close those that are not meant, or add a commit to one.\n", numbers(twins))
	}
	switch {
	case s.emergency != nil:
		b.WriteString("\n" + p.glass(s.emergency))
	case len(s.refused) > 0:
		b.WriteString("\n**Break-glass: no access was given**, because:\n\n")
		items(b, s.refused)
	}
}

// glass says how a use of break-glass stands.
func (p *pass) glass(u *use) string {
	var b strings.Builder
	w, who := Window(u.row.Decision), markdown.Code(u.Subject)
	switch {
	case u.EndedBy != "":
		fmt.Fprintf(&b, "**Break-glass:** %s had access from %s to %s: %s.", who, stamp(w.From), stamp(u.row.Decision.Ends()), markdown.Code(u.EndedBy))
	case u.over(p.cfg.Now()):
		fmt.Fprintf(&b, "**Break-glass:** %s had access from %s to %s.", who, stamp(w.From), stamp(w.Until))
	default:
		fmt.Fprintf(&b, "**Break-glass:** %s has access now, until %s. A push, a change of the base branch or closing this pull request ends it.", who, stamp(w.Until))
	}
	if u.ReviewedAt.IsZero() {
		fmt.Fprintf(&b, " A review is due by %s: approve here who may approve such a request. Until then %s gets no other break-glass for %s.\n", stamp(u.ReviewBy), who, markdown.Codes(u.Roles))
	} else {
		fmt.Fprintf(&b, " Reviewed by %s.\n", markdown.Codes(u.Reviewers))
	}
	return b.String()
}

// conclude says how a use stands on its pull request that is no longer open.
func (p *pass) conclude(ctx context.Context) error {
	var errs *multierror.Error
	for _, u := range p.uses {
		text := p.glass(u)
		if !p.shut[u.Pull] || p.told[u.Pull] == text {
			continue
		}
		if err := p.cfg.Forge.PutComment(ctx, u.Pull, commentKey, text); err != nil {
			errs = multierror.Append(errs, fmt.Errorf("comment on pull request %d: %w", u.Pull, err))
			continue
		}
		p.told[u.Pull] = text
	}
	return errs.ErrorOrNil()
}

func (o *outlook) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n", markdown.Code(o.path), o.what)
	if len(o.grants) > 0 {
		fmt.Fprintf(b, "\nWould grant, %s:\n\n", markdown.Code(o.window))
		var lines []string
		for _, it := range o.grants {
			lines = append(lines, fmt.Sprintf("%s on %s to %s (role %s, account %s)", it.Entitlement, it.Target, it.Subject, it.Role, it.Account))
		}
		items(b, lines)
	}
	section(b, "Still missing:", o.missing)
	section(b, "In the way:", o.wrong)
	section(b, "Rules that hold:", o.rules)
	var reviews []string
	for _, c := range o.reviews {
		reviews = append(reviews, c.Detail)
	}
	section(b, "Reviews:", reviews)
}

func section(b *strings.Builder, title string, lines []string) {
	if len(lines) > 0 {
		fmt.Fprintf(b, "\n%s\n\n", title)
		items(b, lines)
	}
}

func items(b *strings.Builder, lines []string) {
	for i, l := range lines {
		if i == maxParts {
			fmt.Fprintf(b, "- … and %d more\n", len(lines)-i)
			return
		}
		fmt.Fprintf(b, "- %s\n", markdown.Code(l))
	}
}

// numbers prints the numbers of pull requests.
func numbers(list []int) string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = fmt.Sprintf("#%d", n)
	}
	return strings.Join(out, ", ")
}

func abbrev(commit string) string { return commit[:min(len(commit), 12)] }
