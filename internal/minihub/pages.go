package minihub

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"
)

//go:embed assets
var assets embed.FS

// pageSet renders the pages. They need no login: a cookie says whom the reader
// acts as, which is why they answer under loopback names only.
type pageSet struct {
	hub  *Hub
	tmpl *template.Template
	css  []byte
}

// frame is what every page shows.
type frame struct {
	Title, Repo, Here, User string
	Logins                  []string
	Message                 string
}

const actAsCookie = "minihub_user"

func (h *Hub) pages() http.Handler {
	css, err := assets.ReadFile("assets/style.css")
	if err != nil {
		panic(err) // embedded: cannot be missing
	}
	p := &pageSet{hub: h, tmpl: template.Must(template.ParseFS(assets, "assets/pages.html")), css: css}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", p.style)
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("POST /act-as", p.actAs)
	mux.HandleFunc("GET /{owner}/{repo}", p.tree)
	mux.HandleFunc("GET /{owner}/{repo}/tree/{branch...}", p.tree)
	mux.HandleFunc("GET /{owner}/{repo}/blob/{sha}/{path...}", p.blob)
	mux.HandleFunc("GET /{owner}/{repo}/commit/{sha}", p.commit)
	mux.HandleFunc("GET /{owner}/{repo}/pulls", p.pulls)
	mux.HandleFunc("POST /{owner}/{repo}/pulls", p.open)
	mux.HandleFunc("GET /{owner}/{repo}/pull/{number}", p.pull)
	mux.HandleFunc("POST /{owner}/{repo}/pull/{number}", p.act)
	return p.guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard refuses other host names, so that no web site can reach the pages by
// pointing a name of its own at this machine, and forbids scripts and framing.
func (p *pageSet) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.ownHost(r.Host) {
			http.Error(w, "minihub's pages answer under loopback names only", http.StatusForbidden)
			return
		}
		head := w.Header()
		head.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (p *pageSet) ownHost(host string) bool {
	if u, err := url.Parse(p.hub.opts.BaseURL); err == nil && u.Host != "" && u.Host == host {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return name == "localhost" || (ip != nil && ip.IsLoopback())
}

func (p *pageSet) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(p.css)
}

// reader is whom the cookie names, or nil. The lock is held.
func (p *pageSet) reader(r *http.Request) *user {
	c, err := r.Cookie(actAsCookie)
	if err != nil {
		return nil
	}
	u := p.hub.userByLogin(c.Value)
	if u == nil || u.kind != "User" {
		return nil
	}
	return u
}

func (p *pageSet) frame(r *http.Request, title string, repo *repo) frame {
	f := frame{Title: title, Here: r.URL.Path}
	if repo != nil {
		f.Repo = repo.fullName()
		f.Title += " · " + f.Repo
	}
	if u := p.reader(r); u != nil {
		f.User = u.login
	}
	for _, u := range p.hub.users {
		if u.kind == "User" && !u.deleted {
			f.Logins = append(f.Logins, u.login)
		}
	}
	return f
}

// actAs sets the cookie and returns to where the reader was.
func (p *pageSet) actAs(w http.ResponseWriter, r *http.Request) {
	back := r.PostFormValue("back")
	if !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsAny(back, "\\\r\n") {
		back = "/"
	}
	login := ""
	if u, ok := p.hub.User(r.PostFormValue("login")); ok {
		login = u.Login
	}
	http.SetCookie(w, &http.Cookie{
		Name: actAsCookie, Value: login, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// show gathers a page's data under the lock and renders it after.
func (p *pageSet) show(w http.ResponseWriter, r *http.Request, name string, status int, gather func(context.Context, *repo) (any, error)) {
	p.hub.mu.Lock()
	data, err := func() (any, error) {
		if r.PathValue("owner") == "" {
			return gather(r.Context(), nil)
		}
		repo := p.hub.repoByName(r.PathValue("owner") + "/" + r.PathValue("repo"))
		if repo == nil || !repo.permission(p.reader(r)).atLeast(Read) {
			return nil, notFound()
		}
		return gather(r.Context(), repo)
	}()
	if err != nil {
		var refusal *Refusal
		status, name = http.StatusInternalServerError, "error"
		f := p.frame(r, "Something went wrong", nil)
		f.Message = err.Error()
		if errors.As(err, &refusal) {
			status, f.Title, f.Message = refusal.Status, refusal.Message, explain(refusal)
		}
		data = f
	}
	p.hub.mu.Unlock()
	var out bytes.Buffer
	if err := p.tmpl.ExecuteTemplate(&out, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

// explain says in one sentence why something was refused.
func explain(r *Refusal) string {
	if r.Status == http.StatusNotFound {
		return "There is nothing here, or it is not yours to see."
	}
	if len(r.Errors) == 0 {
		return r.Message
	}
	var parts []string
	for _, e := range r.Errors {
		if o, ok := e.(obj); ok {
			if m, ok := o["message"]; ok {
				parts = append(parts, fmt.Sprint(m))
			} else {
				parts = append(parts, fmt.Sprintf("%v: %v", o["field"], o["code"]))
			}
			continue
		}
		parts = append(parts, fmt.Sprint(e))
	}
	return strings.Join(parts, "; ")
}
