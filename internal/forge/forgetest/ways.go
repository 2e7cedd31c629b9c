package forgetest

import "strings"

// ways bring bytes to the branch that nobody reviewed, or not as they are.
var ways = []scenario{
	{"a direct push", func(w *world) {
		w.push(change{by: "alice", branch: Branch, write: map[string]string{file: request("first")}})
		w.refused(file, "pushed directly")
	}},
	{"a force push to the branch", func(w *world) {
		w.push(change{by: "dave", branch: Branch, write: map[string]string{"README.md": "one\n"}})
		w.push(change{by: "alice", branch: Branch, from: w.first, force: true, write: map[string]string{file: request("first")}})
		w.refused(file, "pushed directly")
	}},
	{"the approved head pushed to the branch", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.move(change{by: "alice", branch: Branch}, w.tip("alice", "ask"))
		w.refused(file, "merged indirectly", "pushed directly")
	}},
	{"a merge commit of the approved head made by hand", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.handMerge(w.tip("alice", "ask"), "")
		w.refused(file, "merged indirectly", "pushed directly")
	}},
	{"a merge commit made by hand with other bytes", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.handMerge(w.tip("alice", "ask"), request("smuggled"))
		w.refused(file, "merged indirectly", "pushed directly", "changed what was reviewed")
	}},
	{"two pull requests with one head, the other one approved", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.move(change{by: "alice", branch: "twin"}, w.tip("alice", "ask"))
		w.merge(w.open("alice", Pull{Title: "The same", Head: "twin"}), "merge")
		w.refused(file, "ambiguous", "missing: 1 of leads")
	}},
	{"an approved pull request that another one carried", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.push(change{by: "alice", branch: "stacked", from: w.tip("alice", "ask"), write: map[string]string{"other.md": "other\n"}})
		m := w.open("alice", Pull{Title: "Both", Head: "stacked"})
		w.merge(m, "merge")
		if ev := w.refused(file, "missing: 1 of leads"); ev.Pull.Number != m {
			w.t.Errorf("pull request %d, want %d", ev.Pull.Number, m)
		}
	}},
	{"the merge joins the approved bytes with a line pushed to the branch", func(w *world) {
		w.push(change{by: "dave", branch: Branch, write: map[string]string{file: request("first")}})
		w.push(change{by: "alice", branch: "ask", write: map[string]string{file: request("first") + "# approved\n"}})
		n := w.open("alice", Pull{Title: "Ask for more", Head: "ask"})
		w.approve("bob", n)
		w.push(change{by: "dave", branch: Branch, write: map[string]string{file: strings.Replace(request("first"), "first", "smuggled", 1)}})
		w.merge(n, "merge")
		w.refused(file, "the merge changed what was reviewed")
	}},
}

// handMerge pushes to the branch a merge commit with a head as its second parent,
// made with Git alone; text: in place of what was reviewed.
func (w *world) handMerge(head, text string) {
	w.t.Helper()
	base := w.tip("alice", Branch)
	w.git("checkout", "-q", "-f", "--detach", base)
	w.git("merge", "-q", "--no-ff", "--no-commit", head)
	if text != "" {
		w.overwrite(file, text)
	}
	w.git("commit", "-q", "-m", "Merge pull request")
	w.move(change{by: "alice", branch: Branch}, w.git("rev-parse", "HEAD"))
}
