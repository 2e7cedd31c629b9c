package schema_test

import (
	"os"
	"testing"

	"github.com/tenure-dev/tenure/schema"
)

func TestTheExampleRepositoryHasNoProblems(t *testing.T) {
	tree := schema.LoadFS(os.DirFS("../examples/access-repo"))
	for _, p := range tree.Problems {
		t.Error(p.Error())
	}
	if len(tree.People) < 13 || len(tree.Groups) < 5 || len(tree.Roles) != 8 || len(tree.Targets) != 4 || len(tree.Requests) < 6 || len(tree.Policies) != 1 {
		t.Errorf("example has %d people, %d groups, %d roles, %d targets, %d requests, %d policies",
			len(tree.People), len(tree.Groups), len(tree.Roles), len(tree.Targets), len(tree.Requests), len(tree.Policies))
	}
}
