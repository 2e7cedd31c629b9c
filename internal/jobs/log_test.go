package jobs

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
)

func TestWhatStoppingCutsShortIsNotLoggedAsAnError(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(quieter{slog.NewTextHandler(&out, nil)})
	log.ErrorContext(t.Context(), "broken")
	log.InfoContext(t.Context(), "everyday news")
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	log.ErrorContext(stopped, "cut short")
	if got := out.String(); !strings.Contains(got, "level=ERROR msg=broken") || strings.Contains(got, "news") || strings.Contains(got, "cut short") {
		t.Errorf("got %s", got)
	}
}
