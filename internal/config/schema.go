package config

import (
	"bytes"
	_ "embed"
)

//go:embed schema.json
var schemaJSON []byte

// Schema returns the JSON Schema of reconciler.yaml, for editors. It describes the
// form; what [Load] checks beyond it needs the environment and the files.
func Schema() []byte { return bytes.Clone(schemaJSON) }
