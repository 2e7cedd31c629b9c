package source

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestPollWithNothingNewIsOneRefAdvertisement(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "1\n")
	o.push("main")
	h := newHub(t, o)
	r := open(t, Config{URL: h.url()})
	poll(t, r, c1, true)
	h.counts()
	for range 3 {
		poll(t, r, c1, false)
	}
	if got := h.counts(); got != "3 adverts, 0 fetches" {
		t.Errorf("three idle polls cost %s", got)
	}
}

func TestNewCommitCostsTheChangedFilesNotTheRepository(t *testing.T) {
	o := newOrigin(t)
	for i := range 400 {
		o.write(fmt.Sprintf("requests/%03d/r.yaml", i), strings.Repeat(fmt.Sprintf("%x", i*7919), 200))
	}
	c1 := o.commit("a.yaml", "1\n")
	o.push("main")
	h := newHub(t, o)
	r := open(t, Config{URL: h.url()})
	poll(t, r, c1, true)
	whole := h.bytes.Swap(0)
	h.counts()
	c2 := o.commit("requests/007/r.yaml", "changed\n")
	o.push("main")
	poll(t, r, c2, true)
	if got := h.counts(); got != "2 adverts, 1 fetches" {
		t.Errorf("a new commit cost %s", got)
	}
	if part := h.bytes.Load(); part*2 > whole {
		t.Errorf("one changed file cost %d bytes, the repository %d", part, whole)
	}
	changes, err := r.Changes(c2)
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) != 1 || changes[0].Path != "requests/007/r.yaml" {
		t.Errorf("changes: %+v", changes)
	}
}

func TestForcePushIsRecognised(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "1\n")
	c2 := o.commit("a.yaml", "2\n")
	o.push("main")
	r := open(t, Config{URL: "file://" + o.bare})
	poll(t, r, c2, true)
	o.git("reset", "-q", "--hard", c1)
	c3 := o.commit("a.yaml", "3\n")
	o.push("--force", "main")
	poll(t, r, c3, true)
	if _, err := r.FirstParents(c2, c3); !errors.Is(err, ErrNotOnHistory) {
		t.Errorf("a rewritten branch: %v", err)
	}
	if _, err := r.Changes(c2); err != nil {
		t.Errorf("what was accepted before can no longer be read: %v", err)
	}
}

func TestBranchMovedBackIsRecognised(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "1\n")
	c2 := o.commit("a.yaml", "2\n")
	o.push("main")
	r := open(t, Config{URL: "file://" + o.bare})
	poll(t, r, c2, true)
	o.push("--force", c1+":main")
	poll(t, r, c1, true)
	if _, err := r.FirstParents(c2, c1); !errors.Is(err, ErrNotOnHistory) {
		t.Errorf("a branch that moved back: %v", err)
	}
	o.push("--force", c2+":main")
	poll(t, r, c2, true)
}

func TestDeletedBranchIsNoBranchAndKeepsTheCopy(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "1\n")
	o.push("main", "main:other")
	r := open(t, Config{URL: "file://" + o.bare})
	poll(t, r, c1, true)
	o.run(o.bare, "symbolic-ref", "HEAD", "refs/heads/other")
	o.push("--delete", "main")
	if _, _, err := r.Poll(t.Context()); !errors.Is(err, ErrNoBranch) || errors.Is(err, ErrUnavailable) {
		t.Errorf("deleted branch: %v", err)
	}
	if r.Head() != c1 {
		t.Errorf("head is %s, want the last known %s", r.Head(), c1)
	}
	if _, err := r.Files(c1); err != nil {
		t.Error(err)
	}
}

func TestEmptyRepositoryIsNoBranch(t *testing.T) {
	o := newOrigin(t)
	for _, url := range []string{"file://" + o.bare, newHub(t, o).url()} {
		r := open(t, Config{URL: url})
		if _, _, err := r.Poll(t.Context()); !errors.Is(err, ErrNoBranch) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestTagOfTheBranchsNameIsNotTheBranch(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "1\n")
	o.push("main")
	o.commit("a.yaml", "2\n")
	o.git("tag", "main")
	o.push("refs/tags/main")
	r := open(t, Config{URL: "file://" + o.bare})
	poll(t, r, c1, true)
}

func TestNetworkTroubleIsUnavailableAndKeepsTheCopy(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "1\n")
	o.push("main")
	h := newHub(t, o)
	dir := t.TempDir()
	r := open(t, Config{URL: h.url(), Dir: dir})
	poll(t, r, c1, true)
	for _, status := range []int64{401, 403, 404, 500, 502} {
		h.status.Store(status)
		if _, _, err := r.Poll(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("HTTP %d: %v", status, err)
		}
	}
	h.Close()
	if _, _, err := r.Poll(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("server down: %v", err)
	}
	again := open(t, Config{URL: h.url(), Dir: dir})
	if again.Head() != c1 {
		t.Errorf("after a restart with the server down the head is %q", again.Head())
	}
	if files, err := again.Files(c1); err != nil || len(files) != 1 {
		t.Errorf("files: %v, %v", files, err)
	}
}

func TestPollEndsWithItsContext(t *testing.T) {
	o := newOrigin(t)
	o.commit("a.yaml", "1\n")
	o.push("main")
	h := newHub(t, o)
	h.block = make(chan struct{})
	r := open(t, Config{URL: h.url()})
	_, _, err := r.Poll(short(t))
	close(h.block)
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("a server that hangs: %v", err)
	}
	if _, changed, err := r.Poll(t.Context()); err != nil || !changed {
		t.Errorf("the next poll: %v, %v", changed, err)
	}
}

func TestDamagedCopyIsReplaced(t *testing.T) {
	damage := map[string]func(t *testing.T, dir string){
		"pack cut short": func(t *testing.T, dir string) {
			for _, p := range glob(t, dir, "objects/pack/*.pack") {
				must(t, os.Chmod(p, 0o600))
				must(t, os.Truncate(p, 60))
			}
		},
		"pack overwritten": func(t *testing.T, dir string) {
			for _, p := range glob(t, dir, "objects/pack/*.pack") {
				data, err := os.ReadFile(p)
				must(t, err)
				data[len(data)/2] ^= 0xff
				must(t, os.Remove(p))
				must(t, os.WriteFile(p, data, 0o600))
			}
		},
		"index gone": func(t *testing.T, dir string) {
			for _, p := range glob(t, dir, "objects/pack/*.idx") {
				must(t, os.Remove(p))
			}
		},
		"packs gone": func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, "objects"))) },
		"bad reference": func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "refs/heads/main"), []byte(strings.Repeat("1", 40)+"\n"), 0o600))
		},
	}
	for name, spoil := range damage {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t)
			o.commit("a.yaml", "1\n")
			c2 := o.commit("requests/b.yaml", strings.Repeat("some bytes that are here\n", 50))
			o.push("main")
			c := Config{URL: "file://" + o.bare, Dir: t.TempDir()}
			r := open(t, c)
			poll(t, r, c2, true)
			must(t, r.Close())
			spoil(t, filepath.Join(c.Dir, "copy.git"))
			again := open(t, c)
			if again.Head() != "" {
				t.Errorf("a damaged copy was taken for good: head %s", again.Head())
			}
			poll(t, again, c2, true)
			readAll(t, again, c2)
		})
	}
}

func TestCopyDamagedWhileRunningIsReplacedByTheNextPoll(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("requests/b.yaml", "1\n")
	o.push("main")
	dir := t.TempDir()
	r := open(t, Config{URL: "file://" + o.bare, Dir: dir})
	poll(t, r, c1, true)
	for _, p := range glob(t, filepath.Join(dir, "copy.git"), "objects/pack/*.pack") {
		must(t, os.Chmod(p, 0o600))
		must(t, os.Truncate(p, 20))
	}
	if _, err := r.Files(c1); !errors.Is(err, ErrDamaged) {
		t.Fatalf("reading a damaged copy: %v", err)
	}
	poll(t, r, c1, false)
	readAll(t, r, c1)
}

func TestManyPacksAreReplacedByOne(t *testing.T) {
	o := newOrigin(t)
	c := o.commit("a.yaml", "0\n")
	o.push("main")
	dir := t.TempDir()
	r := open(t, Config{URL: "file://" + o.bare, Dir: dir})
	r.limit = 3
	poll(t, r, c, true)
	for i := range 5 {
		c = o.commit("a.yaml", fmt.Sprintf("%d\n", i+1))
		o.push("main")
		poll(t, r, c, true)
		if n := countPacks(filepath.Join(dir, "copy.git")); n > 3 {
			t.Errorf("%d packs", n)
		}
		readAll(t, r, c)
	}
	if left := glob(t, dir, "copy.git.*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCloneThatWasCutOffLeavesACopy(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "1\n")
	o.push("main")
	for _, left := range []string{".new", ".old"} {
		c := Config{URL: "file://" + o.bare, Dir: t.TempDir()}
		r := open(t, c)
		poll(t, r, c1, true)
		must(t, r.Close())
		dir := filepath.Join(c.Dir, "copy.git")
		must(t, os.Rename(dir, dir+left))
		again := open(t, c)
		if again.Head() != c1 {
			t.Errorf("%s: head is %q", left, again.Head())
		}
		readAll(t, again, c1)
		must(t, again.Close())
		must(t, os.MkdirAll(dir+left, 0o700))
		must(t, os.WriteFile(filepath.Join(dir, "objects/pack/tmp_pack_1"), []byte("half"), 0o600))
		if again = open(t, c); again.Head() != c1 || len(glob(t, c.Dir, "copy.git.*"))+len(glob(t, dir, "objects/pack/tmp_*")) != 0 {
			t.Errorf("%s: head is %q, or something was left", left, again.Head())
		}
	}
}

func TestReadsAndPollsAtTheSameTime(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "0\n")
	o.push("main")
	r := open(t, Config{URL: newHub(t, o).url()})
	r.limit = 4
	poll(t, r, c1, true)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				head := r.Head()
				files, err := r.Files(head)
				if err != nil {
					t.Error(err)
					return
				}
				for _, f := range files {
					if _, err := r.Read(f.Blob, 1<<20); err != nil {
						t.Error(err)
						return
					}
				}
				if _, err := r.FirstParents(c1, head); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 10 {
		c := o.commit(fmt.Sprintf("f%d.yaml", i), "x\n")
		o.push("main")
		poll(t, r, c, true)
	}
	close(stop)
	wg.Wait()
}

func TestErrorsNeverCarrySecrets(t *testing.T) {
	const secret = "s3cr3t-p%40ss"
	o := newOrigin(t)
	o.commit("a.yaml", "1\n")
	o.push("main")
	h := newHub(t, o)
	h.require = "another"
	with := strings.Replace(h.url(), "http://", "http://tokenuser:"+secret+"@", 1)
	down := "http://tokenuser:" + secret + "@127.0.0.1:1/access.git"
	for _, url := range []string{with, down} {
		r := open(t, Config{URL: url})
		_, _, err := r.Poll(t.Context())
		if !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		for _, s := range []string{"s3cr3t", "tokenuser"} {
			if strings.Contains(err.Error(), s) {
				t.Errorf("%q is in: %v", s, err)
			}
		}
	}
	for _, url := range []string{"https://u:s3cr3t@exa mple.com/x", "ftp://u:s3cr3t@example.com/x", "http://u:s3cr3t@example.com/x", "https://u:s3cr3t@[::1/x"} {
		_, err := Open(t.Context(), Config{URL: url, Branch: "main", Dir: t.TempDir()})
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestCredentialsInTheURLAreUsed(t *testing.T) {
	o := newOrigin(t)
	c1 := o.commit("a.yaml", "1\n")
	o.push("main")
	h := newHub(t, o)
	h.require = "pass word"
	r := open(t, Config{URL: strings.Replace(h.url(), "http://", "http://u:pass%20word@", 1)})
	poll(t, r, c1, true)
}

func TestRedirectToAnotherHostGetsNoToken(t *testing.T) {
	o := newOrigin(t)
	o.commit("a.yaml", "1\n")
	o.push("main")
	other := newHub(t, o)
	first := http.NewServeMux()
	first.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+r.URL.RequestURI(), http.StatusMovedPermanently)
	})
	srv := serve(t, first)
	r := open(t, Config{URL: srv + "/access.git", Auth: token("t0ken")})
	_, _, _ = r.Poll(t.Context()) // whether it follows is of no interest here
	if a := other.auth.Load(); a != nil && *a != "" {
		t.Errorf("the token went to another host")
	}
}

func readAll(t *testing.T, r *Repo, commit string) {
	t.Helper()
	files, err := r.Files(commit)
	must(t, err)
	for _, f := range files {
		if _, err := r.Read(f.Blob, 1<<20); err != nil {
			t.Error(err)
		}
	}
	if len(files) == 0 {
		t.Error("no files")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func glob(t testing.TB, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	must(t, err)
	slices.Sort(found)
	return found
}
