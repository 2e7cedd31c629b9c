package revert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
)

// reviewPrefix begins the keys of pull requests that ask to renew standing access.
// Those of reverts begin with a digit.
const reviewPrefix = "review-"

func isReview(key string) bool { return strings.HasPrefix(key, reviewPrefix) }

// ReviewKey names the pull request that asks to renew or remove a standing request
// which ends at a time. Once it is renewed, its next end has another one.
func ReviewKey(request string, end time.Time) string {
	sum := sha256.Sum256([]byte(request))
	return reviewPrefix + hex.EncodeToString(sum[:8]) + end.UTC().Format("-20060102T150405Z")
}

// standing is a request without an end of its own that is about to end.
type standing struct {
	row     ledger.Request
	ends    time.Time
	renewed time.Time // merge of the version in force; zero: not known
	by      []string  // who approved it
	since   time.Time // first grant; zero: never
}

// Recertify looks at all standing access: for what ends soon it opens a pull request
// that asks to renew or remove it, and it closes those that have no question left. It
// never merges one and never opens again what somebody closed. It may be called any
// number of times.
func (t *Tender) Recertify(ctx context.Context) error {
	requests, err := t.Ledger.Requests(ctx)
	if err != nil {
		return err
	}
	due := map[string]bool{}
	var errs *multierror.Error
	for _, r := range requests {
		s, ok := t.due(r)
		if !ok {
			continue
		}
		key := ReviewKey(r.ID, s.ends)
		due[key] = true
		if err := t.review(ctx, key, s); err != nil {
			errs = multierror.Append(errs, fmt.Errorf("ask for a review of %s: %w", r.Path, err))
		}
	}
	open, err := t.Ledger.Reverts(ctx, StateOpen)
	if err != nil {
		return multierror.Append(errs, err)
	}
	for _, row := range open {
		if !isReview(row.Key) || due[row.Key] {
			continue
		}
		if err := t.dismiss(ctx, row, requests); err != nil {
			errs = multierror.Append(errs, fmt.Errorf("pull request %d, which asks for a review: %w", row.Number, err))
		}
	}
	return errs.ErrorOrNil()
}

// due reports whether a request is standing access whose end is near. One with an
// edit that is not judged yet waits: it may be the renewal.
func (t *Tender) due(r ledger.Request) (standing, bool) {
	s := standing{row: r, ends: r.Decision.Ends()}
	now := t.Now()
	if !r.Live || !r.EndedAt.IsZero() || !r.Decision.Granted || r.Decision.ReviewBy.IsZero() ||
		now.Before(s.ends.Add(-t.ReviewAhead)) || !now.Before(s.ends) {
		return s, false
	}
	base, waits := inForce(r)
	if base == nil || waits {
		return s, false
	}
	s.renewed, s.by = base.Evidence.Pull.MergedAt, base.Verdict.Approvers
	return s, true
}

// inForce returns the version that a request holds its access by, nil if there is
// none, and whether a later one waits to be judged.
func inForce(r ledger.Request) (base *policy.Version, waits bool) {
	var rec policy.Record
	if json.Unmarshal(r.Body, &rec) != nil {
		return nil, true
	}
	for i := range rec.Versions {
		v := &rec.Versions[i]
		switch {
		case v.Verdict != nil && v.Verdict.Proven && v.Evidence != nil && v.Evidence.Pull != nil:
			base, waits = v, false
		case v.Broken || base != nil && v.Blob == base.Blob:
			waits = false
		default:
			waits = v.Verdict == nil || !v.Verdict.Final
		}
	}
	return base, waits
}

// review opens the pull request of one standing request, or brings it up to date.
func (t *Tender) review(ctx context.Context, key string, s standing) error {
	row := ledger.Revert{Key: key, Paths: []string{s.row.Path}, DueAt: s.ends.Add(-t.ReviewAhead)}
	known, err := t.Forge.Find(ctx, key)
	if err != nil {
		return err
	}
	if len(known) > 0 && known[0].State != StateOpen {
		row.Number, row.URL, row.State, row.HeadSHA = known[0].Number, known[0].URL, known[0].State, known[0].HeadSHA
		return t.Ledger.PutRevert(ctx, row)
	}
	if s.since, _, err = t.times(ctx, s.row.ID); err != nil {
		return err
	}
	pull, err := t.Forge.Open(ctx, t.question(key, s))
	switch {
	case errors.Is(err, forge.ErrNothingToDo):
		return nil // the branch has moved on; what it says now is taken in soon
	case errors.Is(err, forge.ErrChanged):
		t.Log.Warn("a pull request that asks for a review was changed by somebody else; it is left to people", "request", s.row.Path)
		return nil
	case err != nil:
		return err
	}
	row.Number, row.URL, row.State, row.HeadSHA = pull.Number, pull.URL, StateOpen, pull.HeadSHA
	if len(known) == 0 {
		t.Log.Info("a pull request asks to renew or remove standing access", "request", s.row.Path, "ends", s.ends, "pull", pull.Number, "url", pull.URL)
	}
	return t.Ledger.PutRevert(ctx, row)
}

// dismiss closes a pull request whose question is answered, and says how.
func (t *Tender) dismiss(ctx context.Context, row ledger.Revert, requests []ledger.Request) error {
	known, err := t.Forge.Find(ctx, row.Key)
	if err != nil {
		return err
	}
	for _, p := range known {
		if p.Number == row.Number && p.State != StateOpen {
			row.State = p.State
			return t.Ledger.PutRevert(ctx, row)
		}
	}
	why, wait := t.answer(row, requests)
	if wait {
		return nil
	}
	if err := t.Forge.Close(ctx, row.Number, why); err != nil {
		return err
	}
	row.State = StateClosed
	return t.Ledger.PutRevert(ctx, row)
}

// answer says what became of the request that a pull request is about; wait: that is
// not known yet.
func (t *Tender) answer(row ledger.Revert, requests []ledger.Request) (why string, wait bool) {
	for _, r := range requests {
		_, waits := inForce(r)
		switch {
		case len(row.Paths) != 1 || r.Path != row.Paths[0] || !r.Live:
		case !r.EndedAt.IsZero() || !t.Now().Before(r.Decision.Ends()):
			return "The access has ended. There is nothing left to decide here.", false
		case waits:
			return "", true
		case !r.Decision.Granted || r.Decision.ReviewBy.IsZero():
			return "The request is no standing access any more. There is nothing left to decide here.", false
		default:
			return fmt.Sprintf("The access was renewed: it ends at %s now, unless it is renewed again.", stamp(r.Decision.Ends())), false
		}
	}
	return "The file is gone, and the access with it. There is nothing left to decide here.", false
}
