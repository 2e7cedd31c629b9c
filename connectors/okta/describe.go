package okta

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

// preview is why this connector is not proven.
const preview = "It has not been run against an Okta organization: its tests use a stand-in that is held to Okta's published description of its API."

// Describe returns the JSON Schemas of settings and entitlements.
func (Driver) Describe() connectors.Description {
	return connectors.Description{Settings: settingsSchema, Entitlement: entitlementSchema, Preview: preview}
}
