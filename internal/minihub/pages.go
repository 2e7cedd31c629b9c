package minihub

import "net/http"

func (h *Hub) pages() http.Handler { return http.NotFoundHandler() }
