package pulls

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/schema"
)

func TestAFloodHoldsUpNobodyButItsAuthor(t *testing.T) {
	const repo, alice, bob, mallory = 7, 1, 2, 3
	opened := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	person := func(name string, id int64) *schema.Person {
		return &schema.Person{Name: name, Active: true, Forge: map[string]schema.ForgeAccount{"github": {ID: id}}}
	}
	p := &pass{Desk: &Desk{cfg: Config{ForgeType: "github"}}, present: intake.Present{Repo: repo, Trusted: &schema.Tree{
		People: map[string]*schema.Person{"alice": person("alice", alice), "bob": person("bob", bob), "mallory": person("mallory", mallory)},
		Groups: map[string]*schema.Group{"on-call": {Name: "on-call", Members: []string{"alice", "bob"}}},
		Roles:  map[string]*schema.Role{"ops": {Name: "ops", Emergency: &schema.EmergencyTerms{Requesters: []string{"on-call"}}}},
	}}}
	var due []*subject
	ask := func(number int, by, head int64) {
		due = append(due, &subject{pull: forge.PullRequest{
			Number: number, Author: forge.Identity{ID: by}, HeadRepoID: head, CreatedAt: opened.Add(time.Duration(number) * time.Second),
		}})
	}
	ask(1, alice, repo)
	ask(2, alice, 8) // from a fork
	for n := 3; n < 6; n++ {
		ask(n, bob, repo)
		ask(n+10, mallory, repo)
	}
	p.inOrder(due)
	var got []int
	for _, s := range due {
		got = append(got, s.pull.Number)
	}
	if want := []int{5, 4, 1, 3, 15, 2, 14, 13}; !slices.Equal(got, want) {
		t.Errorf("looked at in the order %v, want %v", got, want)
	}
}
