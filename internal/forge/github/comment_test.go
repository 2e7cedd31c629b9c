package github

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/minihub"
)

func (w *world) comments(n int) []minihub.Comment {
	w.t.Helper()
	c, err := w.hub.Comments(repo, n)
	must(w.t, err)
	return c
}

// loseOnce has the first request of a kind done and its answer lost.
func (w *world) loseOnce(method, end string) {
	lost := false
	w.hub.Fail(func(r *http.Request) *minihub.Failure {
		if r.Method == method && strings.HasSuffix(r.URL.Path, end) && !lost {
			lost = true
			return &minihub.Failure{Late: true, Status: http.StatusBadGateway}
		}
		return nil
	})
}

// writes counts the requests that change something.
func (w *world) writes() int {
	n := 0
	for _, r := range w.hub.Requests() {
		if r.Method != http.MethodGet {
			n++
		}
	}
	return n
}

const marker = "<!-- tenure:plan -->"

func TestPutCommentKeepsOneComment(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	g := w.client()
	must(t, w.hub.Comment(repo, n, "bob", "What is this for?"))
	w.later(time.Minute)
	must(t, g.PutComment(t.Context(), n, "plan", "Would **grant** orders_rw to alice."))
	first := w.comments(n)[1]
	if first.Author != w.bot.Login || first.Body != marker+"\nWould **grant** orders_rw to alice." {
		t.Fatalf("written %+v", first)
	}
	w.later(time.Minute)
	w.hub.ResetRequests()
	must(t, g.PutComment(t.Context(), n, "plan", "Would **grant** orders_rw to alice."))
	must(t, g.PutComment(t.Context(), n, "plan", "Would **grant** orders_rw to alice.\n"))
	if got := w.comments(n); len(got) != 2 || got[1] != first || w.writes() != 0 {
		t.Errorf("the same text cost %d writes: %+v", w.writes(), got)
	}
	must(t, g.PutComment(t.Context(), n, "plan", "Approved."))
	got := w.comments(n)
	if len(got) != 2 || got[1].ID != first.ID || got[1].Body != marker+"\nApproved." || !got[1].UpdatedAt.Equal(w.clock()) || w.writes() != 1 {
		t.Errorf("another text: %+v, %d writes", got, w.writes())
	}
	must(t, g.PutComment(t.Context(), n, "emergency-1", "Access was granted."))
	other := w.ask("other", "requests/b.yaml")
	must(t, g.PutComment(t.Context(), other, "plan", "Another pull request."))
	if a, b := len(w.comments(n)), len(w.comments(other)); a != 3 || b != 1 {
		t.Errorf("%d and %d comments", a, b)
	}
}

func TestACommentThatSomebodyEditedIsPutRight(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	g := w.client()
	must(t, w.hub.SetPermission(repo, "carol", minihub.Admin))
	const text = "Would grant orders_rw to alice.\n\nMissing: 1 of orders-leads."
	must(t, g.PutComment(t.Context(), n, "plan", text))
	ours := w.comments(n)[0]
	w.later(time.Minute)
	must(t, w.hub.EditComment(repo, ours.ID, "carol", marker+"\r\nNothing is missing."))
	if got := w.comments(n)[0]; got.Author != w.bot.Login {
		t.Fatalf("an administrator's edit is shown as by %s", got.Author)
	}
	must(t, g.PutComment(t.Context(), n, "plan", text))
	if got := w.comments(n); len(got) != 1 || got[0].ID != ours.ID || got[0].Body != ours.Body {
		t.Errorf("not put right: %+v", got)
	}
	// A browser sends other line ends; that alone is no reason to write.
	must(t, w.hub.EditComment(repo, ours.ID, "carol", strings.ReplaceAll(ours.Body, "\n", "\r\n")))
	w.hub.ResetRequests()
	must(t, g.PutComment(t.Context(), n, "plan", text))
	if w.writes() != 0 {
		t.Errorf("%d writes for line ends", w.writes())
	}
	// Without its first line it is no longer known as ours, and left alone.
	must(t, w.hub.EditComment(repo, ours.ID, "carol", "Approved by the bot."))
	must(t, g.PutComment(t.Context(), n, "plan", text))
	if got := w.comments(n); len(got) != 2 || got[0].Body != "Approved by the bot." || got[1].Body != ours.Body {
		t.Errorf("without its marker: %+v", got)
	}
}

func TestCommentsOfOthersAreNotTouched(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	other := w.hub.AddBot("other[bot]")
	g := w.client()
	var foreign []string
	for _, c := range []struct{ by, body string }{
		{"alice", marker + "\nEverything is approved."},
		{other.Login, marker + "\nEverything is approved."},
		{w.bot.Login, "> " + marker + "\nquoted by ourselves"},
		{w.bot.Login, "\n" + marker},
		{w.bot.Login, marker + " and more\n"},
		{w.bot.Login, "<!-- tenure:plan-b -->\nanother key"},
		{w.bot.Login, "closed: the access was extended"},
	} {
		must(t, w.hub.Comment(repo, n, c.by, c.body))
		foreign = append(foreign, c.body)
	}
	for _, text := range []string{"one", "two"} {
		must(t, g.PutComment(t.Context(), n, "plan", text))
		got := w.comments(n)
		if len(got) != len(foreign)+1 || got[len(foreign)].Body != marker+"\n"+text {
			t.Fatalf("comments %+v", got)
		}
		for i, body := range foreign {
			if got[i].Body != body {
				t.Errorf("comment %d was changed to %q", i, got[i].Body)
			}
		}
	}
}

func TestOfSeveralOfOursTheOldestIsKept(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	g := w.client()
	for i := range 3 {
		must(t, w.hub.Comment(repo, n, w.bot.Login, fmt.Sprintf("%s\ntext %d", marker, i)))
		for range 60 {
			must(t, w.hub.Comment(repo, n, "bob", "chat"))
		}
	}
	oldest := w.comments(n)[0].ID
	w.loseOnce(http.MethodDelete, "") // another pass goes on where this one stopped
	if err := g.PutComment(t.Context(), n, "plan", "text 2"); !errors.Is(err, forge.ErrUnavailable) {
		t.Errorf("a lost answer: %v", err)
	}
	must(t, g.PutComment(t.Context(), n, "plan", "text 2"))
	ours := 0
	for _, c := range w.comments(n) {
		if c.Author == w.bot.Login {
			if ours++; c.ID != oldest || c.Body != marker+"\ntext 2" {
				t.Errorf("kept %+v", c)
			}
		}
	}
	if all := len(w.comments(n)); ours != 1 || all != 181 {
		t.Errorf("%d of ours, %d in all", ours, all)
	}
}

func TestACommentThatIsGoneAlreadyIsNoTrouble(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	for range 3 {
		must(t, w.hub.Comment(repo, n, w.bot.Login, marker+"\ntext"))
	}
	first := true
	w.hub.Fail(func(r *http.Request) *minihub.Failure {
		if r.Method == http.MethodDelete && first {
			first = false
			return &minihub.Failure{Late: true, Status: http.StatusNotFound} // a twin was faster
		}
		return nil
	})
	must(t, w.client().PutComment(t.Context(), n, "plan", "text"))
	if got := w.comments(n); first || len(got) != 1 {
		t.Errorf("%d comments", len(got))
	}
}

func TestALostAnswerLeavesOneComment(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	g := w.client()
	for _, c := range []struct{ method, end, text string }{
		{http.MethodPost, "/comments", "one"},
		{http.MethodPatch, "", "two"},
	} {
		w.loseOnce(c.method, c.end)
		if err := g.PutComment(t.Context(), n, "plan", c.text); !errors.Is(err, forge.ErrUnavailable) {
			t.Fatalf("%s: %v", c.method, err)
		}
		must(t, g.PutComment(t.Context(), n, "plan", c.text))
		if got := w.comments(n); len(got) != 1 || got[0].Body != marker+"\n"+c.text {
			t.Errorf("after a lost answer of %s: %+v", c.method, got)
		}
	}
}

func TestCommentsOfAnApp(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	pem, public := key(t)
	bot := w.hub.AddApp(12, "tenure-app", public)
	must(t, w.hub.InstallApp(12, 34, repo, minihub.Write))
	g := w.client(func(c *Config) { c.Token, c.AppID, c.InstallationID, c.PrivateKeyFile = "", 12, 34, pem })
	for _, text := range []string{"one", "one", "two"} {
		must(t, g.PutComment(t.Context(), n, "plan", text))
		must(t, g.SetStatus(t.Context(), w.head("ask"), forge.Status{State: forge.StatusPending, Description: text}))
	}
	if got := w.comments(n); len(got) != 1 || got[0].Author != bot.Login || got[0].Body != marker+"\ntwo" {
		t.Errorf("comments %+v", got)
	}
	if got := w.statuses(w.head("ask")); len(got) != 2 || got[0].Creator != bot.Login {
		t.Errorf("statuses %+v", got)
	}
}

func TestKeysAndNumbersOfCommentsAreChecked(t *testing.T) {
	w := newWorld(t)
	n := w.ask("ask", file)
	g := w.client()
	w.hub.ResetRequests()
	for _, k := range []string{"", "Plan", "a b", "a_b", "a.b", "a-->", "a\n", "ä", strings.Repeat("k", 41)} {
		if err := g.PutComment(t.Context(), n, k, "x"); err == nil {
			t.Errorf("%q was accepted", k)
		}
	}
	for _, number := range []int{0, -1} {
		if err := g.PutComment(t.Context(), number, "plan", "x"); err == nil {
			t.Errorf("%d was accepted", number)
		}
	}
	if got := len(w.hub.Requests()); got != 0 {
		t.Errorf("%d requests", got)
	}
	must(t, g.PutComment(t.Context(), n, strings.Repeat("k", 40), "x"))
	if err := g.PutComment(t.Context(), 99, "plan", "x"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a pull request that is not there: %v", err)
	}
}
