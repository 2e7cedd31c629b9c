package ways_test

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // many small worlds, none of them large
	goleak.VerifyTestMain(m)
}
