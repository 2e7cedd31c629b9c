package doctest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// touch looks at every file that a build reads, because go test keeps a result until
// a file that the test itself looked at has changed; what go build reads does not
// count.
func touch() error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a file that came and went, such as an editor's
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == ".cache" || d.Name() == "bin"):
			return filepath.SkipDir
		}
		_, _ = os.Stat(path)
		return nil
	})
}

// program builds the reconciler once and returns its directory.
var program = sync.OnceValues(func() (string, error) {
	if err := touch(); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "tenure-doctest-")
	if err != nil {
		return "", err
	}
	built = dir
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "reconciler"), "./cmd/reconciler")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build the reconciler: %w\n%s", err, out)
	}
	return dir, nil
})

var built string // directory of the program, once a test needed it; removed at the end

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// session runs the blocks of one page.
type session struct {
	t     *testing.T
	home  string            // HOME, where the session starts
	state string            // environment and directory between two blocks
	env   []string          // of every block
	forge map[string]func() // what people do on the forge, by name
	adapt func(string) string
	last  string // what the last block printed
}

func newSession(t *testing.T) *session {
	t.Helper()
	for _, tool := range []string{"bash", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is needed to run the documentation: %v", tool, err)
		}
	}
	dir, err := program()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	s := &session{t: t, home: home, state: filepath.Join(home, ".session"), adapt: func(s string) string { return s }}
	s.env = []string{
		"HOME=" + home, "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=alice", "GIT_AUTHOR_EMAIL=alice@example.com", "GIT_COMMITTER_NAME=alice", "GIT_COMMITTER_EMAIL=alice@example.com",
	}
	if err := os.WriteFile(s.state, []byte("cd "+home+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// blockTimeout bounds one block, and how long an "until" is tried.
const blockTimeout = time.Minute

func (s *session) play(blocks []block) {
	s.t.Helper()
	for i, b := range blocks {
		shown := ""
		if i+1 < len(blocks) && blocks[i+1].is("text", "output") {
			shown = blocks[i+1].text
		}
		switch {
		case b.is("sh", "run", "until"):
			s.until(b, shown)
		case b.is("sh", "run"):
			s.run(b)
			if shown != "" && !matches(s.last, shown) {
				s.t.Errorf("%s:%d: the page shows\n%s\nbut it printed\n%s", b.page, b.line, shown, s.last)
			}
		case b.is("sh", "background"):
			s.background(b)
		case b.is("sh", "forge"):
			act, ok := s.forge[b.words[1]]
			if !ok {
				s.t.Fatalf("%s:%d: nobody does %q in this test", b.page, b.line, b.words[1])
			}
			act()
		case b.value("file") != "":
			s.write(b)
		}
		if s.t.Failed() {
			s.t.FailNow()
		}
	}
}

// bash runs a block in the session and returns what it printed and how it ended.
func (s *session) bash(b block) (string, int) {
	s.t.Helper()
	script := fmt.Sprintf("set -eu -o pipefail\n. %s\n%s\n%s\n", s.state, s.adapt(b.text), s.keep())
	if b.has("exit-1") {
		script = fmt.Sprintf("set -eu -o pipefail\n. %s\n%s\nset +e\n%s", s.state, s.keep(), s.adapt(b.text))
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), blockTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Env, cmd.Dir, cmd.WaitDelay = s.env, s.home, time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil || ctx.Err() != nil {
		s.t.Fatalf("%s:%d: %v\n%s", b.page, b.line, err, out.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// keep is the script that saves the session for the next block.
func (s *session) keep() string {
	return fmt.Sprintf(`{ export -p; printf 'cd %%q\n' "$PWD"; } > %[1]s.next; mv %[1]s.next %[1]s`, s.state)
}

func (s *session) run(b block) {
	s.t.Helper()
	want := 0
	for _, w := range b.words {
		if n, ok := strings.CutPrefix(w, "exit-"); ok {
			want, _ = strconv.Atoi(n)
		}
	}
	out, code := s.bash(b)
	s.last = out
	if code != want {
		s.t.Fatalf("%s:%d: exit code %d instead of %d\n%s\n%s", b.page, b.line, code, want, b.text, out)
	}
}

func (s *session) until(b block, shown string) {
	s.t.Helper()
	if shown == "" {
		s.t.Fatalf("%s:%d: nothing says until when", b.page, b.line)
	}
	deadline := time.Now().Add(blockTimeout)
	for {
		out, _ := s.bash(b)
		if matches(out, shown) {
			s.last = out
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s:%d: not seen within %s:\n%s\nlast was\n%s", b.page, b.line, blockTimeout, shown, out)
		}
		select { // a real program is looked at
		case <-time.After(100 * time.Millisecond):
		case <-s.t.Context().Done():
			return
		}
	}
}

// background starts a block, and stops it gently when the test ends.
func (s *session) background(b block) {
	s.t.Helper()
	cmd := exec.Command("bash", "-c", fmt.Sprintf(". %s\nexec %s", s.state, s.adapt(b.text)))
	cmd.Env, cmd.Dir = s.env, s.home
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				s.t.Errorf("%s:%d: %v", b.page, b.line, err)
			}
		case <-time.After(blockTimeout):
			_ = cmd.Process.Kill()
			s.t.Errorf("%s:%d: did not end after SIGTERM: %v", b.page, b.line, <-ended)
		}
		if s.t.Failed() {
			s.t.Logf("%s:%d: what it printed:\n%s", b.page, b.line, out.String())
		}
	})
}

// write writes a block to the file that it names, relative to TENURE_DIR or HOME.
func (s *session) write(b block) {
	s.t.Helper()
	out, _ := s.bash(block{page: b.page, line: b.line, text: `printf '%s' "${TENURE_DIR:-$HOME}"`})
	file := filepath.Join(out, b.value("file"))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(s.adapt(b.text)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// tableHead is the first line of a table, which is printed on a terminal only.
var tableHead = regexp.MustCompile(`^[A-Z ]+( …)?$`)

// matches reports whether the lines of shown stand in out, in this order. White
// space counts once, … stands for anything.
func matches(out, shown string) bool {
	lines := strings.Split(out, "\n")
	for want := range strings.Lines(shown) {
		pattern := strings.Join(strings.Fields(want), " ")
		if pattern == "" || pattern == "…" || tableHead.MatchString(pattern) {
			continue
		}
		re := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), "…", ".*") + "$")
		found := false
		for len(lines) > 0 && !found {
			found = re.MatchString(strings.Join(strings.Fields(lines[0]), " "))
			lines = lines[1:]
		}
		if !found {
			return false
		}
	}
	return true
}

func TestThePagesThatNeedNoForgeRun(t *testing.T) {
	for _, page := range pages(t) {
		blocks, _ := split(t, page)
		runs, forge := false, false
		for _, b := range blocks {
			runs = runs || b.is("sh", "run")
			forge = forge || b.is("sh", "forge")
		}
		if !runs || forge {
			continue
		}
		t.Run(page, func(t *testing.T) {
			s := newSession(t)
			top, err := filepath.Abs(root)
			if err != nil {
				t.Fatal(err)
			}
			s.env = append(s.env, "TENURE_SOURCE="+top)
			s.play(blocks)
		})
	}
}
