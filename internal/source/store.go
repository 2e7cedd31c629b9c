package source

import (
	"bytes"
	"crypto/sha1" // Git's own checksum of a pack
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// objectCache bounds the memory for objects that are read again, such as trees
// and the bases of deltas.
const objectCache = 32 * cache.MiByte

// openStore opens a bare repository and creates what is missing of it. A store
// is not safe for use by several goroutines.
func openStore(dir string) (*filesystem.Storage, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRU(objectCache), filesystem.Options{KeepDescriptors: true})
	if err := s.Init(); err != nil {
		return nil, err
	}
	return s, nil
}

// headOf returns the commit that the copy has of a branch; "" when it has none.
func headOf(s *filesystem.Storage, ref plumbing.ReferenceName) (string, error) {
	r, err := s.Reference(ref)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return r.Hash().String(), nil
}

// verify reports what is wrong with a copy: a pack that is not what was
// downloaded, or an object of the head's tree that is missing.
func verify(dir string, ref plumbing.ReferenceName) (err error) {
	packs, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
	if err != nil {
		return err
	}
	for _, p := range packs {
		if err := verifyPack(p); err != nil {
			return err
		}
	}
	s, err := openStore(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	head, err := headOf(s, ref)
	if err != nil || head == "" {
		return err
	}
	err = walk(s, head, func(e treeEntry) error {
		if e.mode == Submodule {
			return nil
		}
		if err := s.HasEncodedObject(e.hash); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		return nil
	})
	if errors.Is(err, ErrMalformed) {
		return nil // so it is on the remote, too
	}
	return err
}

// verifyPack compares a pack with the checksum at its end. Nothing is synced to
// disk while fetching, so this is what finds the traces of a power loss.
func verifyPack(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() < sha1.Size {
		return fmt.Errorf("pack %s is cut short", filepath.Base(path))
	}
	h := sha1.New()
	if _, err := io.CopyN(h, f, st.Size()-sha1.Size); err != nil {
		return err
	}
	want, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if !bytes.Equal(h.Sum(nil), want) {
		return fmt.Errorf("pack %s does not match its checksum", filepath.Base(path))
	}
	return nil
}

// countPacks returns the number of packs of a copy: every fetch adds one.
func countPacks(dir string) int {
	packs, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
	if err != nil {
		return 0
	}
	return len(packs)
}

// tidy removes what an interrupted fetch or clone left behind. One that was cut
// off between its two renames left a copy that is whole under another name.
func tidy(dir string) error {
	for _, left := range []string{dir + ".new", dir + ".old"} {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			if err := os.Rename(left, dir); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		if err := os.RemoveAll(left); err != nil {
			return err
		}
	}
	return sweep(dir)
}

func sweep(dir string) error {
	packs := filepath.Join(dir, "objects", "pack")
	entries, err := os.ReadDir(packs)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "tmp_") {
			if err := os.Remove(filepath.Join(packs, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
