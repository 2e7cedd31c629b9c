package schema

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// LoadFS reads all documents below the root of fsys, such as an [os.DirFS], and
// joins them to a tree. Symbolic links are never followed. Whatever cannot be
// read is a problem of the tree, and the rest of it still loads.
func LoadFS(fsys fs.FS) *Tree {
	var files []*File
	refuse := func(p, why string) { files = append(files, RefuseFile(p, why)) }
	err := fs.WalkDir(fsys, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			refuse(p, "cannot be read: "+cause(err))
			if e != nil && e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if e.IsDir() {
			if p != "." && strings.HasPrefix(e.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		link := e.Type()&fs.ModeSymlink != 0
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case link && (IsDocument(p) || path.Ext(p) == ""):
			refuse(p, "is a symbolic link, which is not followed; put the file itself here")
		case !IsDocument(p):
		case !e.Type().IsRegular():
			refuse(p, "is not a regular file; only regular files are read")
		default:
			files = append(files, readFile(fsys, p))
		}
		return nil
	})
	if err != nil {
		refuse(".", "cannot be read: "+cause(err))
	}
	return NewTree(files)
}

// readFile reads one regular file, and never more than MaxFileBytes of it.
func readFile(fsys fs.FS, p string) *File {
	if why := wrongPath(p); why != "" {
		return RefuseFile(p, why)
	}
	f, err := fsys.Open(p)
	if err != nil {
		return RefuseFile(p, "cannot be read: "+cause(err))
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > MaxFileBytes {
		return RefuseFile(p, fmt.Sprintf("file has %d bytes; at most %d are read", info.Size(), MaxFileBytes))
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return RefuseFile(p, "cannot be read: "+cause(err))
	}
	return ParseFile(p, data)
}

// cause strips the path from a file error: the problem names it already.
func cause(err error) string {
	if e, ok := err.(*fs.PathError); ok {
		return e.Err.Error()
	}
	return err.Error()
}
