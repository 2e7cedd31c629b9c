package doctest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// enforced finds the call that keeps an unapproved change of the configuration out.
var enforced = regexp.MustCompile(`policy\.JudgeTrust\b`)

// The most important thing that a reader can get wrong: whether changes of roles,
// groups and people need the trust group's approval.
func TestThePagesSayWhetherTheChainOfTrustIsEnforced(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "internal", "intake", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no code of internal/intake: %v", err)
	}
	in := false
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		in = in || !strings.HasSuffix(file, "_test.go") && enforced.Match(code)
	}
	for page, sentence := range map[string]string{
		"README.md":            "The chain of trust for configuration is not enforced.",
		"SECURITY.md":          "until the chain of trust for it is enforced",
		"CHANGELOG.md":         "Configuration files are trusted as they stand on the branch",
		"docs/security.md":     "Configuration is trusted as it stands on the branch.",
		"docs/architecture.md": "Where the chain of trust will live.",
		"docs/tutorial.md":     "what is not enforced yet",
	} {
		if said := strings.Contains(read(t, page), sentence); said == in {
			t.Errorf("%s says %t to %q, but intake judges configuration by the trust group: %t", page, said, sentence, in)
		}
	}
}
