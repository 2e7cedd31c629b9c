package sqlite

import (
	"net/url"
	"path/filepath"
	"testing"
	"time"
)

func TestWritesAreSyncedAndReadersCannotWrite(t *testing.T) {
	l, err := Open(t.Context(), (&url.URL{Scheme: Scheme, Path: filepath.Join(t.TempDir(), "l.db")}).String(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := l.Database().(*db)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "query_only": "0", "busy_timeout": "10000"} {
		var got string
		if err := d.write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s of the writer is %s (%v), want %s", pragma, got, err, want)
		}
	}
	if _, err := d.read.ExecContext(t.Context(), `DELETE FROM events`); err == nil {
		t.Error("a reader's connection wrote")
	}
}
