package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/config"
)

// FuzzParse holds that no input makes the loader panic, that problems have a
// place, and that what comes from the environment is never in an error.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	bad, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, bad...) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	const secret = "\x01s3cret-value"
	dir := f.TempDir() // relative paths lead nowhere
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(filepath.Join(dir, "reconciler.yaml"), data, func(string) (string, bool) { return secret, true })
		if err == nil {
			if c == nil || len(c.Trust.From) != 40 || c.Trust.Group == "" || c.Trust.Count < 1 || c.Poll.Text == "" {
				t.Fatalf("accepted without what is required: %v", c)
			}
			return
		}
		if strings.Contains(err.Error(), "s3cret-value") {
			t.Fatalf("a value is printed: %v", err)
		}
		var problems config.Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("%T: %v", err, err)
		}
		for _, p := range problems {
			if p.Pos.Line < 1 || p.Pos.Column < 1 || p.Message == "" {
				t.Fatalf("a problem has no place: %+v", p)
			}
		}
	})
}
