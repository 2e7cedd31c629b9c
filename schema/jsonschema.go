package schema

import "embed"

//go:embed json/*.schema.json
var schemaFiles embed.FS

// KindDocument is the name of the JSON Schema for a document of any kind. It is
// not a kind itself.
const KindDocument = "Document"

// JSONSchema returns the JSON Schema (draft 2020-12) of a kind, or of a document
// of any kind for [KindDocument]. It reports false for an unknown kind.
func JSONSchema(kind string) ([]byte, bool) {
	data, err := schemaFiles.ReadFile("json/" + kind + ".schema.json")
	return data, err == nil
}
