//go:build !unix

package sqlite

import (
	"fmt"
	"os"
)

// lockFile refuses: without a lock that ends with the process, two reconcilers
// could write the same ledger.
func lockFile(path string) (*os.File, error) {
	return nil, fmt.Errorf("ledger %s: a SQLite ledger needs a Unix system; use a PostgreSQL ledger", path)
}

func unlockFile(f *os.File) error { return f.Close() }
