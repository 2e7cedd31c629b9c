package grants

// The limits of the guard where none are configured.
const (
	DefaultMaxRemovals     = 50
	DefaultMaxRemovalRatio = 0.25
)

// ratioFloor is how many grants must be held before the ratio counts: one of two
// is half, and no accident.
const ratioFloor = 5

// GuardLimits says how much one commit may take away from one target before an
// operator has to confirm it. Zero and negative values mean the defaults.
type GuardLimits struct {
	MaxRemovals     int     // more than this many are withheld
	MaxRemovalRatio float64 // more than this part of what is held is withheld, once five are held
	// Tripped are commits that took away too much before. They stay withheld however
	// little is left of them, so that expiries never wear the guard down. May be nil.
	Tripped map[string]bool
}

// Guard parts the changes of one target into those to carry out and those to
// withhold, each in its order. Counted are the revokes that come from Git: not
// expiries, not those of a deactivated person, and not those of a confirmed commit.
// They are counted per commit, an unknown commit being one of its own; a commit with
// too many is withheld whole.
// Held is how many grants Tenure holds on the target.
func Guard(changes []Change, held int, lim GuardLimits, confirmed map[string]bool) (allowed, withheld []Change) {
	if lim.MaxRemovals <= 0 {
		lim.MaxRemovals = DefaultMaxRemovals
	}
	if !(lim.MaxRemovalRatio > 0) { // also not a number
		lim.MaxRemovalRatio = DefaultMaxRemovalRatio
	}
	counts := func(ch Change) bool {
		return ch.Op == OpRevoke &&
			ch.Cause != CauseExpired && ch.Cause != CauseDeactivated &&
			!confirmed[ch.Commit]
	}
	perCommit := map[string]int{} // looked up, never ranged over
	for _, ch := range changes {
		if counts(ch) {
			perCommit[ch.Commit]++
		}
	}
	for _, ch := range changes {
		n := perCommit[ch.Commit]
		tooMany := lim.Tripped[ch.Commit] || n > lim.MaxRemovals ||
			held >= ratioFloor && float64(n) > lim.MaxRemovalRatio*float64(held)
		if counts(ch) && tooMany {
			withheld = append(withheld, ch)
		} else {
			allowed = append(allowed, ch)
		}
	}
	return allowed, withheld
}
