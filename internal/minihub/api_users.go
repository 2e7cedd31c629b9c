package minihub

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

func getSelf(c *call) error {
	if c.user == nil {
		return refuse(http.StatusUnauthorized, "Requires authentication")
	}
	if c.user.kind == "Bot" && c.hub.appOf(c.user) != nil {
		return refuse(http.StatusForbidden, "Resource not accessible by integration")
	}
	c.reply(http.StatusOK, c.urls.profile(c.user))
	return nil
}

func (h *Hub) appOf(u *user) *app {
	for _, a := range h.apps {
		if a.bot == u {
			return a
		}
	}
	return nil
}

func getUser(c *call) error {
	u := c.hub.userByLogin(c.params["username"])
	if u == nil {
		return notFound()
	}
	c.reply(http.StatusOK, c.urls.profile(u))
	return nil
}

func getUserByID(c *call) error {
	id, err := strconv.ParseInt(c.params["account_id"], 10, 64)
	if err != nil {
		return notFound()
	}
	u := c.hub.userByID(id)
	if u == nil {
		return notFound()
	}
	c.reply(http.StatusOK, c.urls.profile(u))
	return nil
}

// asApp is for calls that only an app's own JWT may make.
func (c *call) asApp() (*app, error) {
	if c.app == nil {
		return nil, refuse(http.StatusUnauthorized, "A JSON web token could not be decoded")
	}
	return c.app, nil
}

func getApp(c *call) error {
	a, err := c.asApp()
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, obj{
		"id": a.id, "slug": a.slug, "node_id": nodeID("App", a.id), "name": a.slug, "description": nil,
		"owner": c.urls.user(a.bot), "external_url": c.urls.html, "html_url": c.urls.html + "/apps/" + a.slug,
		"created_at": stamp(a.createdAt), "updated_at": stamp(a.createdAt),
		"permissions": a.permissions, "events": []string{"push", "pull_request", "pull_request_review"},
	})
	return nil
}

func (c *call) installation() (*app, *installation, error) {
	a, err := c.asApp()
	if err != nil {
		return nil, nil, err
	}
	id, err := strconv.ParseInt(c.params["installation_id"], 10, 64)
	if err != nil || a.installations[id] == nil {
		return nil, nil, notFound()
	}
	return a, a.installations[id], nil
}

func getInstallation(c *call) error {
	a, in, err := c.installation()
	if err != nil {
		return err
	}
	api := fmt.Sprintf("%s/app/installations/%d", c.urls.api, in.id)
	c.reply(http.StatusOK, obj{
		"id": in.id, "app_id": a.id, "app_slug": a.slug, "account": c.urls.user(in.account),
		"target_id": in.account.id, "target_type": in.account.kind, "repository_selection": "selected",
		"access_tokens_url": api + "/access_tokens", "repositories_url": c.urls.api + "/installation/repositories",
		"html_url": fmt.Sprintf("%s/settings/installations/%d", c.urls.html, in.id),
		"events":   []string{"push", "pull_request", "pull_request_review"}, "permissions": a.permissions, "single_file_name": nil,
		"created_at": stamp(in.createdAt), "updated_at": stamp(in.createdAt), "suspended_by": nil, "suspended_at": nil,
	})
	return nil
}

func createInstallationToken(c *call) error {
	a, _, err := c.installation()
	if err != nil {
		return err
	}
	token := fmt.Sprintf("ghs_test%d", c.hub.id())
	expires := c.hub.opts.AuthNow().UTC().Add(time.Hour).Truncate(time.Second)
	c.hub.tokens[token] = &credential{user: a.bot, app: a, expires: expires}
	c.reply(http.StatusCreated, obj{
		"token": token, "expires_at": stamp(expires), "permissions": a.permissions, "repository_selection": "selected",
	})
	return nil
}
