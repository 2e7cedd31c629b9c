//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the lock that makes this process the only one that writes. The
// kernel gives it back when the process ends, however it ends. The lock is on a
// file beside the ledger, because SQLite has its own locks on the ledger itself.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another reconciler has it open; stop that one, or use a PostgreSQL ledger for several replicas")
		}
		return nil, errors.Join(fmt.Errorf("ledger %s: %w", path, err), f.Close())
	}
	return f, nil
}

// unlockFile gives the lock back. Closing alone would not, as long as a child that
// was forked and is not yet its own program has the file open too.
func unlockFile(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
