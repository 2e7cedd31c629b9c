package all

import (
	"slices"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
)

func TestDriversHaveNamesOfTheirOwnAndRefuseAnEmptySpec(t *testing.T) {
	r, err := connectors.NewRegistry(Drivers()...)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(r.Names(), "postgres") || !slices.Contains(r.Names(), "file") {
		t.Errorf("%v", r.Names())
	}
	for _, d := range Drivers() {
		if e, err := d.Canonical(connectors.Spec{}); err == nil {
			t.Errorf("%s: an empty spec became %q", d.Name(), e)
		}
	}
}
