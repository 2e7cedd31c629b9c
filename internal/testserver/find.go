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
	what := program + " is not installed (package " + from + "); run scripts/setup"
	if os.Getenv("REQUIRE_SERVERS") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
	return ""
}

// Built returns the directory that scripts/build-NAME fills. What has to be built first
// is tested by a command of its own, make test-connectors, which sets REQUIRE_BUILT=1:
// elsewhere the test is left out, so that what a run tests does not depend on a cache.
func Built(t testing.TB, name string) string {
	t.Helper()
	if os.Getenv("REQUIRE_BUILT") != "1" {
		t.Skip("does not apply: " + name + " has to be built first; make test-connectors does, or scripts/build-" + name + " and REQUIRE_BUILT=1")
	}
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
		t.Fatalf("%s is not built; run scripts/build-%s", name, name)
	}
	return dir
}
