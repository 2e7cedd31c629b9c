package github

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzBranchOf holds that the branch of a key is one valid ref below our prefix,
// which gives the key back, and that no two keys share one.
func FuzzBranchOf(f *testing.F) {
	for _, s := range []string{"20261123T120000Z", "", "..", "a..b", "a.lock", "-x", "a/../../main", "a b", "a\nb", "a~1", "a@{0}", "é", "main", "refs/heads/main", strings.Repeat("a", 101)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		branch, err := branchOf(key)
		if err != nil {
			if !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("the error repeats what it refuses: %q", err)
			}
			return
		}
		if back, ok := strings.CutPrefix(branch, branchPrefix); !ok || back != key {
			t.Fatalf("%q became %q", key, branch)
		}
		// The rules of git check-ref-format.
		for part := range strings.SplitSeq(branch, "/") {
			if part == "" || strings.HasPrefix(part, ".") || strings.HasPrefix(part, "-") || strings.HasSuffix(part, ".") || strings.HasSuffix(part, ".lock") {
				t.Fatalf("%q has the part %q", branch, part)
			}
		}
		if strings.Contains(branch, "..") || strings.Contains(branch, "@{") || strings.Count(branch, "/") != strings.Count(branchPrefix, "/") ||
			strings.ContainsFunc(branch, func(r rune) bool { return r <= ' ' || r == 0x7F || strings.ContainsRune(`~^:?*[\`, r) }) {
			t.Fatalf("%q is not a ref", branch)
		}
	})
}
