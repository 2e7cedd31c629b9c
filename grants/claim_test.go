package grants_test

import (
	"testing"

	"github.com/tenure-dev/tenure/grants"
)

func TestAClaimIsDescribedByItsFirstHolder(t *testing.T) {
	write := item("alice", "write")
	other := write
	other.Role = "another-role"
	// The second by name begins first.
	a, b := decision("a", terms(span(9, 13), write)), decision("b", terms(span(8, 13), other))
	for _, decisions := range [][]grants.Decision{{a, b}, {b, a}} {
		claims, _ := grants.Desired(decisions, hour(10))
		if len(claims) != 1 || claims[0].Item != write || len(claims[0].Holders) != 2 {
			t.Errorf("got %s", text(claims))
		}
	}
}

func TestEndingARequestEndsItsWindowThen(t *testing.T) {
	d := decision("a", terms(span(9, 13), item("alice", "write")))
	d.EndedAt = hour(11)
	claims, next := grants.Desired([]grants.Decision{d}, hour(10))
	if len(claims) != 1 || !claims[0].Until.Equal(hour(11)) || !claims[0].Holders[0].Until.Equal(hour(11)) || !next.Equal(hour(11)) {
		t.Errorf("got %s, next %v", text(claims), next)
	}
	if claims, next := grants.Desired([]grants.Decision{d}, hour(11)); len(claims) != 0 || !next.IsZero() {
		t.Errorf("once ended: %s, next %v", text(claims), next)
	}
}
