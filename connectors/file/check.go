package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tenure-dev/tenure/grants"
)

// Check reports what would keep the next change from being written.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	if _, err := c.Observe(ctx, scope); err != nil {
		errs = append(errs, err)
	}
	f, err := os.CreateTemp(filepath.Dir(c.path), "."+filepath.Base(c.path)+".tenure-*.tmp")
	if err != nil {
		errs = append(errs, c.wrap("missing right: create files in the directory", err))
	} else {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	for name, command := range map[string][]string{"validate": c.validate, "reload": c.reload} {
		if len(command) == 0 {
			continue
		}
		if _, err := exec.LookPath(command[0]); err != nil {
			errs = append(errs, fmt.Errorf("%s: setting %s: %w", c.target, name, err))
		} else if name == "validate" {
			if err := c.checkStanding(ctx); err != nil {
				errs = append(errs, c.wrap("check", err))
			}
		}
	}
	for _, e := range scope {
		// The account stands for any; only the group is asked about.
		p := pair{Account: "a"}
		if e, err := pairOf(grants.Grant{Entitlement: e}); err == nil {
			p.Group = e.Group
		}
		if err := c.format.check(p); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", c.target, e, err))
		}
	}
	if st, err := c.readState(); err == nil && st.ReloadOwed {
		errs = append(errs, c.wrap("reload", errors.New("the last one failed, so that the target may not know the file's present content")))
	}
	return errs
}
