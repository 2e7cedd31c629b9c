package schema

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// parserDepth returns how deep the YAML parser nests the file's documents, or an
// error where it refuses them.
func parserDepth(data []byte) (depth int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("parser panics")
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := d.Decode(&n); errors.Is(err, io.EOF) {
			return depth, nil
		} else if err != nil {
			return depth, err
		}
		depth = max(depth, nodeDepth(&n))
	}
}

func nodeDepth(n *yaml.Node) int {
	deepest := 0
	for _, c := range n.Content {
		deepest = max(deepest, nodeDepth(c))
	}
	if n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode {
		deepest++
	}
	return deepest
}

// writeValue writes a random value in a random style.
func writeValue(t *rapid.T, b *strings.Builder, indent, depth int, flow bool) {
	pad := "\n" + strings.Repeat(" ", indent)
	kind := rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 8, 8, 9, 9, 9}).Draw(t, "kind")
	if depth == 0 && kind > 4 {
		kind -= 5
	}
	switch kind {
	case 0, 1:
		b.WriteString(rapid.SampledFrom([]string{"a", "b c", "x-y", "5", "~", "a#b", "http://x", "a]b", "a: ", "-x", "?x", "ä", ":x"}).Draw(t, "plain"))
	case 2:
		b.WriteString(rapid.SampledFrom([]string{"'a'", `'it''s ] } #'`, `"a \" ] { #"`, `"\\"`, "'a\n\n  b'", "\"a\n [ b\"", "\"\\\n x\"", "''"}).Draw(t, "quoted"))
	case 3:
		b.WriteString("a" + pad + " [b" + pad + " c")
	case 4:
		if flow {
			b.WriteString("z")
			return
		}
		b.WriteString(rapid.SampledFrom([]string{"|", ">", "|-", ">+", "|2", "|1-", "| # note"}).Draw(t, "block"))
		b.WriteString(strings.Repeat("\n", rapid.IntRange(1, 2).Draw(t, "blank")-1))
		for range rapid.IntRange(0, 3).Draw(t, "lines") {
			b.WriteString(pad + rapid.SampledFrom([]string{"  ", " ", "   ", ""}).Draw(t, "more") + rapid.SampledFrom([]string{"[ text", "] 'text", "- x: y", "# no comment", ""}).Draw(t, "text"))
		}
	case 5, 6:
		b.WriteString("[")
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			writeValue(t, b, indent+1, depth-1, true)
			b.WriteString(rapid.SampledFrom([]string{", ", ",", " ,\n ", ": x, ", " # ]\n, "}).Draw(t, "comma"))
		}
		b.WriteString("]")
	case 7:
		b.WriteString("{")
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			b.WriteString(rapid.SampledFrom([]string{"a: ", "'b': ", "\"c\":", "d : ", "e:\n  "}).Draw(t, "key"))
			writeValue(t, b, indent+1, depth-1, true)
			b.WriteString(rapid.SampledFrom([]string{", ", ",\n"}).Draw(t, "comma"))
		}
		b.WriteString("}")
	case 8:
		if flow {
			b.WriteString("{}")
			return
		}
		step := rapid.IntRange(0, 3).Draw(t, "step")
		for i := range rapid.IntRange(1, 3).Draw(t, "items") {
			if i > 0 || step > 0 || indent > 0 {
				b.WriteString(pad)
			}
			b.WriteString("- ")
			writeValue(t, b, indent+2, depth-1, false)
		}
	case 9:
		if flow {
			b.WriteString("[]")
			return
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "items") {
			if i > 0 || indent > 0 && rapid.Bool().Draw(t, "line") {
				b.WriteString(pad)
			}
			b.WriteString(rapid.SampledFrom([]string{"a: ", "'b': ", "c:\t", "d : ", "[e]: ", "f:"}).Draw(t, "key"))
			writeValue(t, b, indent+rapid.IntRange(0, 3).Draw(t, "step"), depth-1, false)
		}
	}
}

var fragments = []string{"[", "]", "{", "}", ",", ":", ": ", "-", "- ", "\n", "\n ", "\n  ", "'", "\"", "\\", "#", " #", "|", ">", "\n---\n", "\n...\n", "\t", "a", " ", "\r\n", "?", "ä"}

// The scan must see every level that the parser would build, or nesting could be
// hidden from it; and none besides, or ordinary files would be refused.
func TestTheScanSeesTheNestingThatTheParserBuilds(t *testing.T) {
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for i := range rapid.IntRange(1, 2).Draw(t, "documents") {
			if i > 0 {
				b.WriteString("\n---\n")
			}
			writeValue(t, &b, 0, 4, false)
		}
		text := b.String()
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			end := min(len(text), at+rapid.IntRange(0, 2).Draw(t, "cut"))
			text = text[:at] + rapid.SampledFrom(fragments).Draw(t, "fragment") + text[end:]
		}
		s := scanner{data: []byte(text), indent: -1, keyAllowed: true}
		for s.found == nil && s.next() {
		}
		if s.found != nil {
			return
		}
		depth, err := parserDepth([]byte(text))
		// A level of the scan can be two of the parser's ([a: b], or a list under
		// its key without indentation), and a block key can itself be a list.
		if depth > 2*s.peak+1 {
			t.Fatalf("the parser nests %d levels, the scan saw %d:\n%s", depth, s.peak, text)
		}
		if err != nil {
			return
		}
		accepted++
		if s.peak > depth {
			t.Fatalf("the scan saw %d levels, the parser nests %d:\n%s", s.peak, depth, text)
		}
	})
	if accepted == 0 {
		t.Error("no text was accepted by the parser; the test shows nothing")
	}
	t.Logf("%d texts were accepted by the parser", accepted)
}

func TestTheScanStopsBeforeTheParserIsFedDeepNesting(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("[", maxDepth+1),
		strings.Repeat("- ", maxDepth+1),
		strings.Repeat("[{a: ", maxDepth),
		"a: \"]\"\n" + strings.Repeat("b: [\n", 1) + strings.Repeat("'[' , [ ", maxDepth+1),
	} {
		if f := prescan([]byte(text)); f == nil || !strings.Contains(f.message, "nested too deep") {
			t.Errorf("%.40q was let through: %v", text, f)
		}
	}
	if f := prescan([]byte(strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth))); f != nil {
		t.Errorf("%d levels were refused: %v", maxDepth, f)
	}
	wide := strings.Repeat("- {a: [b, c], d: {e: f}}\n", 1000)
	if f := prescan([]byte(wide)); f != nil {
		t.Errorf("many shallow items were refused: %v", f)
	}
}
