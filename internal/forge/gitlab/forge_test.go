package gitlab

import (
	"net/url"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/forge/forgetest"
	"github.com/tenure-dev/tenure/internal/forge/gitlab/minilab"
)

// TestTheStandInIsAForge runs the suite of all forges. It proves the driver against
// the stand-in, not against a real GitLab.
func TestTheStandInIsAForge(t *testing.T) {
	forgetest.Run(t, func(t *testing.T) forgetest.Hub {
		s := newStage(t)
		return &hub{stage: s, approved: map[string]bool{}}
	})
}

// hub offers the stand-in to the suite.
type hub struct {
	*stage
	client   *Client
	approved map[string]bool
}

const (
	forward  = "GitLab rebases by moving the branch forward to the head, which package forge takes for a push"
	comments = "GitLab has no review that only comments: what people write is none"
)

func (h *hub) NotApplicable() map[string]string {
	return map[string]string{
		"approved and rebased": forward,
		"several commits rebased, the first of which brought the file": forward,
		"rebased although it was up to date":                           forward,
		"approved and squashed":                                        "GitLab squashes onto the branch only while that has not moved on; a rebase before it is a push after the approval",
		"a comment is no approval":                                     comments,
	}
}

func (h *hub) Type() string   { return "gitlab" }
func (h *hub) Repo() string   { return repo }
func (h *hub) GitURL() string { return h.Client().(*Client).GitURL() }
func (h *hub) Now() time.Time { return h.clock() }

// Tick lets more time pass than a push needs to be taken for one.
func (h *hub) Tick() { h.later(settle + time.Minute) }

func (h *hub) Client() forge.Client {
	if h.client == nil {
		h.client = h.stage.client()
	}
	return h.client
}

func (h *hub) Person(login string) forge.Identity { return h.who(h.lab.AddUser(login), "User") }
func (h *hub) Bot(login string) forge.Identity    { return h.who(h.lab.AddBot(login), "Bot") }

func (h *hub) who(u minilab.User, kind string) forge.Identity {
	return forge.Identity{Host: "gitlab.example.com", ID: u.ID, Login: u.Login, Type: kind}
}

func (h *hub) Remote(path, login string) string {
	u, err := url.Parse(h.url)
	must(h.t, err)
	u.User, u.Path = url.UserPassword("oauth2", h.lab.AddUser(login).Token), "/"+path+".git"
	return u.String()
}

func (h *hub) Fork(login string) string {
	path, err := h.lab.Fork(repo, login)
	must(h.t, err)
	return path
}

func (h *hub) Open(by string, p forgetest.Pull) int {
	n, err := h.lab.Open(repo, by, minilab.MergeRequest{Title: p.Title, Body: p.Body, From: p.From, Head: p.Head, Base: p.Base})
	must(h.t, err)
	return n
}

func (h *hub) Retarget(by string, n int, base string) { must(h.t, h.lab.Retarget(repo, n, by, base)) }
func (h *hub) Close(by string, n int)                 { must(h.t, h.lab.Close(repo, n, by)) }
func (h *hub) Reopen(by string, n int)                { must(h.t, h.lab.Reopen(repo, n, by)) }
func (h *hub) Dismiss(n int, reviewer string)         { must(h.t, h.lab.Reset(repo, n, reviewer)) }
func (h *hub) Comments(n int) []string                { return h.lab.Comments(repo, n) }
func (h *hub) Overwrite(n int, body string)           { must(h.t, h.lab.Overwrite(repo, n, body)) }

func (h *hub) Merge(by string, n int, method string) { must(h.t, h.lab.Merge(repo, n, by, method)) }

// Review approves as a person does: who has approved already takes that back first.
func (h *hub) Review(by string, n int, state string) {
	switch state {
	case forge.ReviewApproved:
		if h.approved[by] {
			must(h.t, h.lab.Unapprove(repo, n, by))
			h.later(time.Second)
		}
		h.approved[by] = true
		must(h.t, h.lab.Approve(repo, n, by))
	case forge.ReviewChangesRequested:
		h.approved[by] = false
		must(h.t, h.lab.RequestChanges(repo, n, by))
	default:
		must(h.t, h.lab.Comment(repo, n, by, "Looks odd."))
	}
}

func (h *hub) Status(commit string) (forge.Status, int) {
	state, text, link, times := h.lab.Status(repo, commit, forge.StatusContext)
	if state == "failed" {
		state = forge.StatusFailure
	}
	return forge.Status{State: state, Description: text, URL: link}, times
}
