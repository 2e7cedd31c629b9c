package schema_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tenure-dev/tenure/schema"
)

// allocated returns the bytes that f allocates in total. It is an upper bound
// of what f holds at any moment, and does not depend on the machine's speed.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// deep nests one thing n times within a field of a person.
func deep(open, inner, end string, n int) []byte {
	return []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: alice\nlabels: " + strings.Repeat(open, n) + inner + strings.Repeat(end, n) + "\n")
}

func aliasBomb() []byte {
	var b strings.Builder
	b.WriteString("apiVersion: tenure.dev/v1\nkind: Person\nname: alice\nlabels:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&b, "  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return []byte(b.String())
}

// stairs nests mappings by indentation alone.
func stairs(n int) []byte {
	var b strings.Builder
	b.WriteString("apiVersion: tenure.dev/v1\nkind: Person\nname: alice\nlabels:\n")
	for i := range n {
		b.WriteString(strings.Repeat(" ", i+1) + "k:\n")
	}
	return []byte(b.String())
}

func TestHostileFilesAreRefusedInBoundedMemory(t *testing.T) {
	full := func(s string) []byte {
		head := "apiVersion: tenure.dev/v1\nkind: Group\nname: g\nmembers:"
		return []byte(head + strings.Repeat(s, (schema.MaxFileBytes-len(head))/len(s)))
	}
	const small, large = 4 << 20, 96 << 20
	for _, c := range []struct {
		name  string
		data  []byte
		want  string
		limit uint64
	}{
		{"alias bomb", aliasBomb(), "anchors and aliases", small},
		{"100 MB", bytes.Repeat([]byte("a: b\n"), 20<<20), "at most 262144", small},
		{"one byte too many", bytes.Repeat([]byte("#"), schema.MaxFileBytes+1), "at most 262144", small},
		{"10,000 lists in flow style", deep("[", "", "]", 10_000), "nested too deep", small},
		{"10,000 mappings in flow style", deep("{a: ", "b", "}", 10_000), "nested too deep", small},
		{"10,000 lists that never close", deep("[", "", "", 10_000), "nested too deep", small},
		{"10,000 lists in block style", deep("- ", "x", "", 10_000), "", small},
		{"10,000 lists in block style on a line of their own", []byte(strings.Repeat("- ", 10_000) + "x\n"), "nested too deep", small},
		{"600 mappings by indentation", stairs(600), "nested too deep", small},
		{"lists hidden behind quotes and comments", []byte(strings.Repeat("[ # ]\n \"]\", ']', \n", 5_000)), "nested too deep", small},
		{"keys that are lists", []byte(strings.Repeat("? ", 10_000) + "x"), "complex keys", small},
		{"NUL", []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: ali\x00ce\n"), "NUL character U+0000", small},
		{"nothing but NUL", make([]byte, schema.MaxFileBytes), "NUL character U+0000", small},
		{"control character", []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: ali\x1bce\n"), "control character U+001B", small},
		{"Latin-1", []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: jos\xe9\n"), "not UTF-8", small},
		{"UTF-16", []byte("\xff\xfea\x00p\x00i\x00"), "not UTF-8", small},
		{"overlong UTF-8", []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: a\xc0\xaf\n"), "not UTF-8", small},
		{"surrogates", []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: a\xed\xa0\x80\n"), "not UTF-8", small},
		{"random bytes that look like a program", append([]byte("\x7fELF\x02\x01\x01"), bytes.Repeat([]byte{0x90, 0xe8}, 1000)...), "", small},
		{"a list of all the file holds", full("\n- 1"), "at most 10000", large},
		{"flow list of all the file holds", append(full(" [,"), ']'), "", large},
		{"unknown keys of all the file holds", []byte("apiVersion: tenure.dev/v1\nkind: Group\n" + keys(30_000)), "more problems", large},
		{"documents of all the file holds", full("\n---\n"), "document is empty", large},
		{"a single key", full("a"), "", large},
		{"empty lines", full("\n"), "", large},
		{"comments", full("\n#"), "", large},
		{"comments with text of many bytes", full("\n- ä #ö"), "", large},
		{"one line of text of many bytes", []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: alice\nlabels: {" + strings.ReplaceAll(keys(20_000), "\n", ",ä: ,") + "}\n"), "more problems", large},
		{"quotes", full(" ''"), "", large},
		{"block scalars", full("\n- |\n x"), "", large},
		{"escapes", []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: alice\nemail: \"" + strings.Repeat(`\u00e9`, 40_000) + "\"\n"), "", large},
		{"digits", []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: alice\ngithub: {id: " + strings.Repeat("9", 200_000) + "}\n"), "not a whole number", large},
		{"duration of digits", []byte("apiVersion: tenure.dev/v1\nkind: AccessRequest\nsubject: a\nroles: [b]\nreason: x\nduration: 1" + strings.Repeat("0", 200_000) + "h\n"), "longer than can be counted", large},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f *schema.File
			used := allocated(func() { f = schema.ParseFile("people/x.yaml", c.data) })
			if !f.Broken() {
				t.Fatal("the file was accepted")
			}
			t.Logf("allocated %d KiB", used>>10)
			if used > slack*c.limit {
				t.Errorf("allocated %d MiB; at most %d are allowed", used>>20, slack*c.limit>>20)
			}
			if len(f.Problems) > 200 {
				t.Errorf("%d problems; a file lists at most 200", len(f.Problems))
			}
			var text strings.Builder
			for _, p := range f.Problems {
				text.WriteString(p.Error() + "\n")
				if len(p.Message) > 2000 {
					t.Errorf("a message has %d bytes", len(p.Message))
				}
			}
			if !strings.Contains(text.String(), c.want) {
				t.Errorf("no problem says %q:\n%.1000s", c.want, text.String())
			}
		})
	}
}

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%x: \n", i)
	}
	return b.String()
}

func TestBadPathsAreRefused(t *testing.T) {
	good := []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: alice\n")
	for _, path := range []string{
		"../people/alice.yaml", "people/../alice.yaml", "/people/alice.yaml", "people//alice.yaml", "./alice.yaml", "",
		`people\alice.yaml`, "people/ali\nce.yaml", "people/ali\x1b[2Jce.yaml", "people/ali\u202ece.yaml", "people/ali\u200bce.yaml",
		"people/\xff.yaml", strings.Repeat("d/", 600) + "alice.yaml",
	} {
		f := schema.ParseFile(path, good)
		if !f.Broken() || len(f.Docs) != 0 {
			t.Errorf("path %q was accepted", path)
		}
		if f.Path != path {
			t.Errorf("path %q became %q", path, f.Path)
		}
		for _, p := range f.Problems {
			if strings.ContainsAny(p.Error(), "\x1b\n\u202e\u200b") || !strings.Contains(p.Message, "path") {
				t.Errorf("path %q: problem is %q", path, p.Error())
			}
		}
	}
	if f := schema.ParseFile("people/Jürgen Groß/alice (old).yaml", good); f.Broken() {
		t.Errorf("an ordinary path was refused: %v", f.Problems)
	}
}

func TestIsDocument(t *testing.T) {
	for path, want := range map[string]bool{
		"people/alice.yaml": true, "alice.yml": true, "a/b/c/d.yaml": true, "a.b/c.yaml": true,
		".github/workflows/validate.yaml": false, ".hidden.yaml": false, "a/.b/c.yaml": false, "a/.c.yaml": false,
		"README.md": false, "people/alice.yaml.bak": false, "people/alice.YAML": false, "yaml": false, "": false,
	} {
		if got := schema.IsDocument(path); got != want {
			t.Errorf("IsDocument(%q) = %v", path, got)
		}
	}
}

func TestTheRestOfATreeLoadsBesideHostileFiles(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret.yaml")
	write := func(path string, data []byte) {
		t.Helper()
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, path string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	person := func(name string) []byte {
		return []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: " + name + "\n")
	}
	if err := os.WriteFile(outside, person("intruder"), 0o644); err != nil {
		t.Fatal(err)
	}
	write("people/alice.yaml", person("alice"))
	write("people/zoe.yaml", person("zoe"))
	write("people/bomb.yaml", aliasBomb())
	write("people/deep.yaml", deep("[", "", "]", 10_000))
	write("people/nul.yaml", []byte("name: \x00"))
	write("people/latin.yaml", []byte("name: jos\xe9"))
	write(".hidden/x.yaml", []byte("not a document"))
	write("people/back\\slash.yaml", person("slash"))
	big, err := os.Create(filepath.Join(dir, "people", "big.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := big.Truncate(100 << 20); err != nil {
		t.Fatal(err)
	}
	big.Close()
	link(outside, "people/linked.yaml")
	link(filepath.Dir(outside), "linked")
	link("nowhere.yaml", "people/broken.yaml")
	link("../people/alice.yaml", "people/inside.yaml")

	var tree *schema.Tree
	used := allocated(func() { tree = schema.LoadFS(os.DirFS(dir)) })
	if used > slack*8<<20 {
		t.Errorf("allocated %d MiB", used>>20)
	}
	if len(tree.People) != 2 || tree.People["alice"] == nil || tree.People["zoe"] == nil {
		t.Errorf("people are %v; want alice and zoe", tree.People)
	}
	refused := map[string]bool{}
	for _, p := range tree.Problems {
		refused[p.Pos.File] = true
	}
	for _, path := range []string{
		"people/bomb.yaml", "people/deep.yaml", "people/nul.yaml", "people/latin.yaml", "people/back\\slash.yaml",
		"people/big.yaml", "people/linked.yaml", "linked", "people/broken.yaml", "people/inside.yaml",
	} {
		if !refused[path] {
			t.Errorf("%s has no problem", path)
		}
	}
	if refused[".hidden/x.yaml"] {
		t.Error("a hidden directory was read")
	}
}

func TestAMissingDirectoryIsAProblem(t *testing.T) {
	tree := schema.LoadFS(os.DirFS(filepath.Join(t.TempDir(), "nowhere")))
	if len(tree.Problems) != 1 || !strings.Contains(tree.Problems[0].Message, "cannot be read") {
		t.Errorf("problems are %v", tree.Problems)
	}
}

// A file of the largest size whose every name is dangling must not list the
// whole tree for each of them.
func TestDanglingNamesAreReportedInBoundedMemory(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: tenure.dev/v1\nkind: Group\nname: g\nmembers:\n")
	for i := range 9_900 {
		fmt.Fprintf(&b, "- m%d\n", i)
	}
	fsys := fstest.MapFS{"groups/g.yaml": {Data: []byte(b.String())}}
	for i := range 500 {
		name := fmt.Sprintf("p%d", i)
		fsys["people/"+name+".yaml"] = &fstest.MapFile{Data: []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: " + name + "\n")}
	}
	var tree *schema.Tree
	used := allocated(func() { tree = schema.LoadFS(fsys) })
	if used > slack*128<<20 {
		t.Errorf("allocated %d MiB", used>>20)
	}
	if n := len(tree.Problems); n < 100 || n > 200 {
		t.Errorf("%d problems", n)
	}
}

// Checking requests must not cost the size of the groups that may approve them:
// what a role needs is worked out once.
func TestRequestsAreCheckedInMemoryThatDoesNotDependOnGroups(t *testing.T) {
	var files []*schema.File
	add := func(path, text string) {
		files = append(files, schema.ParseFile(path, []byte("apiVersion: tenure.dev/v1\n"+text)))
	}
	var members []string
	for i := range 1000 {
		name := fmt.Sprintf("p%d", i)
		members = append(members, name)
		add("people/"+name+".yaml", "kind: Person\nname: "+name+"\n")
	}
	add("groups/all.yaml", "kind: Group\nname: all\nmembers: ["+strings.Join(members, ", ")+"]\n")
	add("targets/db.yaml", "kind: Target\nname: db\nconnector: postgres\nallow: [{role: r}]\n")
	add("roles/r.yaml", "kind: Role\nname: r\nentitlements: [{target: db, role: r}]\nrequesters: [all]\nmaxDuration: 8h\napprovals: [{from: [all, subject.manager], count: 2}]\nrequire: {ticket: '^INC-[0-9]+$'}\n")
	for i := range 2000 {
		add(fmt.Sprintf("requests/%d.yaml", i), fmt.Sprintf("kind: AccessRequest\nsubject: p%d\nroles: [r]\nreason: x\nticket: INC-1\nduration: 1h\n", i%1000))
	}
	var tree *schema.Tree
	used := allocated(func() { tree = schema.NewTree(files) })
	t.Logf("allocated %d KiB", used>>10)
	if len(tree.Problems) > 0 {
		t.Fatal(tree.Problems[0].Error())
	}
	if used > slack*24<<20 {
		t.Errorf("allocated %d MiB for 2,000 requests", used>>20)
	}
}
