package grants

import "time"

// Schedule is a recurring window: each start that Cron names in Timezone opens
// an occurrence that lasts Duration of elapsed time.
type Schedule struct {
	Cron     string        `json:"cron"`     // five fields, no @ and no TZ inside
	Timezone string        `json:"timezone"` // IANA name; empty: UTC
	Duration time.Duration `json:"duration"` // nanoseconds
}
