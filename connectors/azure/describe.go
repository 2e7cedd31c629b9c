package azure

import (
	_ "embed"

	"github.com/tenure-dev/tenure/connectors"
)

var (
	//go:embed schema/settings.json
	settingsSchema []byte
	//go:embed schema/entitlement.json
	entitlementSchema []byte
)

const preview = "it is tested against a stand-in that reads requests with Microsoft's own generated code, and has not yet run against Azure"

// Describe returns the JSON Schemas of settings and entitlements.
func (Driver) Describe() connectors.Description {
	return connectors.Description{Settings: settingsSchema, Entitlement: entitlementSchema, Preview: preview}
}
