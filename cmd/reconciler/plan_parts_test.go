package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger/sqlite"
)

// oneDown is a target of two hosts, of which web-2 does not answer.
type oneDown struct{ connectors.Connector }

func (oneDown) Parts(scope []string) (parts [][]string) {
	for _, e := range scope {
		parts = append(parts, []string{e})
	}
	return parts
}

func (oneDown) Observe(_ context.Context, scope []string) ([]grants.Grant, error) {
	if scope[0] == "host=web-2" {
		return nil, errors.New("web-2: connection refused")
	}
	return nil, nil
}

func TestAPlanShowsWhatCouldBeSeenOfATarget(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	led, err := sqlite.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "ledger.db"), func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	defer led.Close()
	var claims []grants.Claim
	for _, e := range []string{"host=web-1", "host=web-2"} {
		item := grants.Item{Grant: grants.Grant{Target: "web", Account: "alice", Entitlement: e}, Subject: "alice"}
		claims = append(claims, grants.Claim{Item: item, Until: at.Add(time.Hour), Holders: []grants.Holder{{Request: "requests/alice.yaml"}}})
	}
	changes, _, err := planTarget(t.Context(), led, "web", oneDown{}, nil, claims, at)
	if err == nil || len(changes) != 1 || changes[0].Op != grants.OpGrant || changes[0].Item.Entitlement != "host=web-1" {
		t.Errorf("%+v, %v", changes, err)
	}
}
