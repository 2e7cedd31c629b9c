package jobs

import (
	"encoding/json"
	"time"

	"github.com/riverqueue/river"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// args is what River stores of a job. One type serves all kinds: the kind is a
// value here, and River's own column.
type args struct {
	kind  string
	Key   string          `json:"key,omitempty"`
	Token string          `json:"token,omitempty"`
	Args  json.RawMessage `json:"args,omitempty"`
}

// Kind implements river.JobArgs.
func (a args) Kind() string { return a.kind }

// Params translates jobs of the ledger for River's insert. Jobs are never
// unique for River: the ledger has its own keys, which a running job does not
// block.
func Params(queued []ledger.QueuedJob) []river.InsertManyParams {
	out := make([]river.InsertManyParams, 0, len(queued))
	for _, q := range queued {
		opts := &river.InsertOpts{MaxAttempts: maxAttempts}
		// A job with a time waits for River's scheduler, seconds, even when that
		// time is past. River's clock is the machine's.
		if q.RunAt.After(time.Now()) {
			opts.ScheduledAt = q.RunAt
		}
		out = append(out, river.InsertManyParams{
			Args:       args{kind: q.Kind, Key: q.Key, Token: q.Token, Args: q.Args},
			InsertOpts: opts,
		})
	}
	return out
}
