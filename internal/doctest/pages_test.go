package doctest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the top of the repository.
var root = filepath.Join("..", "..")

// block is a fenced block of a page.
type block struct {
	page  string
	line  int      // of its first line of text
	lang  string   // first word of the info string
	words []string // the others
	text  string
}

// is reports whether the words of a block begin so.
func (b block) is(lang string, words ...string) bool {
	return b.lang == lang && len(b.words) >= len(words) && slices.Equal(b.words[:len(words)], words)
}

func (b block) has(word string) bool { return slices.Contains(b.words, word) }

// value returns what follows KEY= in the words.
func (b block) value(key string) string {
	for _, w := range b.words {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			return v
		}
	}
	return ""
}

// pages returns every page of the project's own documentation, relative to root.
func pages(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// split parts a page into its fenced blocks and its prose, in which the blocks are
// empty lines, so that line numbers stay.
func split(t *testing.T, page string) (blocks []block, prose []string) {
	t.Helper()
	var open *block
	for i, line := range strings.Split(read(t, page), "\n") {
		trimmed := strings.TrimSpace(line)
		switch fence := strings.HasPrefix(trimmed, "```"); {
		case fence && open == nil:
			words := append(strings.Fields(strings.TrimLeft(trimmed, "`")), "")
			open = &block{page: page, line: i + 2, lang: words[0], words: slices.DeleteFunc(words[1:], func(w string) bool { return w == "" })}
		case fence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		default:
			prose = append(prose, line)
			continue
		}
		prose = append(prose, "")
	}
	if open != nil {
		t.Fatalf("%s:%d: the block does not end", page, open.line)
	}
	return blocks, prose
}

// section returns the lines of a page below a heading of level two, up to the next
// one.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	text := read(t, page)
	_, after, ok := strings.Cut("\n"+text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", page, heading)
	}
	before, _, _ := strings.Cut(after, "\n## ")
	return before
}

// firstColumn returns the code spans in the first column of the tables of a text,
// without the headings.
func firstColumn(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || strings.TrimSpace(cells[0]) != "" {
			continue
		}
		for i, part := range strings.Split(cells[1], "`") {
			if i%2 == 1 {
				out = append(out, part)
			}
		}
	}
	return out
}
