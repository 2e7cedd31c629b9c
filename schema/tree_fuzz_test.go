package schema_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/tenure-dev/tenure/schema"
)

// goodFiles are a small tree without problems.
func goodFiles(t testing.TB) []*schema.File {
	t.Helper()
	var out []*schema.File
	for path, text := range map[string]string{
		"people/alice.yaml":   "apiVersion: tenure.dev/v1\nkind: Person\nname: alice\nemail: alice@example.com\nmanager: bob\ngithub: {login: alice-gh, id: 1}\n",
		"people/bob.yaml":     "apiVersion: tenure.dev/v1\nkind: Person\nname: bob\nemail: bob@example.com\ngithub: {login: bob-gh, id: 2}\n",
		"groups/leads.yaml":   "apiVersion: tenure.dev/v1\nkind: Group\nname: leads\nmembers: [bob]\n",
		"groups/all.yaml":     "apiVersion: tenure.dev/v1\nkind: Group\nname: all\nmembers: [alice, leads]\n",
		"targets/db.yaml":     "apiVersion: tenure.dev/v1\nkind: Target\nname: db\nconnector: postgres\ndescription: Database\nallow: [{role: rw}]\n",
		"roles/writer.yaml":   "apiVersion: tenure.dev/v1\nkind: Role\nname: writer\ndescription: Writes\nentitlements: [{target: db, role: rw}]\nrequesters: [all]\nmaxDuration: 8h\napprovals: [{from: [leads], count: 1}]\n",
		"requests/alice.yaml": "apiVersion: tenure.dev/v1\nkind: AccessRequest\nsubject: alice\nroles: [writer]\nreason: Rows need fixing\nduration: 4h\n",
	} {
		out = append(out, schema.ParseFile(path, []byte(text)))
	}
	slices.SortFunc(out, func(a, b *schema.File) int { return strings.Compare(a.Path, b.Path) })
	if tree := schema.NewTree(out); len(tree.Problems) > 0 {
		t.Fatal(tree.Problems)
	}
	return out
}

// documents counts what a tree holds by kind and name.
func documents(tree *schema.Tree) map[string]any {
	out := map[string]any{}
	for name, d := range tree.Roles {
		out["role "+name] = d
	}
	for name, d := range tree.People {
		out["person "+name] = d
	}
	for name, d := range tree.Groups {
		out["group "+name] = d
	}
	for name, d := range tree.Targets {
		out["target "+name] = d
	}
	for path, d := range tree.Requests {
		out["request "+path] = d
	}
	return out
}

// takes reports whether a document has the name of one of these.
func takes(doc any, names map[string]any) bool {
	switch d := doc.(type) {
	case *schema.Role:
		return names["role "+d.Name] != nil
	case *schema.Target:
		return names["target "+d.Name] != nil
	case *schema.Person:
		return names["person "+d.Name] != nil || names["group "+d.Name] != nil
	case *schema.Group:
		return names["person "+d.Name] != nil || names["group "+d.Name] != nil
	}
	return false
}

// FuzzTree holds what one hostile file can do to the others: nothing while it is
// broken; and what it displaces by its name is said to be displaced. The order of
// files never matters, and no problem carries what a terminal would act on.
func FuzzTree(f *testing.F) {
	good := goodFiles(f)
	alone := documents(schema.NewTree(good))
	for _, path := range archives(f, "testdata/files/*.txtar") {
		for _, file := range archive(f, path).Files {
			f.Add("people/a.yaml", file.Data)
		}
	}
	f.Add("a.yaml", []byte("apiVersion: tenure.dev/v1\nkind: Group\nname: alice\nmembers: [alice]\n"))
	f.Add("a\u202e.yaml", []byte("apiVersion: tenure.dev/v1\nkind: Group\nname: x\nmembers: [x]\n"))
	f.Add("people/alice.yaml", []byte("kind: Person"))
	f.Add("a.yaml", []byte("apiVersion: tenure.dev/v1\nkind: Person\nname: alice\nemail: mallory@example.com\ngithub: {login: mallory-gh, id: 3}\n"))
	f.Add("z.yaml", []byte("apiVersion: tenure.dev/v1\nkind: Role\nname: writer\ndescription: x\nentitlements: [{target: db, role: rw}]\nrequesters: [all]\nmaxDuration: 9h\napprovals: [{from: [all], count: 1}]\n"))
	f.Fuzz(func(t *testing.T, path string, data []byte) {
		hostile := schema.ParseFile(path, data)
		files := append(slices.Clone(good), hostile)
		tree := schema.NewTree(files)
		slices.Reverse(files)
		if other := schema.NewTree(files); path != "" && !slices.ContainsFunc(good, func(g *schema.File) bool { return g.Path == path }) {
			if !slices.Equal(other.Problems, tree.Problems) || !reflect.DeepEqual(documents(other), documents(tree)) {
				t.Fatalf("the order of files matters:\n%v\n%v", tree.Problems, other.Problems)
			}
		} else {
			return // the same path twice: the first is used
		}
		now := documents(tree)
		for name, d := range alone {
			if now[name] == d {
				continue
			}
			if hostile.Broken() {
				t.Fatalf("a broken file takes %s away: %v", name, tree.Problems)
			}
			if len(tree.Problems) == 0 {
				t.Fatalf("%s is displaced, and nothing is said", name)
			}
		}
		if !hostile.Broken() && len(tree.Problems) == 0 {
			for _, d := range hostile.Docs {
				if takes(d, alone) {
					t.Fatalf("a name is defined twice, and nothing is said: %v", d)
				}
			}
		}
		for i, p := range tree.Problems {
			if i > 0 && tree.Problems[i-1].Compare(p) > 0 {
				t.Fatalf("problems are not sorted: %s before %s", tree.Problems[i-1].Error(), p.Error())
			}
			if strings.ContainsFunc(p.Error(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
				t.Fatalf("a problem carries hidden characters: %q", p.Error())
			}
		}
		for name, role := range tree.Roles {
			for _, e := range role.Entitlements {
				spec, err := schema.ExpandSpec(e, map[string]string{"namespace": "${name}"})
				if err == nil && len(spec) != len(e.Spec) {
					t.Fatalf("role %s: %v expands to %v", name, e.Spec, spec)
				}
			}
		}
	})
}

// FuzzExpandSpec holds that a parameter's value reaches the entitlement as it is, in
// its place, and is never looked at again.
func FuzzExpandSpec(f *testing.F) {
	f.Add("ns-", "orders", "-x")
	f.Add("", "${p}", "")
	f.Add("${", "x", "}")
	f.Add("$", "{p}", "${p}")
	f.Fuzz(func(t *testing.T, before, value, after string) {
		text := before + "${p}" + after
		spec, err := schema.ExpandSpec(schema.Entitlement{Target: "db", Spec: map[string]any{"role": text, "list": []string{text}, "n": 1}}, map[string]string{"p": value})
		if strings.ContainsAny(before+after, "${}") {
			if err == nil && !strings.Contains(text, "${p}") {
				t.Fatalf("%q became %v", text, spec)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		want := before + value + after
		if spec["role"] != want || !slices.Equal(spec["list"].([]string), []string{want}) || spec["n"] != 1 {
			t.Fatalf("%q with %q became %v", text, value, spec)
		}
		if _, err := schema.ExpandSpec(schema.Entitlement{Spec: map[string]any{"role": text}}, nil); err == nil {
			t.Fatal("a parameter without a value is no error")
		}
	})
}

// FuzzDuration holds that a duration which is read is positive, and that what is
// written of it is read as the same.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"30m", "4h", "7d", "1d12h", "106751d", "1h1d", "-1h", "1.5h", "0m", "01h", "9999999999999999999s", "1h "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := schema.ParseDuration(s)
		if err != nil {
			return
		}
		if d <= 0 {
			t.Fatalf("%q is %s", s, d)
		}
		if again, err := schema.ParseDuration(schema.FormatDuration(d)); err != nil || again != d {
			t.Fatalf("%q is written %q and read as %s, %v", s, schema.FormatDuration(d), again, err)
		}
	})
}
