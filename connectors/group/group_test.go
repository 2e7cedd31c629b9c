package group

import (
	"errors"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
)

func rules() Rules {
	return Rules{MaxName: 3, CheckID: func(id string) error {
		if id != "id1" {
			return errors.New("no id")
		}
		return nil
	}}
}

func TestAnEntitlementIsANameOrAnID(t *testing.T) {
	for _, tc := range []struct {
		spec connectors.Spec
		want string // its text; "": it is refused
	}{
		{connectors.Spec{"group": "ops"}, "group=ops"},
		{connectors.Spec{"group": "é é"}, `group="\u00e9 \u00e9"`},
		{connectors.Spec{"groupId": "id1"}, "groupId=id1"},
		{connectors.Spec{"group": "long"}, ""},
		{connectors.Spec{"group": "a\n"}, ""},
		{connectors.Spec{"groupId": "id2"}, ""},
		{connectors.Spec{"groupId": ""}, ""},
		{connectors.Spec{"group": "ops", "groupId": "id1"}, ""},
		{nil, ""},
	} {
		e, err := rules().Spec(tc.spec)
		if (err == nil) != (tc.want != "") || err == nil && e.Canonical() != tc.want {
			t.Errorf("%v: %q, %v", tc.spec, e.Canonical(), err)
			continue
		}
		if err != nil {
			continue
		}
		if back, err := rules().Text(tc.want); err != nil || back != e {
			t.Errorf("%s read back is %v, %v", tc.want, back, err)
		}
	}
	for _, text := range []string{"", "group=long", "groupId=id2", "name=a", "group=ops groupId=id1", `group="ops"`} {
		if e, err := rules().Text(text); err == nil {
			t.Errorf("%s passed as %v", text, e)
		}
	}
}

func TestAListOfGroupsIsTheCeiling(t *testing.T) {
	for _, e := range []Entitlement{{Name: "ops"}, {ID: "id1"}} {
		if e.Allowed(nil) != nil || e.Allowed([]string{"ops", "id1"}) != nil || e.Allowed([]string{"Ops"}) == nil || e.In(nil) {
			t.Errorf("%s", e)
		}
	}
}
