package github

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/minihub"
)

func (w *world) statuses(commit string) []minihub.Status {
	w.t.Helper()
	s, err := w.hub.Statuses(repo, commit)
	must(w.t, err)
	return s
}

func TestAStatusIsSetOnce(t *testing.T) {
	w := newWorld(t)
	head := w.head("main")
	g := w.client()
	pending := forge.Status{State: forge.StatusPending, Description: "1 approval of orders-leads is missing", URL: "https://tenure.example.com/pulls/1"}
	for range 3 {
		must(t, g.SetStatus(t.Context(), head, pending))
	}
	want := minihub.Status{State: "pending", Context: "tenure", Description: pending.Description, URL: pending.URL, Creator: w.bot.Login, CreatedAt: w.clock()}
	if got := w.statuses(head); len(got) != 1 || got[0] != want {
		t.Fatalf("statuses %+v, want one: %+v", got, want)
	}
	set := 1
	for _, s := range []forge.Status{
		{State: forge.StatusSuccess, Description: pending.Description, URL: pending.URL},
		{State: forge.StatusSuccess, Description: "Approved", URL: pending.URL},
		{State: forge.StatusSuccess, Description: "Approved"},
		{State: forge.StatusFailure},
		{State: forge.StatusError},
		pending,
	} {
		must(t, g.SetStatus(t.Context(), head, s))
		must(t, g.SetStatus(t.Context(), head, s))
		set++
		got := w.statuses(head)
		if len(got) != set || got[0].State != s.State || got[0].Description != s.Description || got[0].URL != s.URL {
			t.Errorf("%+v: %d statuses, the last is %+v", s, len(got), got[0])
		}
	}
}

func TestAStatusOfSomebodyElseIsNotTakenForOurs(t *testing.T) {
	w := newWorld(t)
	head := w.head("main")
	g := w.client()
	ours := forge.Status{State: forge.StatusSuccess}
	must(t, w.hub.SetStatus(repo, head, "alice", forge.StatusContext, forge.StatusSuccess))
	must(t, g.SetStatus(t.Context(), head, ours))
	if got := w.statuses(head); len(got) != 2 || got[0].Creator != w.bot.Login {
		t.Errorf("beside the same by alice: %+v", got)
	}
	for _, context := range []string{"tenure", "Tenure"} { // GitHub does not tell them apart
		must(t, w.hub.SetStatus(repo, head, "alice", context, forge.StatusFailure))
		must(t, g.SetStatus(t.Context(), head, ours))
		if got := w.statuses(head)[0]; got.Creator != w.bot.Login || got.State != forge.StatusSuccess {
			t.Errorf("over the status of alice in %q: %+v", context, got)
		}
	}
	n := len(w.statuses(head))
	for i := range 120 { // of another context: ours is on the second page
		must(t, w.hub.SetStatus(repo, head, "alice", "lint"+string(rune('a'+i%26)), forge.StatusFailure))
	}
	must(t, g.SetStatus(t.Context(), head, ours))
	if got := len(w.statuses(head)); got != n+120 {
		t.Errorf("%d statuses were added behind those of another context", got-n-120)
	}
}

func TestDescriptionIsCutToWhatGitHubTakes(t *testing.T) {
	w := newWorld(t)
	head := w.head("main")
	g := w.client()
	for name, tt := range map[string]struct{ in, want string }{
		"fits":           {strings.Repeat("a", 140), strings.Repeat("a", 140)},
		"one more":       {strings.Repeat("a", 141), strings.Repeat("a", 139) + "…"},
		"many bytes":     {strings.Repeat("ä", 140), strings.Repeat("ä", 140)},
		"cut in a rune":  {strings.Repeat("日", 141), strings.Repeat("日", 139) + "…"},
		"several lines":  {"one\n two\r\n", "one two"},
		"not UTF-8":      {"a\xffb", "a�b"},
		"nothing at all": {"", ""},
	} {
		s := forge.Status{State: forge.StatusPending, Description: tt.in, URL: "https://tenure.example.com/" + strings.ReplaceAll(name, " ", "-")}
		must(t, g.SetStatus(t.Context(), head, s))
		n := len(w.statuses(head))
		must(t, g.SetStatus(t.Context(), head, s))
		got := w.statuses(head)
		if got[0].Description != tt.want || !utf8.ValidString(got[0].Description) || len(got) != n {
			t.Errorf("%s: %q, want %q; posted again: %v", name, got[0].Description, tt.want, len(got) != n)
		}
	}
}

func TestStatusAfterALostAnswerIsOne(t *testing.T) {
	w := newWorld(t)
	head := w.head("main")
	g := w.client()
	w.loseOnce(http.MethodPost, "/statuses/"+head)
	s := forge.Status{State: forge.StatusSuccess, Description: "Approved"}
	if err := g.SetStatus(t.Context(), head, s); !errors.Is(err, forge.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	must(t, g.SetStatus(t.Context(), head, s))
	if n := len(w.statuses(head)); n != 1 {
		t.Errorf("%d statuses", n)
	}
}

func TestStatusesThatCannotBeSet(t *testing.T) {
	w := newWorld(t)
	g := w.client()
	ok := forge.Status{State: forge.StatusSuccess}
	if err := g.SetStatus(t.Context(), strings.Repeat("1", 40), ok); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("an unknown commit: %v", err)
	}
	for _, commit := range []string{"", "main", "../pulls", strings.Repeat("g", 40)} {
		if err := g.SetStatus(t.Context(), commit, ok); err == nil {
			t.Errorf("%q was taken for a commit", commit)
		}
	}
	for _, state := range []string{"", "Success", "approved"} {
		if err := g.SetStatus(t.Context(), w.head("main"), forge.Status{State: state}); err == nil {
			t.Errorf("%q was taken for a state", state)
		}
	}
	if n := len(w.statuses(w.head("main"))); n != 0 {
		t.Errorf("%d statuses were set", n)
	}
}
