package file

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// put brings the file to what cur.doc says, if it differs: temporary file, validate,
// state, swap. It updates cur.st. before is what the file stated until now; takesAway
// says that the change gives nothing to anybody. Whether it was written unchecked is
// explained at examine.
func (c *connector) put(ctx context.Context, cur *current, before []pair, takesAway bool) (changed, unchecked bool, err error) {
	content, err := cur.doc.bytes()
	if err != nil {
		return false, false, err
	}
	if cur.content == nil && len(cur.doc.ours) == 0 || cur.content != nil && bytes.Equal(content, cur.content) {
		return false, false, nil // nothing to state makes no file
	}
	c.removeStale()
	mode, uid, gid := c.attributes(cur)
	tmp, err := c.writeTemp(content, mode, uid, gid)
	if err != nil {
		return false, false, err
	}
	defer os.Remove(tmp) // gone already if all went well
	if unchecked, err = c.examine(ctx, cur, tmp, takesAway); err != nil {
		return false, false, err
	}
	if err := c.noteChange(cur, content, before); err != nil {
		return false, false, err
	}
	if err := ctx.Err(); err != nil {
		return false, false, err
	}
	if err := os.Rename(tmp, c.path); err != nil {
		return false, false, err
	}
	c.seen.Store(true)
	return true, unchecked, syncDir(c.path)
}

// attributes are the mode and owner of the next file; -1: whoever writes it.
func (c *connector) attributes(cur *current) (mode os.FileMode, uid, gid int) {
	mode, uid, gid = c.newMode, c.uid, c.gid
	if cur.info != nil {
		if !c.forceMode {
			mode = cur.info.Mode().Perm()
		}
		if u, g, ok := ownerOf(cur.info); ok && c.uid < 0 {
			uid, gid = u, g
		}
	}
	return mode, uid, gid
}

// noteChange stores, before the swap, what must be known after a crash on either
// side of it.
func (c *connector) noteChange(cur *current, content []byte, before []pair) error {
	note := false
	if _, whole := c.format.(custom); whole {
		versions := []version{newVersion(content, sorted(cur.doc.ours))}
		if old, ok := cur.st.version(cur.content); ok && cur.content != nil && old.SHA256 != versions[0].SHA256 {
			versions = append([]version{old}, versions...)
		}
		cur.st.Versions, note = versions, true
	}
	if len(c.reload) > 0 && !cur.st.ReloadOwed {
		cur.st.ReloadOwed, cur.st.InEffect, note = true, before, true
	}
	if !note {
		return nil
	}
	return c.writeState(cur.st)
}

// doReload runs the reload command and, if it succeeds, forgets that it was owed.
func (c *connector) doReload(ctx context.Context, st *state) error {
	if err := c.run(ctx, c.timeout, c.reload, c.path); err != nil {
		return fmt.Errorf("the file is written, but the reload failed and is tried again with the next change: %w", err)
	}
	st.ReloadOwed, st.InEffect = false, nil
	return c.writeState(st)
}

// payReload reloads if an earlier run could not.
func (c *connector) payReload(ctx context.Context) error {
	if len(c.reload) == 0 {
		return nil
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := c.stat(); err != nil {
		return err
	}
	st, err := c.readState()
	if err != nil || !st.ReloadOwed {
		return err
	}
	return c.doReload(ctx, st)
}

// writeTemp writes a durable file beside the managed one, with its final mode and
// owner before anything else can open it by its final name.
func (c *connector) writeTemp(content []byte, mode os.FileMode, uid, gid int) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(c.path), "."+filepath.Base(c.path)+".tenure-*.tmp")
	if err != nil {
		return "", err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(content); err != nil {
		return "", err
	}
	if uid >= 0 || gid >= 0 {
		if err = f.Chown(uid, gid); err != nil {
			return "", err
		}
	}
	if err = f.Chmod(mode); err != nil { // after chown, which may clear bits
		return "", err
	}
	return f.Name(), f.Sync()
}

// removeStale removes temporary files that a crash left; under the lock there can be
// no others. A failure is of no consequence.
func (c *connector) removeStale() {
	entries, err := os.ReadDir(filepath.Dir(c.path))
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "."+filepath.Base(c.path)+".tenure-") && strings.HasSuffix(e.Name(), ".tmp") {
			_ = os.Remove(filepath.Join(filepath.Dir(c.path), e.Name()))
		}
	}
}

// syncDir makes a rename in the file's directory durable.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
