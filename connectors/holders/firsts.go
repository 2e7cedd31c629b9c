package holders

import "sync"

// Firsts keeps in mind, as long as a connector lives, which thing it was that was first
// seen under a name, by the number that stays. Things are renamed, a team even by its
// own maintainers; a revoke that looked at the name only would find nobody then. The
// zero value is ready for use.
type Firsts[K comparable] struct {
	mu   sync.Mutex
	seen map[K]int64
}

// First returns the number of the thing that was first seen under a name; if there was
// none, that of the one which has it now. Zero is no thing.
func (f *Firsts[K]) First(name K, now int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen[name] == 0 && now != 0 {
		f.set(name, now)
	}
	return f.seen[name]
}

// Replace puts the thing that has the name now in the place of one that is gone.
func (f *Firsts[K]) Replace(name K, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set(name, now)
}

func (f *Firsts[K]) set(name K, now int64) {
	if f.seen == nil {
		f.seen = map[K]int64{}
	}
	f.seen[name] = now
}
