package github

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/internal/forge"
)

// The branch of a key is one valid ref below our prefix, which gives the key back, so
// that no two keys share one. (No fuzz test: it would compile all that this package's
// tests link with anew, for one regular expression.)
func TestTheBranchOfAKeyIsOneValidRef(t *testing.T) {
	known := []string{"20261123T120000Z", "", "..", "a..b", "a.lock", "-x", "a/../../main", "a b", "a\nb", "a~1", "a@{0}", "é", "main", "refs/heads/main", strings.Repeat("a", 101)}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(rapid.SampledFrom(known), rapid.String(), rapid.StringMatching(`[A-Za-z0-9_./~^:@{-]{1,12}`)).Draw(t, "key")
		branch, err := forge.RevertBranch(key)
		if err != nil {
			if !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("the error repeats what it refuses: %q", err)
			}
			return
		}
		if back, ok := strings.CutPrefix(branch, forge.RevertPrefix); !ok || back != key {
			t.Fatalf("%q became %q", key, branch)
		}
		// The rules of git check-ref-format.
		for part := range strings.SplitSeq(branch, "/") {
			if part == "" || strings.HasPrefix(part, ".") || strings.HasPrefix(part, "-") || strings.HasSuffix(part, ".") || strings.HasSuffix(part, ".lock") {
				t.Fatalf("%q has the part %q", branch, part)
			}
		}
		if strings.Contains(branch, "..") || strings.Contains(branch, "@{") || strings.Count(branch, "/") != strings.Count(forge.RevertPrefix, "/") ||
			strings.ContainsFunc(branch, func(r rune) bool { return r <= ' ' || r == 0x7F || strings.ContainsRune(`~^:?*[\`, r) }) {
			t.Fatalf("%q is not a ref", branch)
		}
	})
}
