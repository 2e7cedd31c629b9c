package minihub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strconv"
)

// pullRow is a pull request as pages show it; State is open, merged or closed.
type pullRow struct {
	Number                                    int64
	Title, Body, Author, State, Created, Head string
	Base                                      string
}

func (p *pull) row() pullRow {
	state := p.state
	if p.merged() {
		state = "merged"
	}
	head := p.headRef
	if p.headRepo != p.base {
		head = p.label()
	}
	return pullRow{
		Number: p.number, Title: p.title, Body: p.body, Author: nameOf(p.author), State: state,
		Created: shown(p.createdAt), Head: head, Base: p.baseRef,
	}
}

func nameOf(u *user) string {
	if u == nil || u.deleted {
		return "ghost"
	}
	return u.login
}

func (p *pageSet) pulls(w http.ResponseWriter, r *http.Request) {
	p.showPulls(w, r, http.StatusOK, "")
}

func (p *pageSet) showPulls(w http.ResponseWriter, r *http.Request, status int, msg string) {
	p.show(w, r, "pulls", status, func(ctx context.Context, repo *repo) (any, error) {
		data := struct {
			frame
			State        string
			Open, Closed int
			Pulls        []pullRow
			Branches     []branchRow
		}{frame: p.frame(r, "Pull requests", repo), State: "open"}
		data.Message = msg
		var err error
		if data.Branches, err = p.openable(ctx, repo); err != nil {
			return nil, err
		}
		if r.URL.Query().Get("state") == "closed" {
			data.State = "closed"
		}
		for _, pr := range slices.Backward(repo.pulls) {
			if pr.state == "open" {
				data.Open++
			} else {
				data.Closed++
			}
			if pr.state == data.State {
				data.Pulls = append(data.Pulls, pr.row())
			}
		}
		return data, nil
	})
}

// entry is one line of the conversation.
type entry struct {
	id                           int64
	Class, Who, What, When, Text string
}

func (p *pull) conversation() []entry {
	var out []entry
	for _, e := range p.events {
		if e.kind == "closed" && p.merged() && e.at.Equal(p.mergedAt) {
			continue // a merge closes by itself
		}
		what := map[string]string{
			"merged": "merged this", "closed": "closed this", "reopened": "reopened this", "base_ref_changed": "changed the base branch",
			"head_ref_force_pushed": "force-pushed the head branch", "head_ref_deleted": "deleted the head branch", "review_dismissed": "dismissed a review",
		}[e.kind]
		class := "event"
		if e.kind == "merged" {
			class, what = "merged", what+" as "+e.commit[:7]
		}
		out = append(out, entry{id: e.id, Class: class, Who: nameOf(e.actor), What: orElse(what, e.kind), When: shown(e.at)})
	}
	for _, rv := range p.reviews {
		e := entry{id: rv.id, Class: "review", Who: nameOf(rv.user), When: shown(rv.submittedAt), Text: rv.body}
		switch rv.state {
		case Approved:
			e.Class, e.What = "approved", "approved "+rv.commit[:7]
		case ChangesRequested:
			e.Class, e.What = "changes", "requested changes"
		case Dismissed:
			e.What = "reviewed (dismissed)"
		case Pending:
			continue
		default:
			e.What = "commented on the change"
		}
		out = append(out, e)
	}
	for _, m := range p.base.comments {
		if m.pull == p {
			out = append(out, entry{id: m.id, Class: "comment", Who: nameOf(m.user), What: "commented", When: shown(m.createdAt), Text: m.body})
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].id < out[j].id })
	return out
}

type statusRow struct{ Context, State, Description string }

type pullPage struct {
	frame
	Pull         pullRow
	Timeline     []entry
	Commits      []commitRow
	Files        []fileRow
	Statuses     []statusRow
	Verdict, Why string
}

func (p *pageSet) pull(w http.ResponseWriter, r *http.Request) {
	p.showPull(w, r, http.StatusOK, "")
}

func (p *pageSet) showPull(w http.ResponseWriter, r *http.Request, status int, msg string) {
	p.show(w, r, "pull", status, func(ctx context.Context, repo *repo) (any, error) {
		pr, err := p.find(r, repo)
		if err != nil {
			return nil, err
		}
		data := pullPage{frame: p.frame(r, pr.title, repo), Pull: pr.row(), Timeline: pr.conversation()}
		data.Message = msg
		shas, err := p.hub.commits(ctx, pr)
		if err != nil {
			return nil, err
		}
		if data.Commits, err = p.rows(ctx, repo, shas); err != nil {
			return nil, err
		}
		from, err := p.hub.base(ctx, pr)
		if err != nil {
			return nil, err
		}
		files, err := p.hub.diff(ctx, repo, from, pr.headSHA, true)
		if err != nil {
			return nil, err
		}
		data.Files = fileRows(files)
		for _, s := range repo.latest(pr.headSHA) {
			data.Statuses = append(data.Statuses, statusRow{s.context, s.state, s.description})
		}
		data.Verdict, data.Why, err = p.verdict(ctx, pr)
		return data, err
	})
}

func (p *pageSet) find(r *http.Request, repo *repo) (*pull, error) {
	n, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil {
		return nil, notFound()
	}
	if pr := repo.pull(n); pr != nil {
		return pr, nil
	}
	return nil, notFound()
}

// verdict says what the merge button would do.
func (p *pageSet) verdict(ctx context.Context, pr *pull) (title, why string, err error) {
	switch {
	case pr.merged():
		return "Merged", fmt.Sprintf("%s merged this as %s.", nameOf(pr.mergedBy), pr.mergeCommit[:7]), nil
	case pr.state != "open":
		return "Closed", "", nil
	}
	state, err := p.hub.mergeability(ctx, pr)
	if err != nil {
		return "", "", err
	}
	switch state {
	case "dirty":
		return "Conflicts", "This branch has conflicts with the base branch.", nil
	case "draft":
		return "Draft", "This pull request is still a draft.", nil
	case "blocked":
		return "Merging is blocked", explain(p.hub.blocked(pr, nil)), nil
	}
	return "Ready to merge", "There are no conflicts with the base branch.", nil
}

// act is a press of one of the buttons.
func (p *pageSet) act(w http.ResponseWriter, r *http.Request) {
	err := p.press(r)
	if err == nil {
		http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
		return
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		refusal = refuse(http.StatusInternalServerError, "%v", err)
	}
	p.showPull(w, r, refusal.Status, "Refused: "+explain(refusal))
}

func (p *pageSet) press(r *http.Request) error {
	action, body := r.PostFormValue("action"), r.PostFormValue("body")
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	repo := p.hub.repoByName(r.PathValue("owner") + "/" + r.PathValue("repo"))
	u := p.reader(r)
	if repo == nil || !repo.permission(u).atLeast(Read) {
		return notFound()
	}
	if u == nil {
		return refuse(http.StatusUnauthorized, "Choose whom to act as first.")
	}
	pr, err := p.find(r, repo)
	if err != nil {
		return err
	}
	switch action {
	case "comment":
		_, err = p.hub.addComment(pr, u, body)
	case "approve":
		_, err = p.hub.review(pr, u, "APPROVE", body, "")
	case "request_changes":
		_, err = p.hub.review(pr, u, "REQUEST_CHANGES", body, "")
	case "merge", "squash", "rebase":
		_, err = p.hub.merge(r.Context(), pr, u, mergeRequest{Method: action})
	case "close":
		err = p.hub.editPull(r.Context(), pr, u, pullEdit{State: new("closed")})
	case "reopen":
		err = p.hub.editPull(r.Context(), pr, u, pullEdit{State: new("open")})
	default:
		err = refuse(http.StatusBadRequest, "There is no button called %q.", action)
	}
	return err
}
