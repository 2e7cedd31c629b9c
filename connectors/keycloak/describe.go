package keycloak

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

// Describe returns the JSON Schemas of settings and entitlements.
func (Driver) Describe() connectors.Description {
	return connectors.Description{Settings: settingsSchema, Entitlement: entitlementSchema}
}
