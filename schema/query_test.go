package schema_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/schema"
)

func document(kind, body string) []byte {
	return []byte("apiVersion: tenure.dev/v1\nkind: " + kind + "\n" + body)
}

func files(t testing.TB, content map[string][]byte) []*schema.File {
	t.Helper()
	var out []*schema.File
	for path, data := range content {
		out = append(out, schema.ParseFile(path, data))
	}
	return out
}

func people(names ...string) map[string][]byte {
	out := map[string][]byte{}
	for i, name := range names {
		out["people/"+name+".yaml"] = document("Person", fmt.Sprintf("name: %s\ngithub: {id: %d}\n", name, i+1))
	}
	return out
}

func group(name string, members ...string) []byte {
	return document("Group", "name: "+name+"\nmembers: ["+strings.Join(members, ", ")+"]\n")
}

func TestGroupsAreExpandedOnceAndSorted(t *testing.T) {
	content := people("zoe", "alice", "bob", "carol", "al")
	content["g/1.yaml"] = group("all", "zoe", "leads", "team", "nobody-here")
	content["g/2.yaml"] = group("leads", "carol", "bob")
	content["g/3.yaml"] = group("team", "alice", "bob", "loop")
	content["g/4.yaml"] = group("loop", "all", "team")
	content["g/5.yaml"] = group("empty")
	built := schema.NewTree(files(t, content))
	// A tree that somebody put together by hand answers the same.
	plain := &schema.Tree{People: built.People, Groups: built.Groups}
	for _, tree := range []*schema.Tree{built, plain} {
		for name, want := range map[string][]string{
			"all": {"alice", "bob", "carol", "zoe"}, "leads": {"bob", "carol"}, "team": {"alice", "bob", "carol", "zoe"},
			"loop": {"alice", "bob", "carol", "zoe"}, "empty": nil, "unknown": nil, "alice": nil,
		} {
			if got := tree.MembersOf(name); !slices.Equal(got, want) {
				t.Errorf("members of %s are %v; want %v", name, got, want)
			}
			for _, p := range []string{"zoe", "alice", "bob", "carol", "al", "nobody-here", "leads", ""} {
				if got := tree.InGroup(p, name); got != slices.Contains(want, p) {
					t.Errorf("%q in %s: %v", p, name, got)
				}
			}
		}
		r := &schema.AccessRequest{Subjects: []string{"zoe", "leads", "carol", "ghost"}}
		if got := tree.SubjectsOf(r); !slices.Equal(got, []string{"bob", "carol", "zoe"}) {
			t.Errorf("subjects are %v", got)
		}
		if p := tree.PersonByForge("github", 3); p == nil || p.Name != "bob" {
			t.Errorf("github 3 is %v", p)
		}
		for forge, id := range map[string]int64{"github": 99, "gitea": 3, "": 3, "gitlab": 0} {
			if p := tree.PersonByForge(forge, id); p != nil {
				t.Errorf("%s %d is %s", forge, id, p.Name)
			}
		}
	}
	members := built.MembersOf("leads")
	members[0] = "mallory"
	if built.InGroup("mallory", "leads") || !built.InGroup("bob", "leads") {
		t.Error("the answer of MembersOf is the tree's own memory")
	}
}

func TestTheLaterOfTwoDefinitionsIsLeftOut(t *testing.T) {
	content := map[string][]byte{
		"people/a.yaml":  document("Person", "name: alice\nemail: first@example.com\ngithub: {id: 1}\n"),
		"people/b.yaml":  document("Person", "name: alice\nemail: second@example.com\ngithub: {id: 2}\n"),
		"people/c.yaml":  document("Person", "name: carol\ngithub: {id: 1}\n"),
		"people/d.yaml":  document("Person", "name: dave\naccounts: {db: alice}\n"),
		"targets/d.yaml": document("Target", "name: db\nconnector: file\nallow: []\n"),
	}
	tree := schema.NewTree(files(t, content))
	if p := tree.People["alice"]; p == nil || p.Email != "first@example.com" {
		t.Errorf("alice is %+v", p)
	}
	if tree.People["carol"] != nil || tree.People["dave"] != nil {
		t.Error("a person with another's identity is in the tree")
	}
	if tree.PersonByForge("github", 2) != nil || tree.PersonByForge("github", 1).Name != "alice" {
		t.Error("a person that was left out is found by forge id")
	}
	if len(tree.Problems) != 3 {
		t.Errorf("problems are %v", tree.Problems)
	}
	for _, p := range tree.Problems {
		if !strings.Contains(p.Message, "people/a.yaml:1:1") {
			t.Errorf("problem does not name the other place: %s", p.Error())
		}
	}
}

func TestATreeDoesNotDependOnTheOrderOfItsFiles(t *testing.T) {
	var all []*schema.File
	for _, path := range archives(t, "testdata/trees/*.txtar") {
		for _, f := range archive(t, path).Files {
			all = append(all, schema.ParseFile(strings.TrimSuffix(path[len("testdata/trees/"):], ".txtar")+"/"+f.Name, f.Data))
		}
	}
	want := schema.NewTree(all)
	if len(want.Problems) < 50 {
		t.Fatalf("only %d problems; the test shows little", len(want.Problems))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		shuffled := slices.Clone(all)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := schema.NewTree(shuffled); !reflect.DeepEqual(got, want) {
			t.Fatal("another order of files makes another tree")
		}
	}
}

func TestAFileGivenTwiceIsUsedOnce(t *testing.T) {
	f := schema.ParseFile("people/a.yaml", document("Person", "name: alice\n"))
	tree := schema.NewTree([]*schema.File{f, f})
	if len(tree.People) != 1 || len(tree.Problems) != 1 {
		t.Errorf("%d people, problems %v", len(tree.People), tree.Problems)
	}
}

func TestRefusedFilesCarryTheirReason(t *testing.T) {
	f := schema.RefuseFile("people/alice.yaml", "is a symbolic link")
	if !f.Broken() || f.Problems[0].Error() != "people/alice.yaml:0:0: is a symbolic link" {
		t.Errorf("problems are %v", f.Problems)
	}
	tree := schema.NewTree([]*schema.File{f, schema.ParseFile("people/bob.yaml", document("Person", "name: bob\n"))})
	if len(tree.People) != 1 || len(tree.Problems) != 1 {
		t.Errorf("%d people, problems %v", len(tree.People), tree.Problems)
	}
}

func TestEditorsFindTheSchemaOfEveryExample(t *testing.T) {
	root := os.DirFS("../examples/access-repo")
	for path, doc := range schema.LoadFS(root).Requests {
		data, err := os.ReadFile("../examples/access-repo/" + path)
		if err != nil || doc == nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(data), "# yaml-language-server: $schema="+schemaID("AccessRequest")+"\n") {
			t.Errorf("%s does not name its schema", path)
		}
	}
}
