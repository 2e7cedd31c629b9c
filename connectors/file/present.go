package file

import (
	"errors"
	"io/fs"
	"os"
)

// A file that is not there states nothing only if it never was: a share that is not
// mounted has an empty directory in its place, and what the file on it gives is back
// with the share.
var (
	errMustExist = errors.New("the file is not there, so that nobody can tell what it gives, and setting mustExist is true: " +
		"mount or restore it; if it is new, or was deleted on purpose, make an empty file in its place")
	errVanished = errors.New("the file was there before and is gone, so that nobody can tell what it gives: " +
		"mount or restore it; if it was deleted on purpose, make an empty file in its place, or restart the reconciler without it")
)

// stat returns nil for a file that does not exist and need not. That the file was
// there is known to this connector only, and to no other after a restart.
func (c *connector) stat() (os.FileInfo, error) {
	info, err := os.Lstat(c.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.mustExist:
		return nil, errMustExist
	case errors.Is(err, fs.ErrNotExist) && c.seen.Load():
		return nil, errVanished
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, errors.New("is a symbolic link; name the file itself, so that nobody can send the writes elsewhere")
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	}
	c.seen.Store(true)
	return info, nil
}
