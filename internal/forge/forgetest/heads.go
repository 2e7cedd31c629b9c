package forgetest

// heads are changes of what a pull request holds, and of where it goes, after
// somebody approved it.
var heads = []scenario{
	{"a push after the approval", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.push(change{by: "alice", branch: "ask", write: map[string]string{file: request("second")}})
		w.merge(n, "squash")
		w.refused(file, "before the last push", "not for the final head", "dismissed review", "missing: 1 of leads")
	}},
	{"a push after the approval, and another approval", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.push(change{by: "alice", branch: "ask", write: map[string]string{file: request("second")}})
		w.approve("bob", n)
		w.merge(n, "squash")
		w.proven(file, "bob")
	}},
	{"a force push after the approval and another back to what was approved", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		approved := w.tip("alice", "ask")
		w.push(change{by: "alice", branch: "ask", from: w.first, force: true, write: map[string]string{file: request("other")}})
		w.move(change{by: "alice", branch: "ask", force: true}, approved)
		w.merge(n, "squash")
		w.refused(file, "before the last push", "dismissed review", "missing: 1 of leads")
	}},
	{"another base after the approval", func(w *world) {
		w.move(change{by: "dave", branch: "playground"}, w.first)
		w.push(change{by: "alice", branch: "ask", write: map[string]string{file: request("first")}})
		n := w.open("alice", Pull{Title: "Ask for access", Head: "ask", Base: "playground"})
		w.approve("bob", n)
		w.Retarget("alice", n, Branch)
		w.Tick()
		w.merge(n, "merge")
		if ev := w.refused(file, "before the base branch changed", "dismissed review", "missing: 1 of leads"); ev.BaseChange.IsZero() {
			w.t.Error("the forge does not show that the base changed")
		}
	}},
	{"another base before the approval", func(w *world) {
		w.move(change{by: "dave", branch: "playground"}, w.first)
		w.push(change{by: "alice", branch: "ask", write: map[string]string{file: request("first")}})
		n := w.open("alice", Pull{Title: "Ask for access", Head: "ask", Base: "playground"})
		w.Retarget("alice", n, Branch)
		w.Tick()
		w.approve("bob", n)
		w.merge(n, "merge")
		w.proven(file, "bob")
	}},
	{"a stacked pull request that was retargeted", func(w *world) {
		w.push(change{by: "alice", branch: "below", write: map[string]string{"below.md": "below\n"}})
		w.open("alice", Pull{Title: "Below", Head: "below"})
		w.push(change{by: "alice", branch: "ask", from: w.tip("alice", "below"), write: map[string]string{file: request("first")}})
		n := w.open("alice", Pull{Title: "Ask for access", Head: "ask", Base: "below"})
		w.approve("bob", n)
		w.Retarget("alice", n, Branch)
		w.Tick()
		w.merge(n, "squash")
		w.refused(file, "before the base branch changed", "dismissed review", "missing: 1 of leads")
	}},
	{"merged into another branch that is merged then", func(w *world) {
		w.move(change{by: "dave", branch: "playground"}, w.first)
		w.push(change{by: "alice", branch: "ask", write: map[string]string{file: request("first")}})
		n := w.open("alice", Pull{Title: "Ask for access", Head: "ask", Base: "playground"})
		w.approve("bob", n)
		w.merge(n, "merge")
		w.merge(w.open("alice", Pull{Title: "Bring the playground", Head: "playground"}), "squash")
		w.refused(file, "missing: 1 of leads")
	}},
}
