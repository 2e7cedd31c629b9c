package plugin

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var (
	//go:embed schema/plugin.json
	messages []byte
	//go:embed schema/entitlement.json
	entitlements []byte
)

// Schema is the JSON Schema of every message, for those who write plug-ins.
func Schema() []byte { return bytes.Clone(messages) }

// EntitlementSchema is the JSON Schema of what [Canonical] takes.
func EntitlementSchema() []byte { return bytes.Clone(entitlements) }

// schemaID is the $id of the published schema; nothing is fetched from there.
const schemaID = "https://tenure.dev/schema/plugin/v1.json"

// failedAnswer is the definition of an answer of any call that failed.
const failedAnswer = "failedAnswer"

// reader holds answers to the published schema, so that what is documented and what
// is accepted are one.
type reader map[string]*jsonschema.Schema

func newReader() (r reader, err error) {
	r = reader{}
	for _, name := range []string{failedAnswer, "helloAnswer", "observeAnswer", "applyAnswer", "endSessionsAnswer", "checkAnswer"} {
		if r[name], err = compile(name); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// compile makes one definition of the published schema usable.
func compile(definition string) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(messages))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaID, doc); err != nil {
		return nil, err
	}
	return c.Compile(schemaID + "#/$defs/" + definition)
}

// read takes the answer to one request. Anything but exactly one message of the
// call, with the request's id, is an error.
func (r reader) read(text []byte, call, id string) (answer, error) {
	if len(text) > MaxAnswer {
		return answer{}, errTooLong
	}
	if !utf8.Valid(text) {
		return answer{}, errors.New("the answer is not UTF-8")
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return answer{}, errors.New("the answer is not one JSON value")
	}
	message, ok := doc.(map[string]any)
	switch {
	case !ok:
		return answer{}, errors.New("the answer is not a JSON object")
	case message["protocol"] != Protocol:
		return answer{}, fmt.Errorf("the answer is not of protocol %s", Protocol)
	case message["id"] != id:
		return answer{}, errors.New("the answer is to another request: it has another id")
	}
	want := call + "Answer"
	if _, failed := message["error"]; failed {
		want = failedAnswer
	}
	if err := r[want].Validate(doc); err != nil {
		return answer{}, fmt.Errorf("the answer is not what the protocol asks for: %w", err)
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return answer{}, errors.New("the answer cannot be read")
	}
	return a, nil
}

var errTooLong = fmt.Errorf("the answer is longer than %d bytes", MaxAnswer)
