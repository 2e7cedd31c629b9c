package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/tenure-dev/tenure/internal/evidence"
)

// evidenceWait is how long a job waits for the one that writes the evidence log. A
// write takes milliseconds, unless its file hangs; then the jobs must not pile up and
// keep the others from running.
const evidenceWait = time.Second

// errEvidenceBusy makes a job come again later.
var errEvidenceBusy = errors.New("the evidence log is still being written; its file may hang")

// appendEvidence copies new events to the evidence log. Two at a time would write the
// same entries twice.
func (d *Daemon) appendEvidence(ctx context.Context) error {
	if d.cfg.Evidence.File == "" {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, evidenceWait)
	defer cancel()
	select {
	case d.evidence <- struct{}{}:
	case <-wait.Done():
		return errEvidenceBusy
	}
	defer func() { <-d.evidence }()
	return evidence.Append(ctx, d.cfg.Evidence.File, d.Ledger)
}
