package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// MatrixFile is the environment variable that names a file to which every run adds
// its matrix, one JSON object a line.
const MatrixFile = "CONFORMANCE_MATRIX"

// Result is what became of one case.
type Result struct {
	Case    Case   `json:"case"`
	Outcome string `json:"outcome"`          // "pass", "fail" or "n/a"
	Reason  string `json:"reason,omitempty"` // of n/a
}

// Matrix is the result of a run.
type Matrix struct {
	Connector string   `json:"connector"`
	Results   []Result `json:"results"`
}

// String is one line a case, for logs and documents.
func (m Matrix) String() string {
	var b strings.Builder
	for _, r := range m.Results {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.Connector, r.Case, r.Outcome, r.Reason)
	}
	return b.String()
}

// appendTo adds the matrix in one write, as tests of several packages run at once.
func (m Matrix) appendTo(file string) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("%s: %w", MatrixFile, err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}
