package forge

import (
	"context"
	"errors"
	"slices"
)

// HeadPushes returns the part of a head branch's record that made a pull request,
// oldest first; nothing where the branch's repository or its record is gone.
func HeadPushes(ctx context.Context, r Reader, pull PullRequest) ([]Push, error) {
	if pull.HeadRepo == "" || pull.HeadRepoID == 0 {
		return nil, nil // the repository is gone, and its record with it
	}
	record, err := r.Pushes(ctx, pull.HeadRepo, pull.HeadRef)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ofPull(record, pull), nil
}

// ofPull returns the part of a head branch's record that made the pull request:
// from the creation of the branch that it was opened from, so that what was
// pushed before it was opened counts, to the merge. An entry that brought the
// final head belongs to it even when its time is later.
func ofPull(record []Push, pull PullRequest) []Push {
	from, to := 0, 0
	for i, p := range record {
		if (p.Kind == PushCreate || p.Kind == PushDelete) && !p.At.After(pull.CreatedAt) {
			from = i
		}
		if pull.MergedAt.IsZero() || !p.At.After(pull.MergedAt) || p.After == pull.HeadSHA {
			to = i + 1
		}
	}
	return slices.Clone(record[from:max(from, to)])
}
