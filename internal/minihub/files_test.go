package minihub_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestFilesOfAPullRequest(t *testing.T) {
	w := newWorld(t)
	dir := w.clone("root")
	for i := range 5 {
		w.write(dir, fmt.Sprintf("f%d", i), strings.Repeat(fmt.Sprintf("line %d\n", i), 20))
	}
	w.mustGit(dir, "add", "-A")
	w.mustGit(dir, "commit", "-q", "-m", "files")
	w.mustGit(dir, "push", "-q", "origin", "main")
	w.mustGit(dir, "checkout", "-q", "-b", "topic")
	w.mustGit(dir, "rm", "-q", "f0")
	w.mustGit(dir, "mv", "f1", "with space\tand tab")
	w.mustGit(dir, "rm", "-q", "f2")
	w.mustGit(dir, "config", "core.symlinks", "true")
	w.write(dir, "z", "new\n")
	w.write(dir, "bin", "\x00\x01")
	w.write(dir, "f4", "diff --git a/x b/x\n")
	w.mustGit(dir, "add", "-A")
	blob := w.mustGit(dir, "rev-parse", "HEAD:f3")
	w.mustGit(dir, "update-index", "--add", "--cacheinfo", "120000,"+blob+",f2") // a file became a link
	w.mustGit(dir, "commit", "-q", "-m", "changes")
	w.mustGit(dir, "push", "-q", "origin", "topic")
	w.as("root").do("POST", rp+"/pulls", object{"title": "t", "head": "topic", "base": "main"}, 201)

	got := map[string]string{}
	for _, f := range w.as("bob").list(rp + "/pulls/1/files") {
		patch, _ := f["patch"].(string)
		first, _, _ := strings.Cut(patch, "\n")
		got[f["filename"].(string)] = fmt.Sprintf("%v %v +%v -%v %s", f["status"], f["previous_filename"], f["additions"], f["deletions"], first)
	}
	want := map[string]string{
		"bin":                 "added <nil> +0 -0 ",
		"f0":                  "removed <nil> +0 -20 @@ -1,20 +0,0 @@",
		"f2":                  "changed <nil> +20 -20 @@ -1,20 +0,0 @@",
		"f4":                  "modified <nil> +1 -20 @@ -1,20 +1 @@",
		"with space\tand tab": "renamed f1 +0 -0 ",
		"z":                   "added <nil> +1 -0 @@ -0,0 +1 @@",
	}
	for path, w := range want {
		if got[path] != w {
			t.Errorf("%q: %q, want %q", path, got[path], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("files are %v", got)
	}
}
