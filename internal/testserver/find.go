package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Find returns the path of a program that a package of the system installs. Where it
// is missing the test is left out, or fails with REQUIRE_SERVERS=1.
func Find(t testing.TB, program, from string) string {
	t.Helper()
	if p, err := exec.LookPath(program); err == nil {
		if p, err = filepath.Abs(p); err == nil {
			return p
		}
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		p := filepath.Join(dir, program)
		if st, err := os.Stat(p); err == nil && !st.IsDir() {
			return p
		}
	}
	missing(t, "REQUIRE_SERVERS", program+" is not installed (package "+from+"); run scripts/setup")
	return ""
}

// Built returns the directory that scripts/build-NAME fills. Where it has not run yet
// the test is left out, or fails with REQUIRE_BUILT=1.
func Built(t testing.TB, name string) string {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("testserver: no source to find the scripts by")
	}
	script := filepath.Join(filepath.Dir(here), "..", "..", "scripts", "build-"+name)
	out, err := exec.Command(script, "--path").Output()
	if err != nil {
		t.Fatalf("%s --path: %v", script, err)
	}
	dir := strings.TrimSpace(string(out))
	if _, err := os.Stat(dir); err != nil {
		missing(t, "REQUIRE_BUILT", name+" is not built; run make test-connectors")
	}
	return dir
}

// missing leaves the test out unless the environment forbids it. What has to be built
// first is run by a command of its own, so leaving it out is no gap elsewhere.
func missing(t testing.TB, require, what string) {
	t.Helper()
	if os.Getenv(require) == "1" {
		t.Fatal(what)
	}
	if require == "REQUIRE_BUILT" {
		what = "does not apply: " + what
	}
	t.Skip(what)
}
