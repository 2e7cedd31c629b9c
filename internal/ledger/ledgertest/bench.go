package ledgertest

import (
	"fmt"
	"testing"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// BenchmarkCommit writes 1,000 holds and 1,000 events in one transaction.
func BenchmarkCommit(b *testing.B, back Backend) {
	l, _ := open(b, back)
	lease := acquire(b, l, "orders-db")
	var batch ledger.Batch
	for i := range 1000 {
		h := Hold("orders-db", i)
		batch.Put = append(batch.Put, h)
		batch.Events = append(batch.Events, ledger.Event{Kind: ledger.EventGranted, Target: h.Target, Account: h.Account,
			Request: h.Holders[0].Request, Data: fmt.Appendf(nil, `{"entitlement":%q,"until":%q}`, h.Entitlement, h.Until)})
	}
	for b.Loop() {
		ok(b, l.Commit(b.Context(), lease, batch))
	}
}
