package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/internal/propose"
	"github.com/tenure-dev/tenure/schema"
)

// proposing is what request, extend and revoke have in common: where to work, and
// how far to go.
type proposing struct {
	repo, remote, branch   string
	name                   string // of the new branch; empty: from the file's path
	forgeURL               string
	dryRun, noPush, noPull bool
}

func (a *app) proposingFlags(cmd *cobra.Command, p *proposing) {
	f := cmd.Flags()
	f.StringVar(&p.repo, "repo", ".", "a checkout of the access repository")
	f.StringVar(&p.remote, "remote", "origin", "the remote to push to")
	f.StringVar(&p.branch, "branch", "main", "the branch that the reconciler watches")
	f.StringVar(&p.name, "branch-name", "", "name of the new branch (default: from the file's path)")
	f.StringVar(&p.forgeURL, "forge-url", "", "address of the forge, where the remote does not tell it")
	f.BoolVar(&p.dryRun, "dry-run", false, "say what would be done; neither fetch nor push")
	f.BoolVar(&p.noPush, "no-push", false, "leave the branch in the checkout")
	f.BoolVar(&p.noPull, "no-pr", false, "push the branch and open no pull request")
	_ = cmd.MarkFlagDirname("repo")
	a.outputFlag(cmd)
}

// proposingHelp ends the descriptions of the commands that propose.
const proposingHelp = `

The change is one commit on top of the remote's branch, on a branch of its own.
Your current branch, index and files are not touched. git does the fetch and the
push, with your logins and keys. The pull request is opened with GH_TOKEN or
GITHUB_TOKEN, as the account whose token it is (for another host than
github.com: GH_ENTERPRISE_TOKEN, or name the host with --forge-url); without a
token the address to open it at is printed. Running the same command again goes
on where it stopped.

Exit code 1: the change is not valid, or could not be brought to the forge.`

// proposed is what came of it.
type proposed struct {
	Action  string   `json:"action"` // request, extend or revoke
	Files   []string `json:"files"`
	Content string   `json:"content,omitempty"` // of the file, as it is proposed
	Base    string   `json:"base"`
	Branch  string   `json:"branch"`
	Commit  string   `json:"commit,omitempty"`
	Pushed  bool     `json:"pushed"`
	Found   bool     `json:"found"` // the branch was there, with the same change
	Pull    *opened  `json:"pullRequest,omitempty"`
	// OpenAt is the page on which the pull request is opened by hand.
	OpenAt string                  `json:"openAt,omitempty"`
	Needs  []policy.NeededApproval `json:"needs,omitempty"`
	Until  time.Time               `json:"until,omitzero"` // of emergency access, if the pull request was opened now
	Notes  []string                `json:"notes,omitempty"`

	title, body string
}

type opened struct {
	Number int    `json:"number"`
	URL    string `json:"url"`
}

func (p *proposed) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// workspace is the access repository as the remote's branch has it.
type workspace struct {
	git   *propose.Repo
	base  string // commit
	files []*schema.File
	text  map[string][]byte // of the files that can be read
	tree  *schema.Tree
	me    *schema.Person // whose address git has; nil: nobody's
}

func (a *app) workspace(ctx context.Context, p proposing) (*workspace, error) {
	git, err := propose.Open(ctx, propose.Options{Dir: p.repo, Remote: p.remote, Branch: p.branch, Prompt: a.interactive()})
	if err != nil {
		return nil, err
	}
	w := &workspace{git: git, text: map[string][]byte{}}
	if w.base, err = git.Base(ctx, !p.dryRun); err != nil {
		return nil, notFine{err}
	}
	entries, err := git.Files(ctx, w.base, schema.MaxFileBytes, schema.IsDocument)
	if err != nil {
		return nil, notFine{err}
	}
	for _, e := range entries {
		switch {
		case !e.Regular():
			w.files = append(w.files, schema.RefuseFile(e.Path, "is not a regular file; only regular files are read"))
		case e.Data == nil:
			w.files = append(w.files, schema.RefuseFile(e.Path, fmt.Sprintf("file has %d bytes; at most %d are read", e.Size, schema.MaxFileBytes)))
		default:
			w.text[e.Path] = e.Data
			w.files = append(w.files, schema.ParseFile(e.Path, e.Data))
		}
	}
	w.tree = schema.NewTree(w.files)
	if len(w.tree.Roles)+len(w.tree.People) == 0 {
		return nil, fmt.Errorf("branch %s of remote %s holds neither roles nor people; is this the access repository?", p.branch, p.remote)
	}
	w.me = w.person(git.Email(ctx))
	return w, nil
}

// person returns the one active person with an address; nil: there is none.
func (w *workspace) person(email string) *schema.Person {
	var found []*schema.Person
	for _, p := range w.tree.People {
		if email != "" && p.Email == email && p.Active && !p.Service {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

// there reports whether the branch has a file.
func (w *workspace) there(path string) bool {
	return slices.ContainsFunc(w.files, func(f *schema.File) bool { return f.Path == path })
}

// with returns the tree with one file written and others taken away.
func (w *workspace) with(path string, text []byte, without ...string) *schema.Tree {
	var files []*schema.File
	for _, f := range w.files {
		if f.Path != path && !slices.Contains(without, f.Path) {
			files = append(files, f)
		}
	}
	if path != "" {
		files = append(files, schema.ParseFile(path, text))
	}
	return schema.NewTree(files)
}

// find returns the path in the repository of a file that is named from here or from
// the top, and that the branch has.
func (w *workspace) find(p proposing, file string) (string, error) {
	if clean := path.Clean(filepath.ToSlash(file)); w.there(clean) {
		return clean, nil
	}
	if abs, err := filepath.Abs(file); err == nil {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
			abs = filepath.Join(dir, filepath.Base(abs))
		}
		if rel, err := filepath.Rel(w.git.Top, abs); err == nil && w.there(filepath.ToSlash(rel)) {
			return filepath.ToSlash(rel), nil
		}
	}
	hint := ""
	if n := nearest(file, sortedPaths(w.tree)); n != "" {
		hint = fmt.Sprintf("; did you mean %s?", n)
	}
	return "", notFine{fmt.Errorf("branch %s of remote %s has no file %s%s", p.branch, p.remote, safe(file), hint)}
}

func sortedPaths(tree *schema.Tree) []string {
	var out []string
	for path := range tree.Requests {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

// validated refuses a tree in which the file at path is not in order. What is wrong
// with other files is theirs.
func (a *app) validated(tree *schema.Tree, path string) error {
	reg, err := registry()
	if err != nil {
		return err
	}
	var wrong []error
	for _, p := range problems(tree, reg) {
		switch {
		case p.Pos.File != path:
		case p.Warning:
			fmt.Fprintln(a.err, a.tint(a.err, yellow, "warning:"), safe(p.Error()))
		default:
			wrong = append(wrong, p)
		}
	}
	if len(wrong) > 0 {
		return notFine{errors.Join(append(wrong, errors.New("nothing was proposed; mend this and run the command again"))...)}
	}
	return nil
}

// bring makes the branch and the pull request, as far as is wanted, and prints what
// came of it: also when only the branch was made.
func (a *app) bring(ctx context.Context, p proposing, w *workspace, c propose.Change, out proposed) error {
	out.Base, out.Branch = w.base, p.name
	err := a.bringTo(ctx, p, w, c, &out)
	if err != nil && out.Commit == "" {
		return err
	}
	if printed := a.print(out, func(to io.Writer) error { return a.proposedText(to, p, out) }); err == nil {
		err = printed
	}
	return err
}

func (a *app) bringTo(ctx context.Context, p proposing, w *workspace, c propose.Change, out *proposed) error {
	if p.dryRun {
		return nil
	}
	message := out.title + "\n"
	if out.body != "" {
		message += "\n" + strings.TrimRight(out.body, "\n") + "\n"
	}
	made, err := w.git.Make(ctx, w.base, propose.Proposal{Change: c, Branch: p.name, Message: message, Local: p.noPush})
	if errors.Is(err, propose.ErrBranchTaken) {
		return notFine{fmt.Errorf("%w; choose another with --branch-name", err)}
	}
	if err != nil {
		return notFine{err}
	}
	out.Commit, out.Found, out.Pushed = made.Commit, made.Found, !p.noPush
	if p.noPush {
		return nil
	}
	return a.openPull(ctx, p, w, out)
}

func (a *app) proposedText(w io.Writer, p proposing, out proposed) error {
	files := safe(strings.Join(out.Files, ", "))
	if p.dryRun {
		if out.Content != "" {
			fmt.Fprint(w, out.Content)
		}
		fmt.Fprintf(a.err, "would propose %s of %s, on branch %s on top of %s (%.12s)\n", out.Action, files, out.Branch, p.branch, out.Base)
	} else if out.Commit != "" {
		where := "pushed to " + p.remote
		switch {
		case out.Found:
			where = "there already, with the same change"
		case p.noPush:
			where = fmt.Sprintf("in this checkout; push it with git push %s %s", p.remote, out.Branch)
		}
		fmt.Fprintf(w, "%s: %s\nbranch %s: %s\n", out.Action, files, out.Branch, where)
		switch {
		case out.Pull != nil:
			fmt.Fprintf(w, "pull request #%d: %s\n", out.Pull.Number, safe(out.Pull.URL))
		case out.OpenAt != "":
			fmt.Fprintf(w, "open the pull request: %s\n", out.OpenAt)
		case !p.noPush && !p.noPull:
			fmt.Fprintf(w, "open a pull request from that branch to %s\n", p.branch)
		}
	}
	for _, n := range out.Needs {
		fmt.Fprintln(a.err, need(n))
	}
	for _, n := range out.Notes {
		fmt.Fprintln(a.err, safe(n))
	}
	return nil
}

// need says one approval that is needed, and who could give it.
func need(n policy.NeededApproval) string {
	s := fmt.Sprintf("role %s needs %d of %s", n.Role, n.Count, strings.Join(n.From, ", "))
	if n.When != "" {
		s += " when " + safe(n.When)
	}
	if len(n.People) == 0 {
		return s + "; nobody can give it"
	}
	return s + "; who can give it: " + strings.Join(n.People, ", ")
}

var unfitForBranch = regexp.MustCompile(`[^A-Za-z0-9_]+`)

// branchFor names a branch after what it does and the file it does it to.
func branchFor(words ...string) string {
	for i, w := range words {
		w = strings.TrimPrefix(strings.TrimSuffix(w, path.Ext(w)), "requests/")
		words[i] = strings.Trim(unfitForBranch.ReplaceAllString(w, "-"), "-")
	}
	name := strings.Join(words, "-")
	return "access/" + name[:min(len(name), 150)]
}

// interactive reports whether somebody sits at a terminal and can be asked.
func (a *app) interactive() bool {
	in, ok := a.in.(*os.File)
	return ok && terminal(in) && terminal(a.err)
}
