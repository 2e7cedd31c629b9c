package forgetest

import "github.com/tenure-dev/tenure/internal/forge"

// reviews are approvals that count and approvals that do not.
var reviews = []scenario{
	{"no review", func(w *world) {
		w.merge(w.ask(), "merge")
		w.refused(file, "missing: 1 of leads")
	}},
	{"a comment is no approval", func(w *world) {
		n := w.ask()
		w.review("bob", n, forge.ReviewCommented)
		w.merge(n, "merge")
		if ev := w.refused(file, "missing: 1 of leads"); len(ev.Reviews) != 1 || ev.Reviews[0].State != forge.ReviewCommented {
			w.t.Errorf("reviews: %+v", ev.Reviews)
		}
	}},
	{"the author's own approval", func(w *world) {
		w.push(change{by: "bob", branch: "ask", write: map[string]string{file: request("first")}})
		n := w.open("bob", Pull{Title: "Ask for access", Head: "ask"})
		w.approve("bob", n)
		w.merge(n, "merge")
		w.refused(file, "bob is the author")
	}},
	{"the approval of somebody whom the role does not name", func(w *world) {
		n := w.ask()
		w.approve("dave", n)
		w.merge(n, "merge")
		w.refused(file, "missing: 1 of leads")
	}},
	{"dismissed", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.Dismiss(n, "bob")
		w.Tick()
		w.merge(n, "merge")
		w.refused(file, "bob's dismissed review", "missing: 1 of leads")
	}},
	{"changes requested after the approval", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.review("bob", n, forge.ReviewChangesRequested)
		w.merge(n, "merge")
		w.refused(file, "bob's request for changes", "missing: 1 of leads")
	}},
	{"approved after changes were requested", func(w *world) {
		n := w.ask()
		w.review("bob", n, forge.ReviewChangesRequested)
		w.approve("bob", n)
		w.merge(n, "merge")
		w.proven(file, "bob")
	}},
	{"a comment after the approval", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.review("bob", n, forge.ReviewCommented)
		w.merge(n, "merge")
		w.proven(file, "bob")
	}},
	{"approved after the merge", func(w *world) {
		n := w.ask()
		w.merge(n, "merge")
		w.approve("bob", n)
		w.refused(file, "at or after the merge", "missing: 1 of leads")
	}},
	{"the approval of one who pushed", func(w *world) {
		n := w.ask()
		w.push(change{by: "bob", branch: "ask", write: map[string]string{file: request("second")}})
		w.push(change{by: "alice", branch: "ask", write: map[string]string{file: request("third")}})
		w.approve("bob", n)
		w.merge(n, "squash")
		w.refused(file, "bob is a pusher")
	}},
	{"the approval of one who pushed before it was opened", func(w *world) {
		w.push(change{by: "bob", branch: "ask", write: map[string]string{file: request("zeroth")}})
		w.push(change{by: "alice", branch: "ask", write: map[string]string{file: request("first")}})
		n := w.open("alice", Pull{Title: "Ask for access", Head: "ask"})
		w.approve("bob", n)
		w.merge(n, "squash")
		w.refused(file, "bob is a pusher")
	}},
	{"another person's approval beside that of one who pushed", func(w *world) {
		n := w.ask()
		w.push(change{by: "bob", branch: "ask", write: map[string]string{file: request("second")}})
		w.approve("bob", n)
		w.approve("carol", n)
		w.merge(n, "squash")
		w.proven(file, "carol")
	}},
	{"opened by a bot", func(w *world) {
		bot := w.Bot("robot")
		w.push(change{by: bot.Login, branch: "ask", write: map[string]string{file: request("first")}})
		n := w.open(bot.Login, Pull{Title: "Ask for access", Head: "ask"})
		w.approve("bob", n)
		w.merge(n, "squash")
		w.refused(file, "a bot can remove access, never grant it")
	}},
	{"closed and opened again after the approval", func(w *world) {
		n := w.ask()
		w.approve("bob", n)
		w.Close("alice", n)
		w.Tick()
		w.Reopen("alice", n)
		w.Tick()
		w.merge(n, "merge")
		w.proven(file, "bob")
	}},
}
