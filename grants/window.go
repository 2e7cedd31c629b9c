package grants

import "time"

// Window is the half-open interval [From, Until), in UTC.
type Window struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// Contains reports whether t lies in the window. Until itself does not.
func (w Window) Contains(t time.Time) bool {
	return !t.Before(w.From) && t.Before(w.Until)
}

// Empty reports whether no instant lies in the window.
func (w Window) Empty() bool { return !w.From.Before(w.Until) }

// Intersect returns the instants that lie in both windows; it may be Empty.
func (w Window) Intersect(o Window) Window {
	if o.From.After(w.From) {
		w.From = o.From
	}
	if o.Until.Before(w.Until) {
		w.Until = o.Until
	}
	return w
}
