package gitea

import (
	"context"
	"slices"

	"github.com/tenure-dev/tenure/connectors/holders"
)

// cleanRenamed takes a thing from accounts that have another name than when they were
// granted it. Their access went with them; a revoke that names the old one must end it.
func (c *connector) cleanRenamed(ctx context.Context, t holders.Thing[held], revoked []holders.Revoked) error {
	var now []held
	for i, m := range revoked {
		if m.Found {
			continue
		}
		name, err := c.renamed(ctx, m.Account)
		if err != nil {
			revoked[i].Err = err
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
		k := slices.IndexFunc(now, func(h held) bool { return h.login == name && h.Has(m.Level) })
		if k >= 0 {
			revoked[i].Err = t.Revoke(ctx, now[k])
		}
	}
	return nil
}
