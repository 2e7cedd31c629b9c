package minihub

import (
	"net/http"
	"strings"
)

// apiPrefix is where an Enterprise server has its REST API.
const apiPrefix = "/api/v3"

// Handler serves everything: the REST API below /api/v3 and, as on
// api.github.com, at the root; Git at /OWNER/NAME.git; pages elsewhere.
func (h *Hub) Handler() http.Handler {
	routes := apiRoutes()
	enterprise, root := h.api(routes, apiPrefix), h.api(routes, "")
	pages := h.pages()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch first {
		case "api":
			if strings.HasPrefix(r.URL.Path, apiPrefix+"/") {
				enterprise.ServeHTTP(w, r)
				return
			}
		case "repos", "user", "users", "app", "rate_limit":
			root.ServeHTTP(w, r)
			return
		}
		if name, tail, ok := gitPath(r.URL.Path); ok {
			h.serveGit(w, r, name, tail)
			return
		}
		pages.ServeHTTP(w, r)
	})
}
