package grants

import (
	"math"
	"time"
)

// zone turns wall-clock readings into instants. A reading is written as the Unix
// seconds that the same reading would have in UTC, so that it has no gaps and no
// repeats of its own. It remembers the last offset it used; it is not safe for
// concurrent use.
type zone struct {
	loc        *time.Location
	start, end int64 // Unix seconds between which offset holds
	offset     int64 // seconds east of UTC
}

// seek makes the offset the one in force at x.
func (z *zone) seek(x int64) {
	if x >= z.start && x < z.end {
		return
	}
	t := time.Unix(x, 0).In(z.loc)
	_, offset := t.Zone()
	start, end := t.ZoneBounds()
	z.start, z.end, z.offset = math.MinInt64, math.MaxInt64, int64(offset)
	if !start.IsZero() {
		z.start = start.Unix()
	}
	if !end.IsZero() {
		z.end = end.Unix()
	}
}

// wall returns what the clock on the wall reads at x.
func (z *zone) wall(x int64) int64 {
	z.seek(x)
	return x + z.offset
}

// instant returns the first instant at which the clock on the wall has reached
// the reading: the end of the gap for a skipped one, the first of two for a
// repeated one. It never decreases as the reading grows. The offset of the
// instant is the one in z afterwards.
func (z *zone) instant(reading int64) int64 {
	const day = 24 * 60 * 60 // more than any offset: the reading lies ahead
	z.seek(reading - day)
	for {
		if x := max(reading-z.offset, z.start); x < z.end {
			return x
		}
		z.seek(z.end)
	}
}
