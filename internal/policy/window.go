package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/schema"
)

// startOf returns when a request starts that was merged at merged; the zero time
// when that is not known.
func startOf(r *schema.AccessRequest, merged time.Time) time.Time {
	if !r.StartsAt.IsZero() {
		return r.StartsAt.UTC()
	}
	if merged.IsZero() {
		return time.Time{}
	}
	return merged.UTC()
}

// endOf returns when a request ends as a whole; the zero time when that is not
// known.
func endOf(r *schema.AccessRequest, merged time.Time) time.Time {
	switch {
	case !r.ReviewBy.IsZero():
		return r.ReviewBy.UTC()
	case !r.ExpiresAt.IsZero():
		return r.ExpiresAt.UTC()
	}
	from := startOf(r, merged)
	if from.IsZero() || r.Duration <= 0 {
		return time.Time{}
	}
	return from.Add(r.Duration)
}

// defaultMaxReview bounds standing access where a role does not say.
const defaultMaxReview = 90 * 24 * time.Hour

// maxReview is how far ahead a role lets reviewBy be.
func maxReview(r *schema.Role) time.Duration {
	if r.MaxReview > 0 {
		return r.MaxReview
	}
	return defaultMaxReview
}

// maxSpan is how long a schedule of a role may run as a whole.
func maxSpan(r *schema.Role) time.Duration {
	if r.MaxSpan > 0 {
		return r.MaxSpan
	}
	return r.MaxDuration
}

// stamp prints an instant.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// length prints a duration the way files write it: 7d, 4h, 1h30m.
func length(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
