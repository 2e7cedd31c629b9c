package config_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/config"
)

func TestThePageNamesEveryKeyOfTheSchema(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]json.RawMessage
	}
	var top object
	if err := json.Unmarshal(config.Schema(), &top); err != nil {
		t.Fatal(err)
	}
	for key, raw := range top.Properties {
		var sub object
		if err := json.Unmarshal(raw, &sub); err != nil {
			t.Fatal(err)
		}
		names := []string{key}
		if len(sub.Properties) > 0 {
			names = nil
			for k := range sub.Properties {
				names = append(names, key+"."+k)
			}
		}
		if key == "targets" {
			names = []string{"targets.NAME.connector"}
		}
		for _, name := range names {
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/configuration.md does not name %s", name)
			}
		}
	}
}
