package postgres

import (
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/pgtest"
)

func TestCommitsWaitForTheDiskWhateverTheServersDefault(t *testing.T) {
	s := pgtest.Start(t, "synchronous_commit=off")
	url := s.CreateDatabase(t, "ledger")
	s.Exec(t, "ledger", `ALTER DATABASE ledger SET synchronous_commit = off`, `ALTER ROLE postgres SET synchronous_commit = off`)
	l, err := Open(t.Context(), url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var got string
	if err := l.Database().(*db).pool.QueryRow(t.Context(), `SHOW synchronous_commit`).Scan(&got); err != nil || got != "on" {
		t.Errorf("synchronous_commit is %q, %v", got, err)
	}
}
