package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/evidence"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

func TestHungEvidenceLogDoesNotKeepWorkersFromOtherJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Daemon{cfg: &config.Config{Evidence: config.Evidence{File: "evidence.jsonl"}}, evidence: make(chan struct{}, 1)}
		d.evidence <- struct{}{} // another job writes, and does not come back
		began := time.Now()
		err := d.sideEffects()[reconcile.JobEvidence](t.Context(), json.RawMessage(`null`))
		if took := time.Since(began); !errors.Is(err, errEvidenceBusy) || took > evidenceWait {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

func TestEvidenceIsWrittenOnceByManyJobsAtATime(t *testing.T) {
	w := newWorld(t)
	d := w.open()
	if err := d.Engine.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	job := d.sideEffects()[reconcile.JobEvidence]
	errs := make(chan error)
	for range 8 {
		go func() { errs <- job(context.WithoutCancel(t.Context()), nil) }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(w.cfg.Evidence.File)
	w.must(err)
	if n, err := evidence.Verify(strings.NewReader(string(text))); err != nil || n == 0 || int(n) != strings.Count(string(text), "\n") {
		t.Errorf("%d entries: %v\n%s", n, err, text)
	}
}
