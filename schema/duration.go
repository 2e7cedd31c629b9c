package schema

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

var (
	durationForm  = regexp.MustCompile(`^([1-9][0-9]*d)?([1-9][0-9]*h)?([1-9][0-9]*m)?([1-9][0-9]*s)?$`)
	durationUnits = [...]time.Duration{day, time.Hour, time.Minute, time.Second}
)

// ParseDuration reads a duration as files write it: whole numbers of d, h, m and
// s, in that order and each at most once, such as 30m, 4h, 7d or 1d12h. A day is
// 24 hours. It refuses signs, fractions, zero, and more than about 292 years.
func ParseDuration(s string) (time.Duration, error) {
	parts := durationForm.FindStringSubmatch(s)
	if s == "" || parts == nil {
		return 0, errors.New("is not a duration; write whole numbers with d, h, m, s in that order, such as 30m, 4h, 7d or 1d12h")
	}
	var total time.Duration
	for i, unit := range durationUnits {
		part := parts[i+1]
		if part == "" {
			continue
		}
		n, err := strconv.ParseInt(part[:len(part)-1], 10, 64)
		if err != nil || n > int64((math.MaxInt64-total)/unit) {
			return 0, errors.New("is longer than can be counted; the longest duration is about 292 years")
		}
		total += time.Duration(n) * unit
	}
	return total, nil
}

// FormatDuration writes d the way files do, the inverse of [ParseDuration]. Parts
// of a second are left out; zero is 0s.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	if d < 0 {
		b.WriteByte('-')
	}
	for i, unit := range durationUnits {
		if n := d / unit; n != 0 {
			fmt.Fprintf(&b, "%d%c", max(n, -n), "dhms"[i])
			d -= n * unit
		}
	}
	if b.Len() == 0 || b.String() == "-" {
		return "0s"
	}
	return b.String()
}
