package file

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// state is what is kept beside the file, in .NAME.tenure.json: only what the file
// cannot say itself. Its name has a dot, so that directories of which every file is
// read (sudoers.d) pass it over.
type state struct {
	// Versions are contents that Tenure wrote from a template, the newest last. There
	// are two while a new one is put in place, so that a crash on either side of the
	// swap leaves one that fits.
	Versions []version `json:"versions,omitempty"`

	// ReloadOwed says that the file was changed and the reload has not succeeded yet.
	ReloadOwed bool `json:"reloadOwed,omitempty"`
	// InEffect is what the file stated when the last reload succeeded, while one is
	// owed: the target may still act on it.
	InEffect []pair `json:"inEffect,omitempty"`
}

type version struct {
	SHA256 string `json:"sha256"` // of the whole file, hex
	Pairs  []pair `json:"pairs"`
}

func newVersion(content []byte, pairs []pair) version {
	sum := sha256.Sum256(content)
	return version{hex.EncodeToString(sum[:]), pairs}
}

// version returns what Tenure knows of a content, if it wrote it.
func (s *state) version(content []byte) (version, bool) {
	want := newVersion(content, nil).SHA256
	for _, v := range s.Versions {
		if v.SHA256 == want {
			return v, true
		}
	}
	return version{}, false
}

func (c *connector) statePath() string { return c.beside(".tenure.json") }

// beside names a companion of the file in the same directory.
func (c *connector) beside(suffix string) string {
	return filepath.Join(filepath.Dir(c.path), "."+filepath.Base(c.path)+suffix)
}

func (c *connector) readState() (*state, error) {
	b, err := os.ReadFile(c.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return &state{}, nil
	}
	if err != nil {
		return nil, err
	}
	s := &state{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s is damaged; move it away: %w", c.statePath(), err)
	}
	return s, nil
}

// writeState stores s durably; a state that says nothing is no file.
func (c *connector) writeState(s *state) error {
	if len(s.Versions) == 0 && !s.ReloadOwed {
		if err := os.Remove(c.statePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return syncDir(c.path)
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := c.writeTemp(append(b, '\n'), 0o600, -1, -1)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, c.statePath()); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return syncDir(c.path)
}
