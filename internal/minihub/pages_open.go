package minihub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strings"
)

// branchRow is a branch that a pull request can be opened from.
type branchRow struct{ Name, Subject string }

// openable lists the branches that differ from the default branch and have no
// open pull request, by name.
func (p *pageSet) openable(ctx context.Context, repo *repo) ([]branchRow, error) {
	refs, err := p.hub.git.refs(ctx, repo.dir, heads)
	if err != nil {
		return nil, err
	}
	base := refs[heads+repo.defaultBranch]
	taken := map[string]bool{repo.defaultBranch: true}
	for _, pr := range repo.pulls {
		if pr.state == "open" && pr.headRepo == repo && pr.baseRef == repo.defaultBranch {
			taken[pr.headRef] = true
		}
	}
	var out []branchRow
	for ref, sha := range refs {
		name := strings.TrimPrefix(ref, heads)
		if taken[name] || base == "" {
			continue
		}
		ahead, err := p.hub.git.lines(ctx, repo.dir, "rev-list", "--max-count=1", base+".."+sha)
		if err != nil {
			return nil, err
		}
		if len(ahead) == 0 || repo.mergedHead(sha) {
			continue
		}
		info, err := p.hub.commit(ctx, repo, sha)
		if err != nil {
			return nil, err
		}
		out = append(out, branchRow{name, rowOf(info).Subject})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// mergedHead reports whether a pull request with that head was merged: after a
// squash the branch still differs, and nobody wants to open it again.
func (r *repo) mergedHead(sha string) bool {
	for _, pr := range r.pulls {
		if pr.merged() && pr.headSHA == sha {
			return true
		}
	}
	return false
}

// open is the form of the list: a pull request from a branch that was pushed.
func (p *pageSet) open(w http.ResponseWriter, r *http.Request) {
	number, err := p.openPull(r)
	if err == nil {
		http.Redirect(w, r, fmt.Sprintf("/%s/%s/pull/%d", r.PathValue("owner"), r.PathValue("repo"), number), http.StatusSeeOther)
		return
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		refusal = refuse(http.StatusInternalServerError, "%v", err)
	}
	p.showPulls(w, r, refusal.Status, "Refused: "+explain(refusal))
}

func (p *pageSet) openPull(r *http.Request) (int64, error) {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	repo := p.hub.repoByName(r.PathValue("owner") + "/" + r.PathValue("repo"))
	u := p.reader(r)
	if repo == nil || !repo.permission(u).atLeast(Read) {
		return 0, notFound()
	}
	if u == nil {
		return 0, refuse(http.StatusUnauthorized, "Choose whom to act as first.")
	}
	title, head := r.PostFormValue("title"), r.PostFormValue("head")
	if strings.TrimSpace(title) == "" {
		if sha, err := p.hub.branchHead(r.Context(), repo, head); err == nil && sha != "" {
			if info, err := p.hub.commit(r.Context(), repo, sha); err == nil {
				title = rowOf(info).Subject
			}
		}
	}
	pr, err := p.hub.openPull(r.Context(), repo, u, PullRequest{Title: title, Body: r.PostFormValue("body"), Head: head})
	if err != nil {
		return 0, err
	}
	return pr.number, nil
}
