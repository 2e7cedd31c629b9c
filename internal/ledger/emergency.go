package ledger

import (
	"strconv"
	"strings"
)

// The kinds of events of emergencies.
const (
	EventEmergency         = "emergency.granted"  // access before anybody approved
	EventEmergencyEnded    = "emergency.ended"    // before its window closed
	EventEmergencyReviewed = "emergency.reviewed" // people looked at it, as its roles ask
	EventEmergencyLate     = "emergency.late"     // nobody did in time
)

// emergencyPrefix begins the id of every emergency; a path in the access repository
// with it would carry an @ and a commit behind it.
const emergencyPrefix = "pull/"

// EmergencyID is the request id of a pull request's use of break-glass.
func EmergencyID(pull int) string { return emergencyPrefix + strconv.Itoa(pull) }

// IsEmergency reports whether a request id is that of a use of break-glass: pull/ and
// the number of the pull request that it was opened with. Such a request is no file
// on the branch, so there is none to remove when it ends.
func IsEmergency(id string) bool {
	return strings.HasPrefix(id, emergencyPrefix) && !strings.Contains(id, "@")
}
