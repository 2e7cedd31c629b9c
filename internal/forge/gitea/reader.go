package gitea

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
)

// settings is what a repository says of itself; the SDK leaves out the last two.
type settings struct {
	sdk.Repository
	ManualMerge      bool `json:"allow_manual_merge"`
	AutodetectManual bool `json:"autodetect_manual_merge"`
}

func (g *Client) settings(ctx context.Context) (settings, http.Header, error) {
	var r settings
	h, err := g.read(ctx, "repository "+g.owner+"/"+g.name, g.repoPath(), nil, &r)
	if err == nil && r.ID == 0 {
		err = fmt.Errorf("gitea: repository %s/%s: %w: its answer has no id", g.owner, g.name, forge.ErrUnavailable)
	}
	return r, h, err
}

// Repository implements forge.Reader. Now is from the Date header of the answer.
func (g *Client) Repository(ctx context.Context) (forge.Repository, error) {
	r, h, err := g.settings(ctx)
	if err != nil {
		return forge.Repository{}, err
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return forge.Repository{}, fmt.Errorf("gitea: repository %s: %w: its answer has no date", r.FullName, forge.ErrUnavailable)
	}
	return forge.Repository{ID: r.ID, Name: r.FullName, Host: g.host, Now: now.UTC()}, nil
}

// whoami returns the numeric id of the account that asks.
func (g *Client) whoami(ctx context.Context) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.me != 0 {
		return g.me, nil
	}
	u, resp, err := g.api(ctx).GetMyUserInfo()
	if err != nil {
		return 0, g.failed(ctx, "the account of the token", resp, err)
	}
	if u.ID <= 0 {
		return 0, fmt.Errorf("gitea: the account of the token: %w: its answer has no id", forge.ErrUnavailable)
	}
	g.me = u.ID
	return g.me, nil
}

// identity says who an account is. Gitea does not tell which accounts are bots;
// the reconciler's own account is one, and so are those below zero, which Gitea
// keeps for itself. A deleted account has no number.
func identity(host string, u *sdk.User, me int64) forge.Identity {
	if u == nil {
		return forge.Identity{Host: host}
	}
	i := forge.Identity{Host: host, ID: u.ID, Login: u.UserName, Type: "User"}
	switch {
	case u.ID == me, u.ID < -1:
		i.Type = "Bot"
	case u.ID == -1, strings.EqualFold(u.UserName, "ghost"):
		i.ID = 0
	}
	return i
}

// event is an entry of a pull request's timeline; the SDK leaves out which review
// it tells of.
type event struct {
	ID       int64     `json:"id"`
	Type     string    `json:"type"`
	Created  time.Time `json:"created_at"`
	ReviewID int64     `json:"review_id"`
}

// blank is how many pages without an entry end the timeline of a pull request that
// is open, and how many are passed over before that of a merged one is given up.
const (
	blankEnd  = 2
	blankGive = 100
)

// timeline reads what happened to a pull request, oldest first. Gitea pages it
// before it leaves out what is said on lines of the diff, so that a page may be
// short or empty and more may come: who writes enough such remarks could hide what
// follows. The end of a merged one is its merge, after which nothing counts.
func (g *Client) timeline(ctx context.Context, p *sdk.PullRequest) ([]event, error) {
	number := int(p.Index)
	what := fmt.Sprintf("timeline of pull request %d", number)
	var out []event
	blank := 0
	for n := 1; n <= maxPages; n++ {
		var page []event
		query := url.Values{"limit": {strconv.Itoa(perPage)}, "page": {strconv.Itoa(n)}}
		if _, err := g.read(ctx, what, fmt.Sprintf("%s/issues/%d/timeline", g.repoPath(), number), query, &page); err != nil {
			return nil, err
		}
		out = append(out, page...)
		if p.HasMerged && slices.ContainsFunc(page, func(e event) bool { return e.Type == "merge_pull" }) {
			return out, nil
		}
		if len(page) > 0 {
			blank = 0
			continue
		}
		blank++
		if !p.HasMerged && blank == blankEnd {
			return out, nil
		}
		if blank == blankGive {
			break
		}
	}
	return nil, fmt.Errorf("gitea: %s: %w: its end is not to be found", what, forge.ErrUnavailable)
}

// Reviews implements forge.Reader. A review that was begun and submitted later
// keeps in Gitea the time of its beginning, so the time of submission is that of
// the timeline. Whoever may write to the repository can delete an entry there. A
// review without one has no time, and an approval without a time counts for
// nothing; what stands against an approval then counts as said at the merge.
func (g *Client) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	me, err := g.whoami(ctx)
	if err != nil {
		return nil, err
	}
	p, err := g.get(ctx, number)
	if err != nil {
		return nil, err
	}
	list, err := all[sdk.PullReview](ctx, g, fmt.Sprintf("reviews of pull request %d", number), fmt.Sprintf("%s/pulls/%d/reviews", g.repoPath(), number), nil)
	if err != nil {
		return nil, err
	}
	events, err := g.timeline(ctx, p)
	if err != nil {
		return nil, err
	}
	submitted := map[int64]time.Time{}
	for _, e := range events {
		if e.Type == "review" && e.Created.After(submitted[e.ReviewID]) {
			submitted[e.ReviewID] = e.Created
		}
	}
	var out []forge.Review
	for _, r := range list {
		state := reviewState(r)
		if state == "" {
			continue
		}
		out = append(out, forge.Review{
			ID: r.ID, Reviewer: identity(g.host, r.Reviewer, me), State: state, Commit: r.CommitID,
			SubmittedAt: submittedAt(submitted[r.ID], state, r.Submitted, mergedAt(p)),
		})
	}
	return out, nil
}

// submittedAt is when a review was submitted: as the timeline says (told), or else
// what is on the safe side.
func submittedAt(told time.Time, state string, begun, merged time.Time) time.Time {
	switch {
	case !told.IsZero():
		return told.UTC()
	case state == forge.ReviewApproved, state == forge.ReviewCommented:
		return time.Time{}
	case merged.IsZero() || !begun.Before(merged):
		return begun.UTC()
	}
	return merged.Add(-time.Second)
}

// reviewState is empty for what is no review: one that was asked for or not
// submitted.
func reviewState(r sdk.PullReview) string {
	switch r.State {
	case sdk.ReviewStatePending, sdk.ReviewStateRequestReview:
		return ""
	}
	if r.Dismissed {
		return forge.ReviewDismissed
	}
	switch r.State {
	case sdk.ReviewStateApproved:
		return forge.ReviewApproved
	case sdk.ReviewStateRequestChanges:
		return forge.ReviewChangesRequested
	case sdk.ReviewStateComment:
		return forge.ReviewCommented
	}
	return strings.ToLower(string(r.State)) // does not approve
}

// BaseChanged implements forge.Reader.
func (g *Client) BaseChanged(ctx context.Context, number int) (time.Time, error) {
	p, err := g.get(ctx, number)
	if err != nil {
		return time.Time{}, err
	}
	events, err := g.timeline(ctx, p)
	if err != nil {
		return time.Time{}, err
	}
	var last time.Time
	for _, e := range events {
		if e.Type == "change_target_branch" && e.Created.After(last) {
			last = e.Created.UTC()
		}
	}
	return last, nil
}

// BlobAt implements forge.Reader. A directory, a symbolic link or a submodule has
// no blob.
func (g *Client) BlobAt(ctx context.Context, commit, path string) (string, error) {
	what := fmt.Sprintf("%s at commit %s", path, commit)
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", fmt.Errorf("gitea: %s: %w", what, forge.ErrNotFound)
		}
		segments[i] = url.PathEscape(s)
	}
	var raw json.RawMessage
	if _, err := g.read(ctx, what, g.repoPath()+"/contents/"+strings.Join(segments, "/"), url.Values{"ref": {commit}}, &raw); err != nil {
		return "", err
	}
	if len(raw) > 0 && raw[0] == '[' {
		return "", fmt.Errorf("gitea: %s is a directory: %w", what, forge.ErrNotFound)
	}
	var file sdk.ContentsResponse
	if err := json.Unmarshal(raw, &file); err != nil {
		return "", fmt.Errorf("gitea: %s: %w: its answer cannot be read", what, forge.ErrUnavailable)
	}
	if file.Type != "file" || file.SHA == "" || file.Path != path {
		return "", fmt.Errorf("gitea: %s is a %s: %w", what, file.Type, forge.ErrNotFound)
	}
	return file.SHA, nil
}

// ref returns the commit of a ref, such as heads/main; ErrNotFound: there is none.
func (g *Client) ref(ctx context.Context, ref string) (string, error) {
	segments := strings.Split(ref, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	var raw json.RawMessage
	if _, err := g.read(ctx, "ref "+ref, g.repoPath()+"/git/refs/"+strings.Join(segments, "/"), nil, &raw); err != nil {
		return "", err
	}
	refs := []sdk.Reference{{}}
	var err error
	if len(raw) > 0 && raw[0] == '[' { // it lists every ref that begins so
		err = json.Unmarshal(raw, &refs)
	} else {
		err = json.Unmarshal(raw, &refs[0])
	}
	if err != nil {
		return "", fmt.Errorf("gitea: ref %s: %w: its answer cannot be read", ref, forge.ErrUnavailable)
	}
	for _, r := range refs {
		if r.Ref == "refs/"+ref && r.Object != nil && r.Object.SHA != "" {
			return r.Object.SHA, nil
		}
	}
	return "", fmt.Errorf("gitea: ref %s: %w", ref, forge.ErrNotFound)
}

func pullRef(number int) string { return "pull/" + strconv.Itoa(number) + "/head" }
