package minihub

import (
	"context"
	"net/http"
	"sort"
	"strings"
	"time"
)

func shown(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04:05 UTC") }

func (p *pageSet) home(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, "home", http.StatusOK, func(context.Context, *repo) (any, error) {
		type row struct {
			Name string
			Open int
		}
		data := struct {
			frame
			Repos []row
		}{frame: p.frame(r, "minihub", nil)}
		for _, repo := range p.hub.repos {
			if repo.deleted || !repo.permission(p.reader(r)).atLeast(Read) {
				continue
			}
			x := row{Name: repo.fullName()}
			for _, pr := range repo.pulls {
				if pr.state == "open" {
					x.Open++
				}
			}
			data.Repos = append(data.Repos, x)
		}
		return data, nil
	})
}

// commitRow is a commit as pages show it.
type commitRow struct {
	SHA, Short, Subject, Body, Author, When string
}

func rowOf(c commitInfo) commitRow {
	subject, body, _ := strings.Cut(strings.TrimSpace(c.message), "\n")
	return commitRow{
		SHA: c.sha, Short: c.sha[:7], Subject: subject, Body: strings.TrimSpace(body),
		Author: c.author.name, When: shown(c.committer.when),
	}
}

func (p *pageSet) rows(ctx context.Context, repo *repo, shas []string) ([]commitRow, error) {
	var out []commitRow
	for _, s := range shas {
		info, err := p.hub.commit(ctx, repo, s)
		if err != nil {
			return nil, err
		}
		out = append(out, rowOf(info))
	}
	return out, nil
}

// tree is the page of a branch: its latest commits and its files.
func (p *pageSet) tree(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, "tree", http.StatusOK, func(ctx context.Context, repo *repo) (any, error) {
		branch := orElse(r.PathValue("branch"), repo.defaultBranch)
		refs, err := p.hub.git.refs(ctx, repo.dir, heads)
		if err != nil {
			return nil, err
		}
		data := struct {
			frame
			Branch, Head    string
			Branches, Paths []string
			Commits         []commitRow
		}{frame: p.frame(r, branch, repo), Branch: branch, Head: refs[heads+branch]}
		for name := range refs {
			data.Branches = append(data.Branches, strings.TrimPrefix(name, heads))
		}
		sort.Strings(data.Branches)
		if data.Head == "" {
			if branch != repo.defaultBranch {
				return nil, notFound()
			}
			return data, nil
		}
		shas, err := p.hub.git.lines(ctx, repo.dir, "rev-list", "--first-parent", "--max-count=20", data.Head)
		if err != nil {
			return nil, err
		}
		if data.Commits, err = p.rows(ctx, repo, shas); err != nil {
			return nil, err
		}
		entries, err := p.hub.tree(ctx, repo, data.Head, true)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.kind == "blob" {
				data.Paths = append(data.Paths, e.path)
			}
		}
		return data, nil
	})
}

func (p *pageSet) blob(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, "blob", http.StatusOK, func(ctx context.Context, repo *repo) (any, error) {
		sha, path := p.hub.resolve(ctx, repo, r.PathValue("sha")), r.PathValue("path")
		if sha == "" {
			return nil, notFound()
		}
		content, err := p.hub.git.runEnv(ctx, repo.dir, nil, nil, "cat-file", "blob", sha+":"+path)
		if err != nil {
			return nil, notFound()
		}
		return struct {
			frame
			Path, Head, Content string
		}{p.frame(r, path, repo), path, sha, string(content)}, nil
	})
}

func (p *pageSet) commit(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, "commit", http.StatusOK, func(ctx context.Context, repo *repo) (any, error) {
		sha := p.hub.resolve(ctx, repo, r.PathValue("sha"))
		if sha == "" {
			return nil, notFound()
		}
		info, err := p.hub.commit(ctx, repo, sha)
		if err != nil {
			return nil, err
		}
		parent := ""
		if len(info.parents) > 0 {
			parent = info.parents[0]
		}
		files, err := p.hub.diff(ctx, repo, parent, sha, true)
		if err != nil {
			return nil, err
		}
		row := rowOf(info)
		return struct {
			frame
			Commit commitRow
			Files  []fileRow
		}{p.frame(r, row.Subject, repo), row, fileRows(files)}, nil
	})
}

// fileRow is a changed file as pages show it.
type fileRow struct {
	Path, Status         string
	Additions, Deletions int
	Lines                []diffLine
}

type diffLine struct{ Class, Text string }

func fileRows(files []fileDiff) []fileRow {
	var out []fileRow
	for _, f := range files {
		row := fileRow{Path: f.path, Status: f.status, Additions: f.additions, Deletions: f.deletions}
		if f.oldPath != "" {
			row.Path = f.oldPath + " → " + f.path
		}
		if f.patch != "" {
			for _, line := range strings.Split(f.patch, "\n") {
				row.Lines = append(row.Lines, diffLine{Class: classOf(line), Text: line})
			}
		}
		out = append(out, row)
	}
	return out
}

func classOf(line string) string {
	switch {
	case strings.HasPrefix(line, "@@"):
		return "hunk"
	case strings.HasPrefix(line, "+"):
		return "add"
	case strings.HasPrefix(line, "-"):
		return "del"
	}
	return "same"
}
