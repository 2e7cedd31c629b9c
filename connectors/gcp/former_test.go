package gcp

import (
	"errors"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
)

// Google brings a deleted account back within some days, with what it was bound to.
func TestADeletedAccountLosesItsPlaceToo(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	must(t, errors.Join(c.Grant(t.Context(), on("alice"), soon()), c.Grant(t.Context(), on("bob"), soon())))
	w.hand(t).bind(t, project, logs, "user:alice@example.com", nil) // of another hand
	w.Delete("user:alice@example.com")
	must(t, errors.Join(c.Revoke(t.Context(), on("alice"))))
	text := w.Policy(project)
	if strings.Count(text, "deleted:user:alice@example.com") != 1 {
		t.Errorf("want the binding of the other hand only: %s", text)
	}
	if !w.May("user:bob@example.com", read, project) {
		t.Error("a grant that has not ended went, too")
	}
}

func TestWhatWasGrantedUnderAnotherDomainIsNotSaidToBeGone(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	must(t, errors.Join(c.Grant(t.Context(), on("alice"), soon()), c.Grant(t.Context(), on("bob"), soon())))
	without := w.settings()
	delete(without, "domain")
	later := connect(t, without)
	defer later.Close()
	if err := later.Revoke(t.Context(), on("alice")); err == nil || !strings.Contains(err.Error(), "setting domain is missing") {
		t.Errorf("got %v", err)
	}
	must(t, errors.Join(later.Grant(t.Context(), on("carol@example.com"), soon())))
	must(t, errors.Join(c.Revoke(t.Context(), on("carol@example.com")), c.Revoke(t.Context(), on("alice"))))
	if w.May("user:carol@example.com", read, project) || w.May("user:alice@example.com", read, project) {
		t.Error("access outlived its revoke")
	}
	must(t, errors.Join(later.Revoke(t.Context(), on("allUsers")), later.Revoke(t.Context(), on("domain:example.com")), later.Revoke(t.Context(), on("bob@example.com"))))
}

// The libraries that read credentials do not regard the case of a key.
func TestCredentialsCannotHideAnAddressInAnotherSpelling(t *testing.T) {
	w := scene(t)
	for _, key := range []string{"Token_URI", "token_UR\u0049"} {
		text := strings.TrimSuffix(strings.TrimSpace(w.key), "}") + `, "` + key + `": "https://collector.example.com/token"}`
		_, err := Driver{}.Open(t.Context(), "gcp-prod", connectors.Settings{
			"credentials": text, "endpoint": w.URL, "roles": []string{viewer}, "projects": []string{"shop-prod"},
		})
		if err == nil || !strings.Contains(err.Error(), "token_uri is not an address of") {
			t.Errorf("%s: got %v", key, err)
		}
	}
}
