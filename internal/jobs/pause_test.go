package jobs

import (
	"testing"
	"time"
)

func TestPausesGrowToABoundAndAYearIsCovered(t *testing.T) {
	for attempt, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second,
		11: 1024 * time.Second, 12: maxPause, 100: maxPause, maxAttempts: maxPause,
	} {
		for range 100 {
			if got := pause(attempt); got < want*9/10 || got > want*11/10+1 {
				t.Errorf("attempt %d: %v, want about %v", attempt, got, want)
			}
		}
	}
	if total := maxAttempts * (maxPause * 9 / 10); total < 365*24*time.Hour {
		t.Errorf("given up after %v", total)
	}
}
