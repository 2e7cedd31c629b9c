package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/connectors"
)

// Apply sends the acts in their order, many at once. An act that cannot be sent
// exactly keeps none of the others back.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	var list []act
	for i, a := range acts {
		one, err := toAct(i, a)
		if err != nil {
			errs[i] = fmt.Errorf("%s: %w", a.Grant, err)
			continue
		}
		list = append(list, one)
	}
	for part := range slices.Chunk(list, maxActs) {
		a, err := c.call(ctx, request{Call: callApply, Acts: part})
		if err == nil {
			err = matching(part, a.Results)
		}
		if err != nil { // what became of any of them is unknown
			for _, one := range part {
				errs[one.ID] = fmt.Errorf("%s: %w", acts[one.ID].Grant, err)
			}
			continue
		}
		for _, r := range a.Results {
			if r.Error != nil {
				errs[r.ID] = fmt.Errorf("%s: %w", acts[r.ID].Grant, c.failed(r.Error))
			}
		}
	}
	return errs
}

// matching demands one result an act: otherwise none of them can be believed.
func matching(acts []act, results []result) error {
	want := make(map[int]bool, len(acts))
	for _, a := range acts {
		want[a.ID] = true
	}
	for _, r := range results {
		if !want[r.ID] {
			return errors.New("the answer has a result of an act that was not asked for, or two of one")
		}
		delete(want, r.ID)
	}
	if len(want) > 0 {
		return fmt.Errorf("the answer lacks the results of %d acts", len(want))
	}
	return nil
}
