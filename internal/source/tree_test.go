package source

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestChangesAreExactAndAgainstTheFirstParent(t *testing.T) {
	o := newOrigin(t)
	o.write("keep.yaml", "same\n")
	o.write("move.yaml", "a file long enough to be taken for a rename\n")
	o.write("dir", "a file that becomes a directory\n")
	o.write("edit/x.yaml", "1\n")
	root := o.commit("gone/deep/y.yaml", "y\n")
	o.git("rm", "-q", "-r", "gone", "dir")
	o.git("mv", "move.yaml", "moved.yaml")
	o.write("dir/inside.yaml", "i\n")
	must(t, os.Chmod(filepath.Join(o.work, "keep.yaml"), 0o755))
	second := o.commit("edit/x.yaml", "2\n")
	o.git("checkout", "-q", "-b", "side")
	side := o.commit("side.yaml", "s\n")
	o.git("checkout", "-q", "-b", "third", second)
	third := o.commit("third.yaml", "t\n")
	o.git("checkout", "-q", "main")
	o.git("merge", "-q", "--no-ff", "-m", "Octopus", "side", "third")
	octopus := o.git("rev-parse", "HEAD")
	o.push("main")
	r := open(t, Config{URL: "file://" + o.bare})
	poll(t, r, octopus, true)

	for commit, want := range map[string][]string{
		root:    {"+dir", "+edit/x.yaml", "+gone/deep/y.yaml", "+keep.yaml", "+move.yaml"},
		second:  {"-dir", "+dir/inside.yaml", "~edit/x.yaml", "-gone/deep/y.yaml", "~keep.yaml file>executable", "-move.yaml", "+moved.yaml"},
		octopus: {"+side.yaml", "+third.yaml"},
	} {
		changes, err := r.Changes(commit)
		must(t, err)
		if got := describe(changes); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", o.git("log", "-1", "--format=%s", commit), got, want)
		}
	}
	if parents, err := r.Parents(octopus); err != nil || !slices.Equal(parents, []string{second, side, third}) {
		t.Errorf("parents of the octopus: %v, %v", parents, err)
	}
	if parents, err := r.Parents(root); err != nil || len(parents) != 0 {
		t.Errorf("parents of the root: %v, %v", parents, err)
	}
	for from, want := range map[string][]string{"": {root, second, octopus}, root: {second, octopus}, second: {octopus}, octopus: nil} {
		if got, err := r.FirstParents(from, octopus); err != nil || !slices.Equal(got, want) {
			t.Errorf("first parents from %q: %v, %v", from, got, err)
		}
	}
	if _, err := r.FirstParents(side, octopus); !errors.Is(err, ErrNotOnHistory) {
		t.Errorf("a merged side branch is not first-parent history: %v", err)
	}
}

func describe(changes []Change) (out []string) {
	for _, c := range changes {
		switch {
		case c.Old == nil:
			out = append(out, "+"+c.Path)
		case c.New == nil:
			out = append(out, "-"+c.Path)
		case c.Old.Mode != c.New.Mode:
			out = append(out, fmt.Sprintf("~%s %s>%s", c.Path, c.Old.Mode, c.New.Mode))
		default:
			out = append(out, "~"+c.Path)
		}
	}
	return out
}

func TestChangesAgreeWithFilesOnRandomHistories(t *testing.T) {
	o := newOrigin(t)
	var commits []string
	for i := range 30 {
		for j := range 3 {
			p := fmt.Sprintf("d%d/e%d/f%d.yaml", (i*7+j)%4, (i*3+j)%3, (i+j*5)%5)
			if (i+j)%4 == 0 {
				_ = os.Remove(filepath.Join(o.work, p))
			} else {
				o.write(p, fmt.Sprint(i*j))
			}
		}
		commits = append(commits, o.commit("n", fmt.Sprint(i)))
	}
	o.push("main")
	r := open(t, Config{URL: "file://" + o.bare})
	poll(t, r, commits[len(commits)-1], true)
	state := map[string]Entry{}
	for _, c := range commits {
		changes, err := r.Changes(c)
		must(t, err)
		for _, ch := range changes {
			if old, ok := state[ch.Path]; ok != (ch.Old != nil) || ok && old != *ch.Old {
				t.Fatalf("%s: old side of %s is %+v, it was %+v", c, ch.Path, ch.Old, old)
			}
			delete(state, ch.Path)
			if ch.New != nil {
				state[ch.Path] = *ch.New
			}
		}
		files, err := r.Files(c)
		must(t, err)
		want := slices.SortedFunc(maps.Values(state), func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
		if !slices.Equal(files, want) {
			t.Fatalf("%s: files and changes disagree", c)
		}
		if got, want := len(files), len(strings.Split(o.git("ls-tree", "-r", "--name-only", c), "\n")); got != want {
			t.Fatalf("%s: %d files, git sees %d", c, got, want)
		}
	}
}

func TestSymlinksAndSubmodulesAreToldFromFiles(t *testing.T) {
	o := newOrigin(t)
	o.write("real.yaml", "kind: Role\n")
	must(t, os.Symlink("../../etc/passwd", filepath.Join(o.work, "link.yaml")))
	o.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("ab", 20)+",sub")
	o.git("add", "real.yaml", "link.yaml")
	o.git("commit", "-q", "-m", "Odd entries")
	c := o.git("rev-parse", "HEAD")
	o.push("main")
	r := open(t, Config{URL: "file://" + o.bare})
	poll(t, r, c, true)
	files, err := r.Files(c)
	must(t, err)
	want := []Entry{
		{Path: "link.yaml", Blob: o.git("rev-parse", "HEAD:link.yaml"), Mode: Symlink, Size: 16},
		{Path: "real.yaml", Blob: o.git("rev-parse", "HEAD:real.yaml"), Mode: Regular, Size: 11},
		{Path: "sub", Blob: strings.Repeat("ab", 20), Mode: Submodule},
	}
	if !slices.Equal(files, want) {
		t.Errorf("got  %+v\nwant %+v", files, want)
	}
	if _, err := r.Read(strings.Repeat("ab", 20), 100); !errors.Is(err, ErrUnknown) {
		t.Errorf("reading a submodule: %v", err)
	}
	poll(t, r, c, false) // and that is no damage
	if f, err := r.Lookup(c, "real.yaml"); err != nil || f != want[1] {
		t.Errorf("lookup: %+v, %v", f, err)
	}
	for _, p := range []string{"", "none", "real.yaml/x", "sub/x", "link.yaml/passwd", "/real.yaml"} {
		if _, err := r.Lookup(c, p); !errors.Is(err, ErrUnknown) {
			t.Errorf("lookup of %q: %v", p, err)
		}
	}
}

func TestReadRefusesWhatIsTooLarge(t *testing.T) {
	o := newOrigin(t)
	c := o.commit("big.yaml", strings.Repeat("x", 1000))
	o.push("main")
	r := open(t, Config{URL: "file://" + o.bare})
	poll(t, r, c, true)
	blob := o.git("rev-parse", "HEAD:big.yaml")
	if data, err := r.Read(blob, 1000); err != nil || len(data) != 1000 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := r.Read(blob, 999); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a byte too many: %v", err)
	}
	for _, odd := range []string{c, "", blob[:10], strings.ToUpper(blob), strings.Repeat("0", 40)} {
		if _, err := r.Read(odd, 1000); !errors.Is(err, ErrUnknown) {
			t.Errorf("reading %q as a blob: %v", odd, err)
		}
	}
	for _, odd := range []string{blob, "main", c[:12], strings.Repeat("1", 40)} {
		if _, err := r.Files(odd); !errors.Is(err, ErrUnknown) {
			t.Errorf("files of %q: %v", odd, err)
		}
		if _, err := r.FirstParents("", odd); !errors.Is(err, ErrUnknown) {
			t.Errorf("history of %q: %v", odd, err)
		}
	}
}

func TestTwoEntriesOfOneNameAreRefused(t *testing.T) {
	o := newOrigin(t)
	o.commit("a.yaml", "1\n")
	blob := o.git("rev-parse", "HEAD:a.yaml")
	raw := ""
	for range 2 {
		raw += "100644 a.yaml\x00" + hexBytes(t, blob)
	}
	file := filepath.Join(t.TempDir(), "tree")
	must(t, os.WriteFile(file, []byte(raw), 0o600))
	tree := o.git("hash-object", "-t", "tree", "-w", "--literally", file)
	c := o.git("commit-tree", "-m", "Two of a name", tree)
	o.push(c + ":refs/heads/odd")
	r := open(t, Config{URL: "file://" + o.bare, Branch: "odd"})
	poll(t, r, c, true)
	if _, err := r.Files(c); !errors.Is(err, ErrMalformed) || errors.Is(err, ErrDamaged) {
		t.Errorf("files of a malformed tree: %v", err)
	}
	if _, err := r.Changes(c); !errors.Is(err, ErrMalformed) || errors.Is(err, ErrDamaged) {
		t.Errorf("changes of a malformed tree: %v", err)
	}
	poll(t, r, c, false)
	must(t, r.Close())
	if again := open(t, r.cfg); again.Head() != c {
		t.Error("a malformed tree was taken for a damaged copy")
	}
}

func TestUnusualModesAreReadAsGitReadsThem(t *testing.T) {
	o := newOrigin(t)
	o.commit("a.yaml", "1\n")
	blob, sub := o.git("rev-parse", "HEAD:a.yaml"), o.git("rev-parse", "HEAD^{tree}")
	raw := ""
	for _, e := range [][3]string{
		{"100600", "a", blob}, {"100700", "b", blob}, {"100666", "c", blob}, {"120777", "d", blob}, {"40755", "e", sub},
	} {
		raw += e[0] + " " + e[1] + "\x00" + hexBytes(t, e[2])
	}
	file := filepath.Join(t.TempDir(), "tree")
	must(t, os.WriteFile(file, []byte(raw), 0o600))
	tree := o.git("hash-object", "-t", "tree", "-w", "--literally", file)
	c := o.git("commit-tree", "-m", "Odd modes", tree)
	o.push(c + ":refs/heads/odd")
	r := open(t, Config{URL: "file://" + o.bare, Branch: "odd"})
	poll(t, r, c, true)
	files, err := r.Files(c)
	must(t, err)
	want := map[string]Mode{"a": Regular, "b": Executable, "c": Regular, "d": Symlink, "e/a.yaml": Regular}
	got := map[string]Mode{}
	for _, f := range files {
		got[f.Path] = f.Mode
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if changes, err := r.Changes(c); err != nil || len(changes) != len(want) {
		t.Errorf("%v, %v", changes, err)
	}
}

func hexBytes(t *testing.T, s string) string {
	t.Helper()
	var b []byte
	for i := 0; i < len(s); i += 2 {
		var x byte
		if _, err := fmt.Sscanf(s[i:i+2], "%02x", &x); err != nil {
			t.Fatal(err)
		}
		b = append(b, x)
	}
	return string(b)
}

func TestCommitInfoIsInUTC(t *testing.T) {
	o := newOrigin(t)
	c := o.commit("a.yaml", "1\n")
	o.push("main")
	r := open(t, Config{URL: "file://" + o.bare})
	poll(t, r, c, true)
	i, err := r.CommitInfo(c)
	must(t, err)
	want := Info{Author: "Alice <alice@example.com>", AuthorTime: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), CommitTime: time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC), Subject: "Change a.yaml"}
	if i != want {
		t.Errorf("got %+v", i)
	}
}
