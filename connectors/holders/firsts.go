package holders

import "sync"

// Firsts keeps in mind, as long as a connector lives, which thing it was that was first
// seen under a name, by the number (or another id) that stays. Things are renamed, a team even by its
// own maintainers; a revoke that looked at the name only would find nobody then. The
// zero value is ready for use.
type Firsts[K, ID comparable] struct {
	mu   sync.Mutex
	seen map[K]ID
}

// First returns the number of the thing that was first seen under a name; if there was
// none, that of the one which has it now. The zero value is no thing.
func (f *Firsts[K, ID]) First(name K, now ID) ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	var none ID
	if f.seen[name] == none && now != none {
		f.set(name, now)
	}
	return f.seen[name]
}

// Replace puts the thing that has the name now in the place of one that is gone.
func (f *Firsts[K, ID]) Replace(name K, now ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set(name, now)
}

func (f *Firsts[K, ID]) set(name K, now ID) {
	if f.seen == nil {
		f.seen = map[K]ID{}
	}
	f.seen[name] = now
}
