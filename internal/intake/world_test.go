package intake

import (
	"context"
	"crypto/sha1" //nolint:gosec // blob ids of a source in memory, not a proof
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/sqlite"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/source"
)

// branch is a source in memory: a line of commits, each the whole tree.
type branch struct {
	commits []string
	trees   map[string]map[string]string // commit → path → content
	blobs   map[string]string
	reads   int
	err     error
	readErr error // of every blob
}

func (b *branch) commit(files map[string]string) string {
	hash := fmt.Sprintf("%012x%028x", len(b.trees)+1, 0)
	b.trees[hash] = files
	for _, text := range files {
		b.blobs[blob(text)] = text
	}
	b.commits = append(b.commits, hash)
	return hash
}

func blob(text string) string {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

func (b *branch) head() string { return b.commits[len(b.commits)-1] }

func (b *branch) Poll(context.Context) (string, bool, error) {
	if b.err != nil {
		return "", false, b.err
	}
	return b.head(), true, nil
}

func (b *branch) FirstParents(from, to string) ([]string, error) {
	i, j := slices.Index(b.commits, from), slices.Index(b.commits, to)
	if i < 0 && from != "" || j < i {
		return nil, source.ErrNotOnHistory
	}
	return b.commits[i+1 : j+1], nil
}

func (b *branch) Changes(commit string) ([]source.Change, error) {
	before := map[string]string{}
	if i := slices.Index(b.commits, commit); i > 0 {
		before = b.trees[b.commits[i-1]]
	}
	now := b.trees[commit]
	var out []source.Change
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if _, ok := now[path]; !ok {
			out = append(out, source.Change{Path: path, Old: entry(path, before[path])})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(now)) {
		if old, ok := before[path]; !ok || old != now[path] {
			c := source.Change{Path: path, New: entry(path, now[path])}
			if ok {
				c.Old = entry(path, old)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

func entry(path, text string) *source.Entry {
	return &source.Entry{Path: path, Blob: blob(text), Mode: source.Regular, Size: int64(len(text))}
}

func (b *branch) Files(commit string) ([]source.Entry, error) {
	var out []source.Entry
	for _, path := range slices.Sorted(maps.Keys(b.trees[commit])) {
		out = append(out, *entry(path, b.trees[commit][path]))
	}
	return out, nil
}

func (b *branch) Read(id string, _ int64) ([]byte, error) {
	b.reads++
	if b.readErr != nil {
		return nil, b.readErr
	}
	return []byte(b.blobs[id]), nil
}

// silent is a forge that says what answers holds. Beside that it answers nothing
// about requests, and of the configuration that a pull request brought it.
type silent struct {
	asked   atomic.Int64
	down    bool
	answers map[string]forge.Evidence // by path and commit
	before  string
}

func (s *silent) Repository(context.Context) (forge.Repository, error) {
	return forge.Repository{ID: 7}, nil
}

func (s *silent) Evidence(_ context.Context, id int64, in forge.Introduction) (forge.Evidence, error) {
	e, ok := s.answers[in.Path+"@"+in.Commit]
	if s.down || !ok && strings.HasPrefix(in.Path, "requests/") {
		s.asked.Add(1)
		return forge.Evidence{}, forge.ErrUnavailable
	}
	if !ok {
		e = forge.Evidence{Before: s.before, HeadBlob: in.Blob}
	}
	e.Introduction, e.RepositoryID, e.Branch = in, id, "main"
	return e, nil
}

type world struct {
	*branch
	t   *testing.T
	in  *Intake
	led *ledger.Ledger
	now time.Time
	hub *silent
	// strict: changes of the configuration have to be approved; they all are otherwise
	strict bool
}

func newWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	w := &world{
		branch: &branch{trees: map[string]map[string]string{}, blobs: map[string]string{}},
		t:      t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), hub: &silent{},
	}
	w.commit(files)
	led, err := sqlite.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "ledger.db"), func() time.Time { return w.now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = led.Close() })
	w.led = led
	w.hub.before = w.commits[0]
	w.hub.answers = map[string]forge.Evidence{}
	w.restart()
	return w
}

// restart makes a new intake on the same ledger.
func (w *world) restart() {
	w.t.Helper()
	if w.in != nil {
		if err := w.in.Close(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	var err error
	w.in, err = New(Config{
		Source: w.branch, Forge: w.hub, Ledger: w.led, TrustFrom: w.commits[0], ForgeType: "github", Host: "github.com", TrustGroup: "admins", TrustCount: 1,
		Canonical: func(_ string, spec map[string]any) (string, error) { return fmt.Sprint(spec["group"]), nil },
		Now:       func() time.Time { return w.now }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if !w.strict {
		w.in.judgeTrust = func(policy.TrustJudgement) policy.Verdict { return policy.Verdict{Proven: true, Final: true} }
	}
}

func (w *world) pass() Result {
	w.t.Helper()
	r, err := w.in.Pass(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// confirm is the command confirm.
func (w *world) confirm(commit string) []ledger.Reason {
	w.t.Helper()
	reasons, err := w.led.Confirm(w.t.Context(), commit, "olivia")
	if err != nil {
		w.t.Fatal(err)
	}
	return reasons
}

// inForce returns the paths of the configuration in force.
func (w *world) inForce() []string { return slices.Sorted(maps.Keys(w.in.view.config)) }

func with(files map[string]string, path, text string) map[string]string {
	out := maps.Clone(files)
	if text == "" {
		delete(out, path)
	} else {
		out[path] = text
	}
	return out
}

func person(name string) string {
	return "apiVersion: tenure.dev/v1\nkind: Person\nname: " + name + "\n"
}

func request(subject, duration string) string {
	return "apiVersion: tenure.dev/v1\nkind: AccessRequest\nsubject: " + subject + "\nroles: [ops]\nreason: because it is needed\nduration: " + duration + "\n"
}

var base = map[string]string{
	"people/alice.yaml": person("alice"),
	"people/bob.yaml":   person("bob"),
}
