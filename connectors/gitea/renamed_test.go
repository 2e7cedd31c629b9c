package gitea

import (
	"fmt"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
)

func renamedAccount(t *testing.T, w *world) {
	c := connect(t, w.settings())
	w.addRepo("follow")
	specs := []connectors.Spec{teamSpec("developers"), repoSpec("follow", "write")}
	w.User(t, "before")
	for _, spec := range specs {
		must(t, give(t, c, "before", spec))
	}
	w.Admin(t, "POST", "/admin/users/before/rename", map[string]any{"new_username": "afterwards"}, nil)
	for _, spec := range specs {
		wants(t, give(t, c, "before", spec), "another name")
		if !holds(t, c, "afterwards", spec) {
			t.Errorf("%v: the access did not go with the account; the test is wrong", spec)
		}
		must(t, take(t, c, "before", spec))
		if holds(t, c, "afterwards", spec) {
			t.Errorf("%v outlived its revoke under another name", spec)
		}
	}
}

func renamedRepository(t *testing.T, w *world) {
	c := connect(t, w.settings())
	w.addRepo("early")
	must(t, give(t, c, "alice", repoSpec("early", "write")))
	w.As(t, w.owner, "PATCH", "/repos/"+orgOf+"/early", map[string]any{"name": "late"}, nil)
	if !holds(t, c, "alice", repoSpec("early", "write")) {
		t.Error("alice holds it still, by another name")
	}
	wants(t, give(t, c, "bob", repoSpec("early", "write")), `called "late"`)
	must(t, take(t, c, "alice", repoSpec("early", "write")))
	if holds(t, c, "alice", repoSpec("late", "write")) {
		t.Error("alice kept it by the new name")
	}
	w.As(t, w.owner, "POST", "/repos/"+orgOf+"/late/transfer", map[string]any{"new_owner": "tenure"}, nil)
	_, err := c.Observe(t.Context(), []string{"permission=write repository=late"})
	wants(t, err, `went to "tenure"`)
}

func renamedTeam(t *testing.T, w *world) {
	c := connect(t, w.settings())
	for name, again := range map[string]bool{"crew": false, "watch": true} {
		w.addTeam(name, "write", false)
		spec := teamSpec(name)
		must(t, give(t, c, "alice", spec), give(t, c, "bob", spec))
		id := w.teams[name]
		w.As(t, w.owner, "PATCH", fmt.Sprintf("/teams/%d", id), map[string]any{"name": name + "-of-old"}, nil)
		if again {
			w.addTeam(name, "read", false)
		} else {
			wants(t, give(t, c, "carol", spec), fmt.Sprintf("is called %q now", name+"-of-old"))
		}
		if !holds(t, c, "alice", spec) {
			t.Errorf("%s: what was granted is not shown any more", name)
		}
		must(t, take(t, c, "alice", spec))
		if holds(t, c, "alice", spec) || !holds(t, c, "bob", spec) {
			t.Errorf("%s: more or less than the one grant has ended", name)
		}
		if holds(t, c, "alice", teamSpec(name+"-of-old")) {
			t.Errorf("%s: access outlived the name", name)
		}
		w.As(t, w.owner, "DELETE", fmt.Sprintf("/teams/%d", id), nil, nil)
		if holds(t, c, "bob", spec) {
			t.Errorf("%s: a team that is gone has members", name)
		}
	}
}

// Another repository takes the name: the server does not lead to the old one any more.
func replacedRepository(t *testing.T, w *world) {
	c := connect(t, w.settings())
	w.addRepo("till")
	spec := repoSpec("till", "write")
	must(t, give(t, c, "alice", spec), give(t, c, "bob", spec))
	w.As(t, w.owner, "PATCH", "/repos/"+orgOf+"/till", map[string]any{"name": "till-of-old"}, nil)
	w.addRepo("till")
	must(t, give(t, c, "carol", spec))
	if !holds(t, c, "alice", spec) {
		t.Error("what was granted is not shown any more")
	}
	must(t, take(t, c, "alice", spec), take(t, c, "carol", spec))
	old := connect(t, w.settings())
	if holds(t, old, "alice", repoSpec("till-of-old", "write")) || !holds(t, old, "bob", repoSpec("till-of-old", "write")) || holds(t, old, "carol", spec) {
		t.Error("more or less than two grants has ended")
	}
	w.As(t, w.owner, "DELETE", "/repos/"+orgOf+"/till-of-old", nil, nil)
	if holds(t, c, "bob", spec) {
		t.Error("a repository that is gone has collaborators")
	}
	w.As(t, w.owner, "DELETE", "/repos/"+orgOf+"/till", nil, nil)
	must(t, take(t, c, "bob", spec))
}
