package policy

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// bruteForce is the greatest number of slots that distinct people can fill.
func bruteForce(needs []need) int {
	var slots [][]string
	for _, n := range needs {
		for range min(n.count, len(n.candidates)) {
			slots = append(slots, n.candidates)
		}
	}
	used := map[string]bool{}
	var best func(i int) int
	best = func(i int) int {
		if i == len(slots) {
			return 0
		}
		m := best(i + 1)
		for _, c := range slots[i] {
			if !used[c] {
				used[c] = true
				m = max(m, 1+best(i+1))
				used[c] = false
			}
		}
		return m
	}
	return best(0)
}

func TestPropertyMatchingIsMaximalAndDistinct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := []string{"a", "b", "c", "d", "e"}
		var needs []need
		for range rapid.IntRange(0, 4).Draw(t, "items") {
			c := slices.Clone(rapid.SliceOfNDistinct(rapid.SampledFrom(people), 0, 5, rapid.ID[string]).Draw(t, "candidates"))
			slices.Sort(c)
			needs = append(needs, need{rapid.IntRange(0, 3).Draw(t, "count"), c})
		}
		met := assign(needs)
		used, total := map[string]bool{}, 0
		for i, who := range met {
			if len(who) > needs[i].count {
				t.Fatalf("need %d: %v is more than %d", i, who, needs[i].count)
			}
			for _, p := range who {
				if used[p] || !slices.Contains(needs[i].candidates, p) {
					t.Fatalf("%s is used twice or not a candidate of need %d: %v", p, i, met)
				}
				used[p] = true
				total++
			}
		}
		if want := bruteForce(needs); total != want {
			t.Fatalf("%d slots are filled, %d can be: %v", total, want, needs)
		}
	})
}

// drawEvidence makes a judgement with arbitrary reviews and pushes.
func drawEvidence(t *rapid.T) Judgement {
	j := good()
	who := rapid.SampledFrom([]forge.Identity{aliceID, bobID, carolID, daveID, erinID, zoeID, robotID, {Host: testHost, Login: "ghost"}})
	minute := rapid.IntRange(0, 200)
	// Often something that proves, so that the rest is what can spoil it.
	if rapid.IntRange(0, 3).Draw(t, "start") > 0 {
		j.Evidence.Reviews = append(j.Evidence.Reviews, approval(100, daveID, "10:30"), approval(101, carolID, "10:40"))
	} else {
		j.Evidence.Reviews, j.Evidence.HeadPushes = nil, nil
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "reviews") {
		r := approval(int64(i+1), who.Draw(t, "reviewer"), "09:00")
		r.SubmittedAt = r.SubmittedAt.Add(time.Duration(minute.Draw(t, "minute")) * time.Minute)
		r.State = rapid.SampledFrom([]string{forge.ReviewApproved, forge.ReviewApproved, forge.ReviewApproved, forge.ReviewChangesRequested, forge.ReviewCommented, forge.ReviewDismissed}).Draw(t, "state")
		if rapid.IntRange(0, 5).Draw(t, "other commit") == 0 {
			r.Commit = "1111"
		}
		j.Evidence.Reviews = append(j.Evidence.Reviews, r)
	}
	for range rapid.IntRange(0, 5).Draw(t, "pushes") {
		p := push(who.Draw(t, "pusher"), "08:30", testHead)
		p.At = p.At.Add(time.Duration(minute.Draw(t, "minute")) * time.Minute)
		p.Kind = rapid.SampledFrom([]string{forge.PushPush, forge.PushForce, forge.PushCreate, forge.PushDelete, forge.PushMerge}).Draw(t, "kind")
		p.After = rapid.SampledFrom([]string{testHead, testHead, "1111"}).Draw(t, "after")
		j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, p)
	}
	j.Trusted.Roles["writer"].Approvals = append(j.Trusted.Roles["writer"].Approvals, schema.Approval{From: []string{"security", "bob"}, Count: rapid.IntRange(1, 2).Draw(t, "count")})
	return j
}

func toJSON(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPropertyTheOrderOfReviewsAndPushesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := drawEvidence(t)
		want := toJSON(t, Judge(j))
		r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		j.Evidence.Reviews, j.Evidence.HeadPushes = slices.Clone(j.Evidence.Reviews), slices.Clone(j.Evidence.HeadPushes)
		r.Shuffle(len(j.Evidence.Reviews), func(a, b int) {
			j.Evidence.Reviews[a], j.Evidence.Reviews[b] = j.Evidence.Reviews[b], j.Evidence.Reviews[a]
		})
		r.Shuffle(len(j.Evidence.HeadPushes), func(a, b int) {
			j.Evidence.HeadPushes[a], j.Evidence.HeadPushes[b] = j.Evidence.HeadPushes[b], j.Evidence.HeadPushes[a]
		})
		if got := toJSON(t, Judge(j)); got != want {
			t.Fatalf("judged differently:\n%s\n%s", got, want)
		}
	})
}

// An oracle written the plain way: whoever is used as an approver has an approval
// that satisfies every sentence of the rule.
func TestPropertyEveryApproverReallyApproved(t *testing.T) {
	proven := 0
	rapid.Check(t, func(t *rapid.T) {
		j := drawEvidence(t)
		v := Judge(j)
		if !v.Proven {
			return
		}
		proven++
		for _, name := range v.Approvers {
			p := j.Trusted.People[name]
			id := p.Forge["github"].ID
			if !p.Active || p.Service || name == "alice" {
				t.Fatalf("%s may not approve", name)
			}
			var last *forge.Review
			for i := range j.Evidence.Reviews {
				r := &j.Evidence.Reviews[i]
				if r.Reviewer.ID == id && r.State != forge.ReviewCommented && r.SubmittedAt.Before(j.Evidence.Pull.MergedAt) &&
					(last == nil || r.SubmittedAt.After(last.SubmittedAt) || r.SubmittedAt.Equal(last.SubmittedAt) && r.State != forge.ReviewApproved) {
					last = r
				}
			}
			if last == nil || last.State != forge.ReviewApproved {
				t.Fatalf("%s did not approve last: %+v", name, j.Evidence.Reviews)
			}
			for _, push := range j.Evidence.HeadPushes {
				if push.Kind == forge.PushDelete || push.At.After(j.Evidence.Pull.MergedAt) {
					continue
				}
				if !last.SubmittedAt.After(push.At) {
					t.Fatalf("%s approved before a push: %+v", name, j.Evidence)
				}
			}
		}
	})
	if proven == 0 {
		t.Error("no drawn evidence proved anything: the property is empty")
	}
}

func drawRequest(t *rapid.T) *schema.AccessRequest {
	r := ask("alice", rapid.SampledFrom([][]string{{"writer"}, {"deployer"}, {"writer", "deployer"}}).Draw(t, "roles")...)
	r.Subjects = rapid.SampledFrom([][]string{{"alice"}, {"erin"}, {"alice", "erin"}, {"pair"}}).Draw(t, "subjects")
	r.Duration = time.Duration(rapid.IntRange(1, 4).Draw(t, "hours")) * time.Hour
	if rapid.Bool().Draw(t, "later") {
		r.StartsAt = clock("12:00")
	}
	for i := range r.Roles {
		if r.Roles[i].Params != nil {
			r.Roles[i].Params = map[string]string{"namespace": rapid.SampledFrom([]string{"orders", "billing"}).Draw(t, "namespace")}
		}
	}
	return r
}

// held samples what a decision holds on a grid of instants.
func held(d grants.Decision) map[string]bool {
	out := map[string]bool{}
	for at := clock("10:00"); at.Before(clock("20:00")); at = at.Add(30 * time.Minute) {
		items, _ := d.At(at)
		for _, it := range items {
			out[fmt.Sprintf("%s %s", stamp(at), it.Grant)] = true
		}
	}
	return out
}

func contained(a, b map[string]bool) (string, bool) {
	for k := range a {
		if !b[k] {
			return k, false
		}
	}
	return "", true
}

func drawLife(t *rapid.T) *life {
	l := newLife()
	l.in.Tree.Groups["pair"] = &schema.Group{Name: "pair", Members: []string{"alice", "erin"}}
	l.version0(t, drawRequest(t), clock("11:00"))
	return l
}

// version0 appends a proven version, judged by the same world.
func (l *life) version0(t *rapid.T, doc *schema.AccessRequest, merged time.Time) {
	v := l.version(doc, time.Time{}, false)
	j := good()
	j.Trusted = l.in.Tree
	j.Request = doc
	j.Evidence.Introduction = v.Introduction
	j.Evidence.HeadBlob = v.Blob
	j.Evidence.Pull.MergedAt = merged
	j.FirstMerged = l.firstMerged()
	j.Evidence.Reviews = []forge.Review{approval(1, bobID, "10:00")}
	verdict := Judge(j)
	if !verdict.Proven {
		t.Fatal(lines(verdict.Checks))
	}
	v.Evidence, v.Verdict = &j.Evidence, &verdict
}

// damage changes the state in force in arbitrary ways that only take away.
func damage(t *rapid.T, tree *schema.Tree) {
	switch rapid.IntRange(0, 8).Draw(t, "damage") {
	case 0:
		tree.People["alice"].Active = false
	case 1:
		delete(tree.People, "erin")
	case 2:
		// A role that is gone has no limits either; deleting one whose limit was
		// lowered gives the request's other roles their own limits back.
		if role := tree.Roles["writer"]; role != nil && role.MaxDuration == 8*time.Hour {
			delete(tree.Roles, "writer")
		}
	case 3:
		tree.Roles["deployer"].Requesters = nil
	case 4:
		if role := tree.Roles["writer"]; role != nil {
			role.MaxDuration = min(role.MaxDuration, time.Duration(rapid.IntRange(0, 4).Draw(t, "limit"))*time.Hour)
		}
	case 5:
		tree.Targets["cluster"].Allow = nil
	case 6:
		tree.People["alice"].Accounts = map[string]string{"cluster": "other"}
	case 7:
		tree.Groups["pair"].Members = []string{"erin"}
	}
}

func TestPropertyUnprovenEditsAndTheStateInForceOnlyNarrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLife(t)
		ceiling := held(Decide(l.in))
		if len(ceiling) == 0 {
			t.Fatal("a proven request holds nothing")
		}
		before := ceiling
		for range rapid.IntRange(1, 4).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				damage(t, l.in.Tree)
			case 1:
				l.in.Record.Versions = append(l.in.Record.Versions, Version{Introduction: forge.Introduction{Blob: "broken"}, Broken: true})
			default:
				doc := drawRequest(t)
				v := l.version(doc, time.Time{}, false)
				// An edit holds at most what the edit itself would.
				alone := newLife()
				alone.in.Tree.Groups["pair"] = &schema.Group{Name: "pair", Members: []string{"alice", "erin"}}
				alone.version0(t, doc, clock("11:00"))
				own := held(Decide(alone.in))
				if k, ok := contained(held(Decide(l.in)), own); !ok {
					t.Fatalf("%s is held, but the edit %s does not ask for it", k, v.Blob)
				}
			}
			d := l.decide()
			now := held(d)
			if k, ok := contained(now, ceiling); !ok {
				t.Fatalf("%s was never approved", k)
			}
			if k, ok := contained(now, before); !ok {
				t.Fatalf("%s came back without an approval", k)
			}
			before = now
			if again := Decide(l.in); toJSON(t, again) != toJSON(t, d) {
				t.Fatalf("deciding again changes the decision:\n%s\n%s", toJSON(t, again), toJSON(t, d))
			}
		}
	})
}

func TestPropertyDeletionAlwaysEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLife(t)
		for range rapid.IntRange(0, 3).Draw(t, "edits") {
			if rapid.Bool().Draw(t, "proven") {
				l.version0(t, drawRequest(t), clock("11:00"))
			} else {
				l.version(drawRequest(t), time.Time{}, false)
			}
			l.decide()
		}
		d := l.decide()
		was, _ := d.At(clock("12:00"))
		l.in.Record.GoneIn = testCommit
		if rapid.Bool().Draw(t, "damaged") {
			damage(t, l.in.Tree)
		}
		gone := l.decide()
		if gone.Granted || len(held(gone)) > 0 {
			t.Fatalf("a deleted request still holds %v", held(gone))
		}
		for _, it := range was {
			if !slices.ContainsFunc(gone.Removals, func(r grants.Removal) bool {
				return r.Grant == it.Grant && r.Cause == grants.CauseDeleted && r.Commit == testCommit
			}) {
				t.Fatalf("no removal of %s: %+v", it.Grant, gone.Removals)
			}
		}
		l.in.Record.GoneIn = ""
		ended := gone
		ended.EndedAt = clock("12:00")
		l.in.Previous = ended
		if now := Decide(l.in); len(held(now)) > 0 {
			t.Fatal("an ended request came back")
		}
	})
}
