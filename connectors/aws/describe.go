package aws

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
	return connectors.Description{
		Settings: settingsSchema, Entitlement: entitlementSchema,
		Preview: "it is tested on an emulator of AWS by a third party and on an independent evaluator of policies, and has not yet been run on AWS itself",
	}
}
