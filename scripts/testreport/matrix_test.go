package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheMatrixShowsEveryCaseOfEveryConnector(t *testing.T) {
	file := filepath.Join(t.TempDir(), "matrix")
	if err := os.WriteFile(file, []byte(`{"connector":"b","results":[{"case":"one","outcome":"pass"},{"case":"two","outcome":"n/a","reason":"no clock"}]}
{"connector":"a","results":[{"case":"one","outcome":"n/a","reason":"no names"},{"case":"two","outcome":"pass"},{"case":"three","outcome":"n/a","reason":"no server"}]}
{"connector":"a","results":[{"case":"one","outcome":"pass"},{"case":"two","outcome":"fail"},{"case":"three","outcome":"n/a","reason":"no server"}]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := matrix(file, &out); err != nil {
		t.Fatal(err)
	}
	want := `
| case | a | b |
|---|---|---|
| one | pass | pass |
| two | FAIL | n/a [1] |
| three | n/a [2] | not run |

[1] b: no clock
[2] a: no server
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if err := matrix(file+"-that-is-not-there", &out); err == nil {
		t.Error("no file, and no error")
	}
}
