package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// The kinds of durable jobs that reconciling asks for. Their workers are
// elsewhere; none of them is ever waited for.
const (
	JobRevert = "revert.open" // open or update the revert pull request of a group
	JobNotice = "notice"      // tell people
	// JobEvidence copies new events to the evidence log. One that waits serves
	// every event until it runs.
	JobEvidence = "evidence.append"
)

func evidenceJob() ledger.Job { return ledger.Job{Kind: JobEvidence, Key: "log"} }

// RevertArgs are the arguments of JobRevert.
type RevertArgs struct {
	Key string `json:"key"`
}

// Notice tells people of one change. A list of them is the argument of JobNotice.
type Notice struct {
	Kind        string    `json:"kind"` // kind of the event
	At          time.Time `json:"at"`
	Target      string    `json:"target"`
	Account     string    `json:"account"`
	Subject     string    `json:"subject"`
	Entitlement string    `json:"entitlement"`
	Until       time.Time `json:"until,omitzero"`
	Request     string    `json:"request"`
	Reason      string    `json:"reason"`
}

func notice(kind string, h grants.Hold, c grants.Change, at time.Time) Notice {
	return Notice{Kind: kind, At: at, Target: h.Target, Account: h.Account, Subject: h.Subject,
		Entitlement: h.Entitlement, Until: h.Until, Request: requestOf(c, h), Reason: c.Reason}
}

// noticeJob puts what one step did into one job.
func noticeJob(notices []Notice) ledger.Job {
	args, _ := json.Marshal(notices) // strings and times always encode
	return ledger.Job{Kind: JobNotice, Key: fmt.Sprintf("%s/%d", notices[0].Target, notices[0].At.UnixNano()), Args: args}
}

// finish marks the requests of this target whose last window is over, and of
// which no target holds anything any more, as ended for good, and asks for the
// pull request that removes their files. Emergencies have none.
func (w *worker) finish(ctx context.Context, s *state) error {
	over := map[string]grants.Decision{}
	for _, d := range s.decisions {
		if end := d.Ends(); d.Granted && !d.Finished && !end.IsZero() && !s.now.Before(end) {
			over[d.Request] = d
		}
	}
	if len(over) == 0 {
		return nil
	}
	holds, err := w.cfg.Ledger.Holds(ctx, "")
	if err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	for _, h := range holds {
		for _, r := range h.Holders {
			delete(over, r.Request)
		}
	}
	if len(over) == 0 {
		return nil
	}
	var files, emergencies []string
	for _, id := range sortedKeys(over) {
		if ledger.IsEmergency(id) {
			emergencies = append(emergencies, id)
		} else {
			files = append(files, id)
		}
	}
	if len(emergencies) > 0 {
		if err := w.close(ctx, s, over, emergencies, ""); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return nil
	}
	key, due := w.cfg.RevertKey(s.now)
	args, _ := json.Marshal(RevertArgs{Key: key})
	return w.close(ctx, s, over, files, key, ledger.Job{Kind: JobRevert, Key: key, Args: args, RunAt: due})
}

// close records the end of requests, and the key of the pull request that removes
// their files; empty: none does.
func (w *worker) close(ctx context.Context, s *state, over map[string]grants.Decision, ids []string, key string, jobs ...ledger.Job) error {
	events := make([]ledger.Event, 0, len(ids))
	for _, id := range ids {
		data, _ := json.Marshal(map[string]any{"path": over[id].Path, "end": over[id].Ends()})
		events = append(events, ledger.Event{At: w.cfg.Clock.Now(), Kind: ledger.EventEnded, Request: id, Data: data})
		w.cfg.Log.Info("request has ended", "request", over[id].Path)
	}
	return w.cfg.Ledger.Finish(ctx, ids, s.now, key, events, append(jobs, evidenceJob()))
}
