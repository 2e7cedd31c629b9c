package schema_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/schema"
)

// sound checks what holds for every file, whatever its bytes are.
func sound(t interface {
	Helper()
	Fatalf(string, ...any)
}, data []byte) {
	t.Helper()
	const path = "people/x.yaml"
	f := schema.ParseFile(path, data)
	if f.Path != path {
		t.Fatalf("path is %q", f.Path)
	}
	if len(f.Docs) == 0 && !f.Broken() {
		t.Fatalf("no documents and no problem")
	}
	lines := bytes.Count(data, []byte("\n")) + 1
	for i, p := range f.Problems {
		if p.Pos.File != path || p.Pos.Line < 0 || p.Pos.Line > lines || p.Pos.Column < 0 || p.Pos.Column > len(data)+1 {
			t.Fatalf("problem at an impossible place: %s", p.Error())
		}
		if p.Message == "" || strings.ContainsAny(p.Message, "\x00\x1b\u202e\u200b\ufeff") {
			t.Fatalf("message is %q", p.Message)
		}
		if i > 0 && i < 199 && f.Problems[i-1].Compare(p) > 0 {
			t.Fatalf("problems are not sorted: %s before %s", f.Problems[i-1].Error(), p.Error())
		}
	}
	again := schema.ParseFile(path, data)
	if len(again.Problems) != len(f.Problems) || len(again.Docs) != len(f.Docs) {
		t.Fatalf("a second reading differs")
	}
	for i := range f.Problems {
		if f.Problems[i] != again.Problems[i] {
			t.Fatalf("a second reading differs: %s, then %s", f.Problems[i].Error(), again.Problems[i].Error())
		}
	}
	schema.NewTree([]*schema.File{f})
}

func TestNoBytesMakeTheLoaderPanic(t *testing.T) {
	var seeds [][]byte
	for _, path := range archives(t, "testdata/files/*.txtar") {
		for _, f := range archive(t, path).Files {
			seeds = append(seeds, f.Data)
		}
	}
	t.Run("random bytes", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { sound(t, rapid.SliceOf(rapid.Byte()).Draw(t, "data")) })
	})
	t.Run("mutated files", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			data := bytes.Clone(rapid.SampledFrom(seeds).Draw(t, "seed"))
			for range rapid.IntRange(1, 5).Draw(t, "changes") {
				at := rapid.IntRange(0, len(data)).Draw(t, "at")
				end := min(len(data), at+rapid.IntRange(0, 8).Draw(t, "cut"))
				var in []byte
				if rapid.Bool().Draw(t, "text") {
					in = []byte(rapid.SampledFrom([]string{"[", "]", "{", "}", ": ", "- ", "\n", "'", "\"", "#", "&a ", "*a", "!!str ", "|\n", "<<: ", "---\n", "~", "null", "true", "\x00", "ä", "${", "a", "0"}).Draw(t, "in"))
				} else {
					other := rapid.SampledFrom(seeds).Draw(t, "other")
					from := rapid.IntRange(0, len(other)).Draw(t, "from")
					in = other[from:min(len(other), from+20)]
				}
				data = append(data[:at:at], append(bytes.Clone(in), data[end:]...)...)
			}
			sound(t, data)
		})
	})
}

func FuzzParseFile(f *testing.F) {
	for _, path := range archives(f, "testdata/files/*.txtar") {
		for _, file := range archive(f, path).Files {
			f.Add(file.Data)
		}
	}
	f.Add(aliasBomb())
	f.Add(deep("[", "", "]", 40))
	f.Add(stairs(40))
	f.Fuzz(func(t *testing.T, data []byte) { sound(t, data) })
}
