package ldap

import (
	"context"
	"fmt"
)

// nobodyUnseen is an error where an account that was not found may still be a member: by
// a DN that does not say whose it is, of an entry that is gone or hidden from us.
func (b *batch) nobodyUnseen(ctx context.Context, g group, name string) error {
	who, known := b.dark[g.dn]
	if !known {
		var err error
		if who, err = b.unseen(ctx, b.gone[g.dn]); err != nil {
			return err
		}
		b.dark[g.dn] = who
	}
	if who == "" {
		return nil
	}
	return fmt.Errorf("account %q is not found, and may be the member %q of %q, whose entry does not exist or may not be read; remove that member, or give the right to read it", name, who, g.dn)
}

// unseen returns the first of the members below accountBase whose DN does not say a name,
// and whose entry is not there, or not for us.
func (b *batch) unseen(ctx context.Context, members []string) (string, error) {
	list := map[string]dn{}
	for _, value := range members {
		if d, err := parseDN(value); err == nil && d.below(b.accountBase) && b.goneName(d) == "" {
			list[d.String()] = d
		}
	}
	names, err := b.memberNames(ctx, list)
	if err != nil {
		return "", err
	}
	for text, name := range names {
		if name != dnPrefix+text {
			continue
		}
		if e, err := b.read(ctx, text, "objectClass"); err != nil || e == nil {
			return text, err
		}
	}
	return "", nil
}
