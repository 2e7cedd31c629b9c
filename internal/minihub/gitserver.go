package minihub

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// updateHook is run by git for each ref of a push; what may not be is told to it
// by the environment, one ref a line.
const updateHook = `#!/bin/sh
# ref old new
refused() { printf '%s\n' "$1" | grep -qxF "$2"; }
if refused "$MINIHUB_NO_PUSH" "$1"; then
	echo "error: GH006: Protected branch update failed for $1." >&2
	echo "error: Changes must be made through a pull request." >&2
	exit 1
fi
if refused "$MINIHUB_NO_FORCE" "$1"; then
	case "$3" in
	*[!0]*) ;;
	*) echo "error: GH006: Cannot delete this protected branch" >&2; exit 1 ;;
	esac
	case "$2" in
	*[!0]*)
		if ! git merge-base --is-ancestor "$2" "$3"; then
			echo "error: GH006: Cannot force-push to this branch" >&2
			exit 1
		fi ;;
	esac
fi
exit 0
`

// maxPack bounds what one push or fetch request may send.
const maxPack = 256 << 20

// gitPath splits "/owner/name.git/info/refs" into repository and service path.
func gitPath(path string) (fullName, rest string, ok bool) {
	for _, tail := range []string{"/info/refs", "/git-upload-pack", "/git-receive-pack"} {
		if name, found := strings.CutSuffix(path, tail); found {
			name = strings.TrimSuffix(strings.Trim(name, "/"), ".git")
			return name, tail, strings.Count(name, "/") == 1
		}
	}
	return "", "", false
}

// serveGit speaks smart HTTP by git's own programs.
func (h *Hub) serveGit(w http.ResponseWriter, r *http.Request, fullName, tail string) {
	w.Header().Set("Date", h.opts.Now().UTC().Format(http.TimeFormat))
	failure := h.failureFor(r)
	if failure != nil && !failure.Late {
		failure.inject(w, r)
		return
	}
	service := strings.TrimPrefix(tail, "/")
	if tail == "/info/refs" {
		service = r.URL.Query().Get("service")
	}
	if service != "git-upload-pack" && service != "git-receive-pack" {
		http.Error(w, "Please upgrade your Git client.", http.StatusForbidden)
		return
	}
	// The whole body is read before the lock is taken: a slow client stops nobody.
	body, err := readBody(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		http.Error(w, "the hub is closed", http.StatusServiceUnavailable)
		return
	}
	repo, u, status := h.gitAccess(r, fullName, service == "git-receive-pack")
	if status != 0 {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="minihub"`)
		}
		http.Error(w, http.StatusText(status), status)
		return
	}
	var out []byte
	switch {
	case tail == "/info/refs":
		out, err = h.advertise(r, repo, service)
	case service == "git-receive-pack":
		out, err = h.receive(r.Context(), repo, u, body)
	default:
		out, err = h.rpc(r, repo, "upload-pack", nil, body)
	}
	if failure != nil {
		failure.inject(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	kind := "-result"
	if tail == "/info/refs" {
		kind = "-advertisement"
	}
	w.Header().Set("Content-Type", "application/x-"+service+kind)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(out)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, maxPack)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = io.LimitReader(z, maxPack)
	}
	return io.ReadAll(in)
}

// gitAccess finds the repository and the caller; status 0 means go ahead. What may
// not be read asks for credentials first and is then not found.
func (h *Hub) gitAccess(r *http.Request, fullName string, push bool) (*repo, *user, int) {
	var u *user
	if token := tokenOf(r); token != "" {
		if u = h.userOf(token); u == nil {
			return nil, nil, http.StatusUnauthorized
		}
	}
	repo := h.repoByName(fullName)
	if repo == nil {
		if id, ok := h.moved[strings.ToLower(fullName)]; ok {
			repo = h.repoByID(id)
		}
	}
	switch {
	case repo == nil || !repo.permission(u).atLeast(Read):
		if u == nil {
			return nil, nil, http.StatusUnauthorized
		}
		return nil, nil, http.StatusNotFound
	case push && u == nil:
		return nil, nil, http.StatusUnauthorized
	case push && !repo.permission(u).atLeast(Write):
		return nil, nil, http.StatusForbidden
	}
	return repo, u, 0
}

func (h *Hub) advertise(r *http.Request, repo *repo, service string) ([]byte, error) {
	out, err := h.rpc(r, repo, strings.TrimPrefix(service, "git-"), []string{"--advertise-refs"}, nil)
	if err != nil {
		return nil, err
	}
	if strings.Contains(r.Header.Get("Git-Protocol"), "version=2") && service == "git-upload-pack" {
		return out, nil
	}
	line := "# service=" + service + "\n"
	return append(fmt.Appendf(nil, "%04x%s0000", len(line)+4, line), out...), nil
}

func (h *Hub) rpc(r *http.Request, repo *repo, program string, args []string, body []byte) ([]byte, error) {
	args = append(append([]string{program, "--stateless-rpc"}, args...), repo.dir)
	env := []string{"GIT_PROTOCOL=" + r.Header.Get("Git-Protocol")}
	return h.git.runEnv(r.Context(), repo.dir, env, body, args...)
}

// receive runs a push and records what it changed. Git itself reports per ref
// what was refused, so a failed push is a successful request.
func (h *Hub) receive(ctx context.Context, repo *repo, u *user, body []byte) ([]byte, error) {
	before, err := h.git.refs(ctx, repo.dir, "refs/")
	if err != nil {
		return nil, err
	}
	var noPush, noForce []string
	for branch := range repo.protections {
		direct, force := repo.mayPush(u, branch)
		if direct != nil {
			noPush = append(noPush, heads+branch)
		}
		if force != nil {
			noForce = append(noForce, heads+branch)
		}
	}
	out, runErr := h.git.runEnv(ctx, repo.dir, []string{
		"MINIHUB_NO_PUSH=" + strings.Join(noPush, "\n"),
		"MINIHUB_NO_FORCE=" + strings.Join(noForce, "\n"),
	}, body, "receive-pack", "--stateless-rpc", repo.dir)
	after, err := h.git.refs(ctx, repo.dir, "refs/")
	if err != nil {
		return nil, err
	}
	if err := h.recordPush(ctx, repo, before, after, u); err != nil {
		return nil, err
	}
	if runErr != nil && len(out) == 0 {
		return nil, runErr
	}
	return out, nil
}
