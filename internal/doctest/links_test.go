package doctest_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeSpan = regexp.MustCompile("`[^`]*`")
)

func TestEveryLinkWithinTheRepositoryLeadsSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		_, prose := split(t, page)
		for i, line := range prose {
			for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
				if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
					continue
				}
				file, anchor, _ := strings.Cut(m[1], "#")
				target := page
				if file != "" {
					target = path.Join(path.Dir(page), file)
				}
				if strings.HasPrefix(target, "../") {
					t.Errorf("%s:%d: %s leads out of the repository", page, i+1, m[1])
					continue
				}
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
					t.Errorf("%s:%d: %s leads nowhere", page, i+1, m[1])
					continue
				}
				if anchor != "" && !anchors(t, target)[anchor] {
					t.Errorf("%s:%d: %s has no heading #%s", page, i+1, target, anchor)
				}
			}
		}
	}
}

// anchors returns the names that the forge gives to the headings of a page.
func anchors(t *testing.T, page string) map[string]bool {
	t.Helper()
	_, prose := split(t, page)
	found := map[string]bool{}
	for _, line := range prose {
		text := strings.TrimLeft(line, "#")
		if text == line || !strings.HasPrefix(text, " ") {
			continue
		}
		found[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(text))] = true
	}
	return found
}

func TestEveryPageIsReachableFromTheIndex(t *testing.T) {
	index := read(t, "docs/README.md") + read(t, "docs/decisions/README.md")
	for _, page := range pages(t) {
		if !strings.HasPrefix(page, "docs/") || path.Base(page) == "README.md" {
			continue
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(page, "docs/"), "decisions/")
		if !strings.Contains(index, "]("+rel+")") {
			t.Errorf("docs/README.md does not link to %s", page)
		}
	}
}
