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

// A replica behind a cut cable must not keep its leases: keepalives find it out while
// nothing is on the way to it, the user time-out while something is.
func TestTheServerGivesUpAReplicaThatItLostSightOf(t *testing.T) {
	s := pgtest.Start(t)
	l, err := Open(t.Context(), s.CreateDatabase(t, "ledger"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := l.Database().(*db)
	if _, err := d.Lock(t.Context(), "target/db"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3", "tcp_user_timeout": "25000",
	} {
		var got string
		if err := d.leases.conn.QueryRow(t.Context(), `SHOW `+name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, want %q (%v)", name, got, want, err)
		}
	}
}
