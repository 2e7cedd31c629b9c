//go:build unix

package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// BinDir returns the directory of initdb and postgres: TENURE_PG_BINDIR if it is
// set, else the newest version under /usr/lib/postgresql, else that of PATH.
func BinDir() (string, error) {
	if dir := os.Getenv("TENURE_PG_BINDIR"); dir != "" {
		if !hasServer(dir) {
			return "", fmt.Errorf("TENURE_PG_BINDIR=%s holds no initdb and postgres", dir)
		}
		return dir, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	best, bestVersion := "", -1.0
	for _, dir := range found {
		v, err := strconv.ParseFloat(filepath.Base(filepath.Dir(dir)), 64)
		if err == nil && v > bestVersion && hasServer(dir) {
			best, bestVersion = dir, v
		}
	}
	if best != "" {
		return best, nil
	}
	if p, err := exec.LookPath("initdb"); err == nil && hasServer(filepath.Dir(p)) {
		return filepath.Dir(p), nil
	}
	return "", fmt.Errorf("PostgreSQL is not installed: no initdb in /usr/lib/postgresql/*/bin, PATH or TENURE_PG_BINDIR")
}

func hasServer(dir string) bool {
	for _, p := range []string{"initdb", "postgres"} {
		if st, err := os.Stat(filepath.Join(dir, p)); err != nil || st.IsDir() {
			return false
		}
	}
	return true
}

// credential returns whom the server runs as. PostgreSQL refuses root, so root
// hands it to the user postgres or, where there is none, to nobody's number.
func credential() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	c := &syscall.Credential{Uid: 65534, Gid: 65534}
	if u, err := user.Lookup("postgres"); err == nil {
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			c.Uid, c.Gid = uint32(uid), uint32(gid)
		}
	}
	return c
}

// prepare fills the data directory: from a copy that an earlier run kept in the
// user's cache directory, else with initdb.
func (s *Server) prepare() error {
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	if s.cred != nil {
		if err := os.Chown(s.dir, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(s.dir, "data")
	cached, err := s.cachePath()
	if err != nil {
		return s.initdb(data) // no cache directory: initdb every time
	}
	if _, err := os.Stat(cached); err == nil {
		if err := copyTree(cached, data, s.cred); err == nil {
			return nil
		}
		if err := os.RemoveAll(data); err != nil {
			return err
		}
	}
	if err := s.initdb(data); err != nil {
		return err
	}
	s.fillCache(data, cached)
	return nil
}

func (s *Server) initdb(data string) error {
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), "--no-sync", "-A", "trust",
		"-U", "postgres", "-E", "UTF8", "--locale=C", "-D", data)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = sysProcAttr(s.cred)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// cachePath names the kept copy. The directory is the user's own, so that nobody
// else can put a data directory there; the name holds the exact server version.
func (s *Server) cachePath() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(filepath.Join(s.bin, "postgres"), "--version").Output()
	if err != nil {
		return "", err
	}
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return -1
	}, string(out))
	return filepath.Join(dir, "tenure-pgtest", name), nil
}

// fillCache is a kindness to the next run: failures are of no consequence. The
// rename makes a copy appear whole or not at all, also when two fill at once.
func (s *Server) fillCache(data, cached string) {
	parent := filepath.Dir(cached)
	if os.MkdirAll(parent, 0o700) != nil {
		return
	}
	tmp, err := os.MkdirTemp(parent, "new-")
	if err != nil {
		return
	}
	defer os.RemoveAll(tmp)
	if copyTree(data, filepath.Join(tmp, "data"), nil) == nil {
		_ = os.Rename(filepath.Join(tmp, "data"), cached)
	}
}

// copyTree copies directories and regular files with their modes.
func copyTree(from, to string, cred *syscall.Credential) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			err = os.Mkdir(dst, info.Mode().Perm())
		case info.Mode().IsRegular():
			var b []byte
			if b, err = os.ReadFile(path); err == nil {
				err = os.WriteFile(dst, b, info.Mode().Perm())
			}
		default:
			err = fmt.Errorf("%s: neither a file nor a directory", path)
		}
		if err == nil && cred != nil {
			err = os.Chown(dst, int(cred.Uid), int(cred.Gid))
		}
		return err
	})
}
