package ledger

// The kinds of events of emergencies.
const (
	EventEmergency         = "emergency.granted"  // access before anybody approved
	EventEmergencyEnded    = "emergency.ended"    // before its window closed
	EventEmergencyReviewed = "emergency.reviewed" // people looked at it, as its roles ask
	EventEmergencyLate     = "emergency.late"     // nobody did in time
)
