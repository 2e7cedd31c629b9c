// Package revert tends the reconciler's own pull requests: one a group of
// requests that ended together, which removes their files. It is tidying up: the
// access is gone before a pull request is opened, and never waits for one. And one
// for each standing request that is about to end, which asks to renew or remove it.
package revert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/policy"
)

// The states of a revert pull request in the ledger.
const (
	StateOpen    = "open"
	StateMerged  = "merged"
	StateClosed  = "closed"  // by a person or by us; never opened again
	StateNothing = "nothing" // every file was gone before it was due
)

// Ledger is what reverting needs of the ledger.
type Ledger interface {
	RevertRequests(ctx context.Context, key string) ([]ledger.Request, error)
	Reverts(ctx context.Context, states ...string) ([]ledger.Revert, error)
	PutRevert(ctx context.Context, v ledger.Revert) error
	Requests(ctx context.Context) ([]ledger.Request, error)
	Events(ctx context.Context, f ledger.Filter) ([]ledger.Event, error)
}

// Tender opens, updates, closes and merges revert pull requests.
type Tender struct {
	Ledger Ledger
	Forge  forge.Reverter
	Branch string
	Merge  bool // merge what is exactly as we opened it
	// ReviewAhead is how long before the end of standing access a pull request asks to
	// renew or remove it; 0: none does.
	ReviewAhead time.Duration
	Now         func() time.Time
	Log         *slog.Logger
}

// Key names the group that a request ended at a time belongs to, and when the
// group is due. Requests that end within the same stretch of length group share
// one pull request; group 0 gives each second its own.
func Key(ended time.Time, group time.Duration) (key string, due time.Time) {
	group = max(group, time.Second)
	start := ended.UTC().Truncate(group)
	return start.Format("20060102T150405Z"), start.Add(group)
}

// Open opens the pull request of a group, or brings the open one up to date. It
// may be called any number of times: one that people closed is never reopened.
func (t *Tender) Open(ctx context.Context, key string) error {
	requests, err := t.Ledger.RevertRequests(ctx, key)
	if err != nil {
		return err
	}
	row := ledger.Revert{Key: key, DueAt: t.Now()}
	known, err := t.Forge.Find(ctx, key)
	if err != nil {
		return fmt.Errorf("look for the revert pull request %s: %w", key, err)
	}
	if len(known) > 0 && known[0].State != StateOpen {
		row.Number, row.URL, row.State = known[0].Number, known[0].URL, known[0].State
		return t.Ledger.PutRevert(ctx, row)
	}
	ended := removable(requests)
	if len(ended) == 0 {
		return t.close(ctx, row, known)
	}
	want, err := t.request(ctx, key, ended)
	if err != nil {
		return err
	}
	pull, err := t.Forge.Open(ctx, want)
	if errors.Is(err, forge.ErrNothingToDo) {
		return t.close(ctx, row, known)
	}
	if err != nil {
		return fmt.Errorf("open the revert pull request %s: %w", key, err)
	}
	row.Number, row.URL, row.State, row.HeadSHA = pull.Number, pull.URL, StateOpen, pull.HeadSHA
	row.Paths = slices.Sorted(maps.Keys(want.Remove))
	if len(pull.Paths) > 0 {
		row.Paths = slices.Sorted(slices.Values(pull.Paths))
	}
	if err := t.Ledger.PutRevert(ctx, row); err != nil {
		return err
	}
	t.Log.Info("revert pull request is open", "pull", pull.Number, "files", len(row.Paths), "url", pull.URL)
	return t.merge(ctx, row)
}

// close ends a pull request that has nothing left to remove.
func (t *Tender) close(ctx context.Context, row ledger.Revert, known []forge.OpenedPull) error {
	row.State = StateNothing
	if len(known) > 0 {
		row.Number, row.URL, row.State = known[0].Number, known[0].URL, StateClosed
		if err := t.Forge.Close(ctx, row.Number, "Every file that this pull request removed is gone, or was changed after its access had ended. There is nothing left to do here."); err != nil {
			return fmt.Errorf("close the revert pull request %d: %w", row.Number, err)
		}
	}
	return t.Ledger.PutRevert(ctx, row)
}

// Tend looks after every open pull request: what people did is noted, what is no
// longer right is updated or closed, what may be merged is merged.
func (t *Tender) Tend(ctx context.Context) error {
	open, err := t.Ledger.Reverts(ctx, StateOpen)
	if err != nil {
		return err
	}
	var errs *multierror.Error
	for _, row := range open {
		if isReview(row.Key) {
			continue // see Recertify
		}
		if err := t.tend(ctx, row); err != nil {
			errs = multierror.Append(errs, fmt.Errorf("revert pull request %d: %w", row.Number, err))
		}
	}
	return errs.ErrorOrNil()
}

func (t *Tender) tend(ctx context.Context, row ledger.Revert) error {
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
	requests, err := t.Ledger.RevertRequests(ctx, row.Key)
	if err != nil {
		return err
	}
	ended := removable(requests)
	paths := make([]string, 0, len(ended))
	for _, e := range ended {
		paths = append(paths, e.row.Path)
	}
	if slices.Sort(paths); !slices.Equal(paths, row.Paths) {
		return t.Open(ctx, row.Key)
	}
	return t.merge(ctx, row)
}

// merge merges what is still exactly the bot's own commit, when that is
// configured. A forge that does not let us leaves it to people.
func (t *Tender) merge(ctx context.Context, row ledger.Revert) error {
	if !t.Merge {
		return nil
	}
	err := t.Forge.Merge(ctx, row.Number, row.HeadSHA, row.Paths)
	switch {
	case errors.Is(err, forge.ErrChanged):
		t.Log.Warn("a revert pull request was changed by somebody else; it is left to people", "pull", row.Number)
		return nil
	case err != nil:
		t.Log.Warn("a revert pull request could not be merged; it is tried again", "pull", row.Number, "error", err)
		return nil
	}
	row.State = StateMerged
	t.Log.Info("revert pull request is merged", "pull", row.Number)
	return t.Ledger.PutRevert(ctx, row)
}

// ended is a request whose file is to be removed.
type ended struct {
	row  ledger.Request
	last policy.Version
}

// removable returns the requests whose file is still on the branch as it was when
// the access ended. One that was edited since is somebody's work: it is left.
func removable(requests []ledger.Request) []ended {
	var out []ended
	for _, r := range requests {
		var rec policy.Record
		if !r.Live || json.Unmarshal(r.Body, &rec) != nil || len(rec.Versions) == 0 {
			continue
		}
		last := rec.Versions[len(rec.Versions)-1]
		if last.SeenAt.After(r.EndedAt) {
			continue
		}
		out = append(out, ended{r, last})
	}
	slices.SortFunc(out, func(a, b ended) int { return strings.Compare(a.row.Path, b.row.Path) })
	return out
}
