package awstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/testserver"
)

// Simulator evaluates requests against policies as AWS documents it, conditions and time
// included.
type Simulator struct{ address string }

// StartSimulator starts the evaluator, which ends with the test.
func StartSimulator(t testing.TB) *Simulator {
	t.Helper()
	dir := testserver.Built(t, "iam-simulate")
	address := testserver.Address(t)
	_, port, _ := strings.Cut(address, ":")
	testserver.Start(t, testserver.Program{
		Path: testserver.Find(t, "node", "nodejs"), Args: []string{filepath.Join(dir, "server.js"), port}, Ready: testserver.Dial(address),
	})
	return &Simulator{address}
}

// Request is what somebody asks AWS for.
type Request struct {
	Principal string // ARN
	Action    string
	Resource  string
	Context   map[string]string // condition keys
	Policies  map[string]string // documents by name, of the principal
	Trust     string            // of the resource, where it has a policy of its own
}

// Allowed returns whether the policies allow the request.
func (s *Simulator) Allowed(t testing.TB, r Request) bool {
	t.Helper()
	type policy struct {
		Name   string          `json:"name"`
		Policy json.RawMessage `json:"policy"`
	}
	list := []policy{}
	for name, text := range r.Policies {
		list = append(list, policy{name, json.RawMessage(text)})
	}
	if r.Context == nil {
		r.Context = map[string]string{}
	}
	ask := map[string]any{
		"request": map[string]any{
			"principal": r.Principal, "action": r.Action, "contextVariables": r.Context,
			"resource": map[string]string{"resource": r.Resource, "accountId": Account},
		},
		"identityPolicies": list, "serviceControlPolicies": []any{}, "resourceControlPolicies": []any{},
	}
	if r.Trust != "" {
		ask["resourcePolicy"] = json.RawMessage(r.Trust)
	}
	body, err := json.Marshal(ask)
	Must(t, err)
	answer, err := http.Post("http://"+s.address, "application/json", bytes.NewReader(body))
	Must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	Must(t, err)
	var said struct{ Result string }
	if err := json.Unmarshal(text, &said); err != nil || answer.StatusCode != http.StatusOK || said.Result == "" {
		t.Fatalf("the evaluator refuses %s on %s: %s: %s", r.Action, r.Resource, answer.Status, text)
	}
	return said.Result == "Allowed"
}

// anywhere returns the policy with every Resource as "*".
func anywhere(t testing.TB, policy string) string {
	t.Helper()
	var d struct {
		Version   string
		Statement []map[string]any
	}
	Must(t, json.Unmarshal([]byte(policy), &d))
	for _, s := range d.Statement {
		s["Resource"] = "*"
	}
	text, err := json.Marshal(d)
	Must(t, err)
	return string(text)
}
