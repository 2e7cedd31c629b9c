package main

import (
	"strings"
	"testing"
)

const (
	passing = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`
	failing = `{"Action":"output","Package":"q","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"q","Test":"TestB","Output":"    b_test.go:9: got 1, want 2\n"}
{"Action":"output","Package":"q","Test":"TestB","Output":"--- FAIL: TestB (0.00s)\n"}
{"Action":"fail","Package":"q","Test":"TestB"}
{"Action":"output","Package":"q","Output":"FAIL\tq\t0.1s\n"}
{"Action":"fail","Package":"q"}
`
	skipped = `{"Action":"output","Package":"r","Test":"TestC","Output":"    c_test.go:1: PostgreSQL is not installed\n"}
{"Action":"output","Package":"r","Test":"TestC","Output":"--- SKIP: TestC (0.00s)\n"}
{"Action":"skip","Package":"r","Test":"TestC"}
`
	notHere = `{"Action":"output","Package":"r","Test":"TestD","Output":"    c_test.go:1: does not apply: runs as root\n"}
{"Action":"skip","Package":"r","Test":"TestD"}
`
	panicking = `{"Action":"output","Package":"s","Test":"TestE","Output":"panic: boom\n"}
{"Action":"fail","Package":"s"}
`
	noBuild = `{"ImportPath":"t","Action":"build-output","Output":"./t.go:1: syntax error\n"}
{"ImportPath":"t","Action":"build-fail"}
`
	noTests = `{"Action":"skip","Package":"u"}
`
)

func TestReportShowsWhatMatters(t *testing.T) {
	for name, c := range map[string]struct {
		in         string
		requireAll bool
		ok         bool
		has, hasNo string
	}{
		"passing":                {passing, true, true, "ok  \tp\t0.1s\n\n1 tests passed, 0 failed, 0 left out\nleft out: nothing\nok\n", "chatter"},
		"failing":                {passing + failing, false, false, "    b_test.go:9: got 1, want 2\n--- FAIL: TestB (0.00s)\nFAIL\tq\t0.1s\n", "=== RUN"},
		"left out":               {passing + skipped, false, true, "left out:\n  r TestC: PostgreSQL is not installed\nok\n", ""},
		"left out, all required": {passing + skipped, true, false, "REQUIRE_SERVERS=1 allows none", ""},
		"does not apply":         {passing + notHere, true, true, "r TestD: does not apply: runs as root", ""},
		"panic":                  {passing + panicking, false, false, "--- not finished: TestE\npanic: boom\n", ""},
		"does not build":         {passing + noBuild, false, false, "./t.go:1: syntax error", ""},
		"no tests in a package":  {passing + noTests, true, true, "left out: nothing", ""},
		"nothing ran":            {noTests, false, false, "no test ran", ""},
		"an error of go itself":  {"go: no such thing\n" + passing, false, true, "go: no such thing\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			ok, err := report(strings.NewReader(c.in), &out, c.requireAll)
			if err != nil {
				t.Fatal(err)
			}
			if ok != c.ok || !strings.Contains(out.String(), c.has) || (c.hasNo != "" && strings.Contains(out.String(), c.hasNo)) {
				t.Errorf("ok=%t, output:\n%s", ok, out.String())
			}
		})
	}
}
