package gcp

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors/gcp/gcptest"
)

// edited is the key file with other fields.
func (w *world) edited(t testing.TB, fields map[string]string) string {
	t.Helper()
	doc := map[string]string{}
	if err := json.Unmarshal([]byte(w.key), &doc); err != nil {
		t.Fatal(err)
	}
	for k, v := range fields {
		doc[k] = v
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// secret is a part of the key that must not be seen anywhere.
func (w *world) secret(t testing.TB) string {
	t.Helper()
	var doc struct {
		Key string `json:"private_key"`
	}
	if err := json.Unmarshal([]byte(w.key), &doc); err != nil {
		t.Fatal(err)
	}
	return strings.Split(doc.Key, "\n")[3]
}

func TestCredentialsThatWouldSendSecretsElsewhereAreRefused(t *testing.T) {
	w := scene(t)
	for name, key := range map[string]string{
		"not JSON":          "hunter2",
		"another type":      w.edited(t, map[string]string{"type": "authorized_user", "refresh_token": "hunter2"}),
		"no key":            w.edited(t, map[string]string{"private_key": "hunter2"}),
		"no address":        w.edited(t, map[string]string{"client_email": ""}),
		"another cloud":     w.edited(t, map[string]string{"universe_domain": "hunter2.example"}),
		"a stranger":        w.edited(t, map[string]string{"token_uri": "https://hunter2.example/token"}),
		"a look-alike":      w.edited(t, map[string]string{"token_uri": "https://oauth2.googleapis.com.hunter2.example/token"}),
		"with a password":   w.edited(t, map[string]string{"token_uri": "http://hunter2@127.0.0.1:1/token"}),
		"Google's for here": w.edited(t, map[string]string{"token_uri": "https://oauth2.googleapis.com/token"}),
		"federation":        `{"type": "external_account", "audience": "a", "subject_token_type": "t", "token_url": "https://hunter2.example", "credential_source": {"file": "/x"}}`,
	} {
		_, err := Driver{}.Open(t.Context(), "t", w.with("credentials", key))
		if err == nil || !strings.Contains(err.Error(), "credentials") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	google := w.with("credentials", w.edited(t, map[string]string{"token_uri": "http://127.0.0.1:1/token"}))
	delete(google, "endpoint")
	if _, err := (Driver{}).Open(t.Context(), "t", google); err == nil {
		t.Error("a key for Google goes to this machine")
	}
	google["credentials"] = w.edited(t, map[string]string{"token_uri": "https://oauth2.googleapis.com/token"})
	c, err := Driver{}.Open(t.Context(), "t", google)
	if err != nil {
		t.Fatal(err)
	}
	must(t, c.Close())
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	w := scene(t)
	secret := w.secret(t)
	for name, f := range map[string]gcptest.Fault{
		"an echo":         {Path: "/token", Times: 9, Answer: &gcptest.Answer{Code: 400, Body: `{"error": "invalid_grant", "error_description": "` + secret + `"}`}},
		"an echo as word": {Path: "/token", Times: 9, Answer: &gcptest.Answer{Code: 400, Body: `{"error": "` + secret + `"}`}},
		"not JSON":        {Path: "/token", Times: 9, Answer: &gcptest.Answer{Code: 200, Body: secret}},
		"no token":        {Path: "/token", Times: 9, Answer: &gcptest.Answer{Code: 200, Body: `{"secret": "` + secret + `"}`}},
		"not found":       {Path: "/token", Times: 9, Answer: &gcptest.Answer{Code: 404, Body: `{"error": {"status": "NOT_FOUND", "message": "` + secret + `"}}`}},
		"of the API":      {Path: getPath, Times: 9, Answer: &gcptest.Answer{Code: 400, Body: secret}},
	} {
		t.Run(name, func(t *testing.T) {
			w := scene(t)
			c := w.open(t)
			w.Fail(f)
			found, err := c.Observe(t.Context(), []string{on("").Entitlement})
			if err == nil || len(found) > 0 || strings.Contains(err.Error(), secret) {
				t.Errorf("%v, %v", found, err)
			}
			if err := c.Revoke(t.Context(), on("alice")); err == nil || strings.Contains(err.Error(), secret) {
				t.Error(err)
			}
		})
	}
	// A key that Google does not know any more.
	key := w.key
	w.Key(t, robot)
	c := connect(t, w.with("credentials", key))
	defer c.Close()
	errs := c.Check(t.Context(), []string{on("").Entitlement})
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "invalid_grant") || strings.Contains(errs[0].Error(), secret) {
		t.Error(errs)
	}
}

func TestTheTokenEndpointIsTriedAgain(t *testing.T) {
	w := scene(t)
	c := w.open(t)
	w.Fail(gcptest.Fault{Path: "/token", Times: 2, Answer: unavailable("0")})
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	if w.Unused() != 0 || w.Calls("token") != 1 {
		t.Errorf("%d faults left, %d tokens", w.Unused(), w.Calls("token"))
	}
}

func TestATokenEndpointThatIsDownIsNotAskedForEver(t *testing.T) {
	t.Parallel()
	w := scene(t)
	c := w.open(t)
	w.Fail(gcptest.Fault{Path: "/token", Times: 1000, Answer: unavailable("0")})
	if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Error(err)
	}
	if n := 1000 - w.Unused(); n != attempts {
		t.Errorf("asked %d times", n)
	}
}

func TestApplicationDefaultCredentials(t *testing.T) {
	w := scene(t)
	t.Setenv("HOME", "/nonexistent") // no well-known file
	set := w.settings()
	delete(set, "credentials")

	t.Run("in a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "key.json")
		must(t, os.WriteFile(file, []byte(w.key), 0o600))
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
		c := connect(t, set)
		defer c.Close()
		must(t, c.Grant(t.Context(), on("alice"), soon()))
	})
	t.Run("in a file that would send them elsewhere", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "key.json")
		must(t, os.WriteFile(file, []byte(w.edited(t, map[string]string{"token_uri": "https://hunter2.example"})), 0o600))
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
		c := connect(t, set)
		defer c.Close()
		if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err == nil || !strings.Contains(err.Error(), "token_uri is not an address") {
			t.Error(err)
		}
	})
	t.Run("nowhere", func(t *testing.T) {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
		c := connect(t, set)
		defer c.Close()
		if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err == nil || !strings.Contains(err.Error(), "no application default credentials") {
			t.Error(err)
		}
	})
	t.Run("of the machine", func(t *testing.T) {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
		t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(w.URL, "http://"))
		c := connect(t, set)
		defer c.Close()
		must(t, c.Grant(t.Context(), on("bob"), soon()))
		if got := holders(t, c, on("")); len(got) != 2 {
			t.Errorf("observe says %v", got)
		}
	})
}

func TestAWorkloadIdentityPoolNeedsNoKey(t *testing.T) {
	w := scene(t)
	file := filepath.Join(t.TempDir(), "proof")
	must(t, os.WriteFile(file, []byte("first-proof"), 0o600))
	c := connect(t, w.with("credentials", w.Federation(t, robot, file, "first-proof")))
	defer c.Close()
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	if err := c.Grant(t.Context(), on("serviceAccount:"+robot), soon()); err == nil || !strings.Contains(err.Error(), "own account") {
		t.Error(err)
	}
	// The platform replaces the proof; the one that nobody takes any more is not shown.
	w.Withdraw()
	must(t, os.WriteFile(file, []byte("stale-proof"), 0o600))
	if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err == nil || !strings.Contains(err.Error(), "invalid_grant") || strings.Contains(err.Error(), "stale-proof") {
		t.Error(err)
	}
	w.Federation(t, robot, file, "stale-proof")
	w.Fail(gcptest.Fault{Path: "/sts/v1/token", Answer: unavailable("0")})
	if got := holders(t, c, on("")); len(got) != 1 {
		t.Errorf("observe says %v", got)
	}
}

func TestAKeyInAFileIsRead(t *testing.T) {
	w := scene(t)
	file := filepath.Join(t.TempDir(), "key.json")
	must(t, os.WriteFile(file, []byte(w.key+"\n"), 0o600))
	set := w.with("credentialsFile", file)
	delete(set, "credentials")
	c := connect(t, set)
	defer c.Close()
	if errs := c.Check(t.Context(), []string{on("").Entitlement}); len(errs) > 0 {
		t.Error(errs)
	}
}

func TestAnOpenConnectorNeedsNoServer(t *testing.T) {
	w := scene(t)
	w.Kill(t)
	c := connect(t, w.settings())
	defer c.Close()
	if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	w.Restart(t)
	must(t, c.Grant(t.Context(), on("alice"), soon()))
	must(t, c.Close())
	if _, err := c.Observe(t.Context(), []string{on("").Entitlement}); err == nil {
		t.Error("a closed connector goes on")
	}
}
