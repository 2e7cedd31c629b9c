package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/source"
	"github.com/tenure-dev/tenure/schema"
)

// A forge shows a file that goes away and a new one that is much like it as one
// file that was renamed, and of that only the lines that differ. What nobody
// approved before nobody would be asked about then.

// hides returns the path of a file that a pull request takes away and that a forge
// may show in place of a new file's content; empty: none. Files that were in force,
// as configuration or as a proven request, were shown when they were approved.
func (in *Intake) hides(ctx context.Context, r *run, trusted map[string]string, blob string) (string, error) {
	if err := in.lostUnapproved(ctx, r, trusted); err != nil {
		return "", err
	}
	for _, path := range slices.Sorted(maps.Keys(r.unapproved)) {
		if schema.IsDocument(path) {
			return path, nil
		}
		like, err := in.alike(r.unapproved[path], blob)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		if like {
			return path, nil
		}
	}
	return "", nil
}

// lostUnapproved finds, once a run, the files that it takes away and that no approval
// covers: path → blob before the run.
func (in *Intake) lostUnapproved(ctx context.Context, r *run, trusted map[string]string) error {
	if r.unapproved != nil {
		return nil
	}
	lost := map[string]string{}
	for path, blob := range r.stood {
		if blob == "" || r.left[path] != "" || trusted[path] == blob {
			continue
		}
		ok, err := in.wasProven(ctx, r, path, blob)
		if err != nil {
			return err
		}
		if !ok {
			lost[path] = blob
		}
	}
	r.unapproved = lost
	return nil
}

// wasProven reports whether a request file that a run took away was in force with
// the bytes that stood there before.
func (in *Intake) wasProven(ctx context.Context, r *run, path, blob string) (bool, error) {
	if !schema.IsDocument(path) {
		return false, nil
	}
	rows, err := in.cfg.Ledger.RequestByPath(ctx, path)
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		rec := new(policy.Record)
		if err := json.Unmarshal(row.Body, rec); err != nil {
			return false, fmt.Errorf("ledger row of %s: %w", row.ID, err)
		}
		if !r.commits[rec.GoneIn] {
			continue
		}
		for i, v := range rec.Versions {
			if v.Blob == blob && in.inForce(rec, i) {
				return true, nil
			}
		}
	}
	return false, nil
}

// alike reports whether a forge may take two files for one: Git does from half of the
// bytes on, counted by lines, and some way below that is near enough.
func (in *Intake) alike(old, blob string) (bool, error) {
	const most = 4 * schema.MaxFileBytes // a larger one is no quarter of any document
	a, err := in.cfg.Source.Read(old, most)
	if errors.Is(err, source.ErrTooLarge) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	b, err := in.cfg.Source.Read(blob, schema.MaxFileBytes)
	if err != nil {
		return false, err
	}
	return 4*shared(a, b) >= max(len(a), len(b)), nil
}

// shared counts the bytes of the pieces that two files have in common, a piece being
// a line or 64 bytes of a longer one.
func shared(a, b []byte) (n int) {
	count := map[string]int{}
	for piece := range pieces(a) {
		count[piece]++
	}
	for piece := range pieces(b) {
		if count[piece] > 0 {
			count[piece]--
			n += len(piece) + 1
		}
	}
	return n
}

func pieces(text []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line := range bytes.Lines(text) {
			for chunk := range slices.Chunk(bytes.TrimRight(line, "\r\n"), 64) {
				if !yield(string(chunk)) {
					return
				}
			}
		}
	}
}
