package schema_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	_ "time/tzdata"

	"golang.org/x/tools/txtar"

	"github.com/tenure-dev/tenure/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

// archive reads a txtar file of testdata.
func archive(t testing.TB, path string) *txtar.Archive {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Files) == 0 {
		t.Fatalf("%s holds no files", path)
	}
	return a
}

func archives(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return paths
}

// golden compares got with a file, or writes the file with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s:%d differs (run with -update to accept)\n got: %q\nwant: %q", path, i+1, g[min(i, len(g)-1)], w[min(i, len(w)-1)])
		}
	}
}

func TestGoodFilesHaveNoProblems(t *testing.T) {
	for _, f := range archive(t, "testdata/files/good.txtar").Files {
		file := schema.ParseFile(f.Name, f.Data)
		for _, p := range file.Problems {
			t.Error(p.Error())
		}
		if len(file.Docs) == 0 {
			t.Errorf("%s: no documents", f.Name)
		}
	}
}

func TestBadFilesAreRefusedWithPlaceAndRemedy(t *testing.T) {
	for _, path := range archives(t, "testdata/files/bad-*.txtar") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var out bytes.Buffer
			for _, f := range archive(t, path).Files {
				file := schema.ParseFile(f.Name, f.Data)
				if !file.Broken() {
					t.Errorf("%s: no problem was found", f.Name)
				}
				for _, p := range file.Problems {
					fmt.Fprintln(&out, p.Error())
					if p.Pos.Line < 1 || p.Pos.Column < 1 {
						t.Errorf("%s: problem without a place: %s", f.Name, p.Message)
					}
				}
			}
			golden(t, strings.TrimSuffix(path, ".txtar")+".golden", out.String())
		})
	}
}

func TestProblemsBetweenFiles(t *testing.T) {
	for _, path := range archives(t, "testdata/trees/*.txtar") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			fsys := fstest.MapFS{}
			for _, f := range archive(t, path).Files {
				fsys[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			var out bytes.Buffer
			for _, p := range schema.LoadFS(fsys).Problems {
				fmt.Fprintln(&out, p.Error())
			}
			golden(t, strings.TrimSuffix(path, ".txtar")+".golden", out.String())
		})
	}
}
