package codeowners

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/schema"
)

var update = flag.Bool("update", false, "rewrite the CODEOWNERS of the example access repository")

const people = `apiVersion: tenure.dev/v1
kind: Person
name: alice
email: alice@example.com
manager: dave
github: {login: alice-gh, id: 1}
---
apiVersion: tenure.dev/v1
kind: Person
name: bob
email: bob@example.com
github: {login: bob-gh, id: 2}
---
apiVersion: tenure.dev/v1
kind: Person
name: carol
email: carol@example.com
---
apiVersion: tenure.dev/v1
kind: Person
name: dave
email: dave@example.com
github: {login: dave-gh, id: 4}
---
apiVersion: tenure.dev/v1
kind: Person
name: erin
email: erin@example.com
active: false
github: {login: erin-gh, id: 5}
`

const groups = `apiVersion: tenure.dev/v1
kind: Group
name: admins
members: [bob, carol, erin]
---
apiVersion: tenure.dev/v1
kind: Group
name: leads
members: [alice, bob]
---
apiVersion: tenure.dev/v1
kind: Group
name: team
members: [alice, bob]
---
apiVersion: tenure.dev/v1
kind: Group
name: leavers
members: [carol, erin]
`

const role = `apiVersion: tenure.dev/v1
kind: Role
name: writer
description: Write
entitlements: [{target: db, role: rw}]
requesters: [team]
maxDuration: 8h
approvals:
  - {from: [leads], count: 1}
  - {from: [subject.manager], count: 1, when: "request.startsAt > timestamp('2026-01-01T00:00:00Z')"}
`

const request = `apiVersion: tenure.dev/v1
kind: AccessRequest
subject: alice
roles: [writer]
reason: Because of a test
duration: 1h
`

func treeOf(t *testing.T, files map[string]string) *schema.Tree {
	t.Helper()
	all := map[string]string{
		"people/all.yaml": people, "groups/all.yaml": groups, "roles/writer.yaml": role,
		"targets/db.yaml": "apiVersion: tenure.dev/v1\nkind: Target\nname: db\nconnector: postgres\nallow: [{role: rw}]\n",
	}
	for path, text := range files {
		all[path] = text
	}
	var parsed []*schema.File
	for path, text := range all {
		parsed = append(parsed, schema.ParseFile(path, []byte(text)))
	}
	tree := schema.NewTree(parsed)
	for _, p := range tree.Problems {
		if !p.Warning {
			t.Fatal(p)
		}
	}
	return tree
}

func generate(t *testing.T, files map[string]string) *File {
	t.Helper()
	f, err := Generate(treeOf(t, files), "admins")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// ownersOf is whom GitHub asks: of all rules that match, the last one counts.
func ownersOf(t *testing.T, f *File, path string) []string {
	t.Helper()
	for _, r := range slices.Backward(f.Rules) {
		exact, err := PatternOf(path)
		if err != nil {
			t.Fatal(err)
		}
		if r.Pattern == "*" || r.Pattern == exact || strings.HasSuffix(r.Pattern, "/") && strings.HasPrefix("/"+path, r.Pattern) {
			return r.Owners
		}
	}
	return nil
}

func TestTheRightPeopleAreAsked(t *testing.T) {
	f := generate(t, map[string]string{
		"requests/2026/alice.yaml": request, "elsewhere/bob.yaml": strings.Replace(request, "subject: alice", "subject: bob", 1),
		"requests/team.yaml": "apiVersion: tenure.dev/v1\nkind: Group\nname: hidden\nmembers: [alice]\n",
	})
	for path, want := range map[string]string{
		"roles/writer.yaml":            "@bob-gh",                    // the trust group, without who has no login or is not active
		"README.md":                    "@bob-gh",                    // and all else
		".github/CODEOWNERS":           "@bob-gh",                    // this file too
		".github/workflows/check.yaml": "@bob-gh",                    //
		"requests/team.yaml":           "@bob-gh",                    // configuration, wherever it lies
		"requests/2026/new.yaml":       "@alice-gh @bob-gh @dave-gh", // who can approve some role
		"requests/2026/alice.yaml":     "@bob-gh @dave-gh",           // not alice herself
		"elsewhere/bob.yaml":           "@alice-gh",                  // bob has no manager
	} {
		if got := strings.Join(ownersOf(t, f, path), " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if want := []string{"people/all.yaml:14:1: carol has no login on github and is left out"}; !slices.Equal(f.Warnings, want) {
		t.Errorf("warnings %q, want %q", f.Warnings, want)
	}
}

func TestARequestThatNobodyOnTheForgeCanApproveGoesToTheTrustGroup(t *testing.T) {
	f := generate(t, map[string]string{
		"roles/writer.yaml":   strings.Replace(role[:strings.Index(role, "  - {from: [subject")], "leads", "carol", 1),
		"requests/alice.yaml": request,
	})
	if got := ownersOf(t, f, "requests/alice.yaml"); !slices.Equal(got, []string{"@bob-gh"}) {
		t.Errorf("asked: %v", got)
	}
	if got := ownersOf(t, f, "requests/new.yaml"); !slices.Equal(got, []string{"@bob-gh"}) {
		t.Errorf("asked for new ones: %v", got)
	}
}

func TestATrustGroupThatCannotBeAskedIsAnError(t *testing.T) {
	for _, group := range []string{"nobody", "leavers"} {
		if f, err := Generate(treeOf(t, nil), group); err == nil {
			t.Errorf("%s: %s", group, f.Bytes())
		}
	}
}

func TestAllPathsThatCannotBeWrittenAreNamed(t *testing.T) {
	_, err := Generate(treeOf(t, map[string]string{"requests/a#1.yaml": request, "requests/[b].yaml": request, "requests/c d.yaml": request}), "admins")
	if err == nil || !strings.Contains(err.Error(), "a#1") || !strings.Contains(err.Error(), "[b]") || strings.Contains(err.Error(), "c d") {
		t.Errorf("got %v", err)
	}
}

func TestTooLargeAFileIsAnError(t *testing.T) {
	files := map[string]string{}
	for i := range 3600 {
		files["requests/"+strings.Repeat("x", 850)+string(rune('a'+i%26))+strings.Repeat("y", i/26)+".yaml"] = request
	}
	if f, err := Generate(treeOf(t, files), "admins"); err == nil || !strings.Contains(err.Error(), "GitHub reads at most 3145728") {
		t.Errorf("%d bytes: %v", len(f.Bytes()), err)
	}
}

func TestTheTextSaysTheRulesAndIsTheSameEveryTime(t *testing.T) {
	files := map[string]string{"requests/a b.yaml": request, "requests/2026/alice.yaml": request}
	f := generate(t, files)
	rules, problems := Parse(f.Bytes())
	if len(problems) > 0 || len(Diff(rules, f.Rules)) > 0 {
		t.Errorf("read back: %v %v", problems, Diff(rules, f.Rules))
	}
	if !strings.HasPrefix(string(f.Bytes()), "# Generated by `reconciler codeowners --write`; do not edit.\n") {
		t.Errorf("the file does not say what made it:\n%s", f.Bytes())
	}
	for range 20 {
		if again := generate(t, files); !bytes.Equal(again.Bytes(), f.Bytes()) {
			t.Fatalf("another text:\n%s\n%s", f.Bytes(), again.Bytes())
		}
	}
}

func TestTheExampleIsUpToDate(t *testing.T) {
	const dir = "../../examples/access-repo"
	f, err := Generate(schema.LoadFS(os.DirFS(dir)), "admins")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, filepath.FromSlash(Places()[0]))
	if *update {
		if err := os.WriteFile(file, f.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, f.Bytes()) || len(f.Warnings) > 0 {
		t.Errorf("%s is not what is generated (%v); run: go test ./internal/codeowners -run Example -update", file, f.Warnings)
	}
}

// Git's own matching of such patterns says whether one names a file exactly.
func TestAPatternMatchesItsPathAndNoOther(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) error {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		return cmd.Run()
	}
	if err := git("init", "-q"); err != nil {
		t.Fatal(err)
	}
	paths := []string{"requests/a.yaml", "requests/a b.yaml", "requests/a  b .yaml", "!a.yaml", "requests/ü.yaml", "a{b}.yaml", "requests/a@b.yaml", "x/requests/a.yaml", "requests/a-yaml"}
	for _, path := range paths {
		pattern, err := PatternOf(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(pattern+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, other := range paths {
			if got := git("check-ignore", "-q", "--no-index", other) == nil; got != (other == path) {
				t.Errorf("%s matches %s: %v", pattern, other, got)
			}
		}
	}
	for _, path := range []string{"", "/a", "a/", "a*.yaml", "a?.yaml", "[a].yaml", `a\b.yaml`, "a#b.yaml", "#a.yaml", "a\nb.yaml", "a\tb.yaml", "a\u00a0b.yaml", "a\x80.yaml"} {
		if got, err := PatternOf(path); err == nil {
			t.Errorf("%q is written as %s", path, got)
		}
	}
}
