package intake

import (
	"slices"
	"strings"
	"testing"
)

func TestWhoHadAnIdentityFirstKeepsIt(t *testing.T) {
	const first, second = "people/zz.yaml", "people/aa.yaml" // by path the second would come first
	carol := member("carol", 3)
	for name, c := range map[string]struct {
		first, second string
		taken         string // what clashes; empty: nothing
	}{
		"a forge identity":              {carol, member("dora", 3), "github account 3"},
		"another one":                   {carol, member("dora", 4), ""},
		"another forge's":               {carol, person("dora") + "gitea: {login: dora, id: 3}\n", ""},
		"an account":                    {carol + "accounts: {db: c1}\n", member("dora", 4) + "accounts: {db: c1}\n", "account c1 on db"},
		"the account of another target": {carol + "accounts: {db: c1}\n", member("dora", 4) + "accounts: {wiki: c1}\n", ""},
		"an account that is a name":     {carol, member("dora", 4) + "accounts: {db: carol}\n", "account carol on db"},
		"a name that is no account":     {carol + "accounts: {db: c1}\n", member("dora", 4) + "accounts: {db: carol}\n", ""},
		"a name that is an account":     {carol + "accounts: {db: dora}\n", member("dora", 4), "account dora on db"},
		"one's own account":             {carol + "accounts: {db: carol}\n", member("dora", 4), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, with(base, first, c.first))
			w.pass()
			w.commit(with(with(base, first, c.first), second, c.second))
			r := w.pass()
			if !slices.Contains(w.inForce(), first) {
				t.Fatalf("the first one is out: %v", w.inForce())
			}
			if slices.Contains(w.inForce(), second) != (c.taken == "") {
				t.Errorf("in force: %v", w.inForce())
			}
			tree, _, err := w.in.trees.get(w.in.view.config)
			if err != nil || tree.People["carol"] == nil {
				t.Errorf("carol is nobody: %v", err)
			}
			if c.taken == "" {
				return
			}
			if len(r.Problems) != 1 || r.Problems[0].Pos.File != second ||
				!strings.Contains(r.Problems[0].Message, c.taken+" is defined in "+first+" already, so "+second+" cannot have it") {
				t.Errorf("problems: %v", r.Problems)
			}
			w.commit(with(base, second, c.second)) // once the first one is gone, it is free
			w.commit(with(with(base, second, c.second+"email: dora@example.com\n"), "README.md", "Hello"))
			if w.pass(); !slices.Contains(w.inForce(), second) {
				t.Errorf("in force: %v; %v", w.inForce(), w.in.view.broken)
			}
		})
	}
}

func TestAnIdentityIsHandedOverInOneCommit(t *testing.T) {
	w := newWorld(t, with(base, "people/carol.yaml", member("carol", 3)+"accounts: {db: c1}\n"))
	w.commit(with(with(base, "people/carol.yaml", member("carol", 4)), "people/anna.yaml", member("anna", 3)+"accounts: {db: c1}\n"))
	if r := w.pass(); len(r.Problems) != 0 || len(w.inForce()) != 4 {
		t.Errorf("in force %v, problems %v", w.inForce(), r.Problems)
	}
}

func TestAPushThatClaimsAnIdentityTakesNobodyAway(t *testing.T) {
	for name, claim := range map[string]string{
		"a forge identity": member("aaron", 1), "an account": person("aaron") + "accounts: {db: alice}\n",
		"an account of their own": person("aaron") + "accounts: {wiki: a1}\n",
	} {
		t.Run(name, func(t *testing.T) {
			files := with(chained, "people/alice.yaml", chained["people/alice.yaml"]+"accounts: {wiki: a1}\n")
			w := strictWorld(t, files)
			w.pushed("people/aaa.yaml", w.commit(with(files, "people/aaa.yaml", claim)))
			w.pass()
			tree, err := w.in.branchTree(w.in.view)
			if err != nil || tree == nil || tree.People["alice"] == nil {
				t.Errorf("alice is nobody on the branch: %v", err)
			}
		})
	}
}
