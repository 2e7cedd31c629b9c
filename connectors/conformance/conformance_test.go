package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// memory is the smallest connector: a set behind a lock, shared by all connections.
type memory struct {
	mu   sync.Mutex
	held map[grants.Grant]bool
}

func (*memory) Name() string { return "memory" }
func (*memory) Canonical(s connectors.Spec) (string, error) {
	pairs, err := connectors.DecodeSpec(s, "group")
	return connectors.Format(pairs), err
}
func (*memory) Describe() connectors.Description {
	return connectors.Description{Settings: []byte(`{"type": "object"}`), Entitlement: []byte(`{"type": "object", "required": ["group"],
		"properties": {"group": {"type": "string"}}, "additionalProperties": false}`)}
}
func (m *memory) Open(context.Context, string, connectors.Settings) (connectors.Connector, error) {
	return m, nil
}
func (m *memory) Close() error { return nil }

func (m *memory) set(ctx context.Context, g grants.Grant, on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := connectors.DecodeEntitlement(g.Entitlement, "group"); err != nil {
		return fmt.Errorf("%s: %w", g, err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if delete(m.held, g); on {
		m.held[g] = true
	}
	return nil
}
func (m *memory) Grant(ctx context.Context, g grants.Grant, _ time.Time) error {
	return m.set(ctx, g, true)
}
func (m *memory) Revoke(ctx context.Context, g grants.Grant) error { return m.set(ctx, g, false) }
func (m *memory) Observe(ctx context.Context, scope []string) (out []grants.Grant, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range scope {
		if _, err := connectors.Parse(e); err != nil {
			return nil, err
		}
	}
	for g := range maps.Keys(m.held) {
		if slices.Contains(scope, g.Entitlement) {
			out = append(out, g)
		}
	}
	return out, ctx.Err()
}

func subject(m *memory, d connectors.Driver, open func() connectors.Connector) Subject {
	return Subject{
		Driver: d, Target: "mem",
		Open:          func(testing.TB) connectors.Connector { return open() },
		Accounts:      []string{"alice", "bob", "carol", "dave"},
		Specs:         []connectors.Spec{{"group": "a"}, {"group": "b"}},
		Absent:        connectors.Spec{"group": "absent"},
		ForeignGrant:  func(t testing.TB, g grants.Grant) { _ = m.set(t.Context(), g, true) },
		ForeignRevoke: func(t testing.TB, g grants.Grant) { _ = m.set(t.Context(), g, false) },
		Named:         func(name string) connectors.Spec { return connectors.Spec{"group": name} },
		NotApplicable: map[Case]string{
			CaseUnknownAccount: "any name is an account",
			CaseCrash:          "no server",
			CaseSessions:       "no sessions",
			CaseNativeExpiry:   "no clock",
			CaseCheck:          "no credentials",
		},
	}
}

func newMemory() *memory { return &memory{held: map[grants.Grant]bool{}} }

func TestTheMatrixGoesIntoTheFileThatIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "matrix")
	t.Setenv(MatrixFile, file)
	m := newMemory()
	want := []Matrix{}
	for range 2 {
		want = append(want, Run(t, subject(m, m, func() connectors.Connector { return m })))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []Matrix
	for line := range strings.Lines(string(data)) {
		var one Matrix
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		got = append(got, one)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the file holds %v, want %v", got, want)
	}
}

func TestMemory(t *testing.T) {
	t.Setenv(MatrixFile, "") // it is no connector of the build
	m := newMemory()
	matrix := Run(t, subject(m, m, func() connectors.Connector { return m }))
	if len(matrix.Results) != len(cases) {
		t.Errorf("%d results for %d cases", len(matrix.Results), len(cases))
	}
	for _, r := range matrix.Results {
		if (r.Outcome == "n/a") != (r.Reason != "") || r.Outcome == "fail" {
			t.Errorf("%+v", r)
		}
	}
}
