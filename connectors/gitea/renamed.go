package gitea

import (
	"context"
	"errors"
	"slices"

	"github.com/tenure-dev/tenure/connectors/holders"
)

// cleanRenamed takes a thing from accounts that have another name than when they were
// granted it. Their access went with them; a revoke that names the old one must end it.
func (c *connector) cleanRenamed(ctx context.Context, t holders.Thing[held], revoked []holders.Revoked) error {
	var errs []error
	var now []held
	for _, m := range revoked {
		if m.Found {
			continue
		}
		name, err := c.renamed(ctx, m.Account)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if name == "" {
			continue
		}
		if now == nil {
			if now, err = t.Look(ctx); err != nil {
				return err
			}
		}
		i := slices.IndexFunc(now, func(h held) bool { return h.login == name && h.Has(m.Level) })
		if i >= 0 {
			errs = append(errs, t.Revoke(ctx, now[i]))
		}
	}
	return errors.Join(errs...)
}
