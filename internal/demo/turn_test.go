package demo_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/demo"
)

// reader is a person with a browser and a shell, who does what the demo prints.
type reader struct {
	t    *testing.T
	base string
	http *http.Client
}

func (r *reader) press(path string, form ...string) (status int, page string) {
	r.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	res, err := r.http.PostForm(r.base+path, values)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (r *reader) must(path string, form ...string) string {
	r.t.Helper()
	status, page := r.press(path, form...)
	if status != http.StatusOK {
		r.t.Fatalf("%s %v: %d\n%s", path, form, status, page)
	}
	return page
}

// nextSecond waits for the forge's clock, which counts whole seconds.
func nextSecond() {
	<-time.After(time.Until(time.Now().Truncate(time.Second).Add(time.Second + 20*time.Millisecond)))
}

func TestThePrintedCommandsAndPagesLeadToAccess(t *testing.T) {
	t.Parallel()
	out := newScreen()
	o := options(t, out)
	o.Program = "true" // in place of the reconciler, which this package is not
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- demo.Run(ctx, o) }()
	defer func() {
		interrupt()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	out.await(t, "true explain --config")

	_, commands, ok := strings.Cut(out.String(), "1. Ask as alice, with plain git:\n")
	commands, _, end := strings.Cut(commands, "\n2. ")
	if !ok || !end {
		t.Fatalf("there are no commands to paste:\n%s", out)
	}
	shell := exec.CommandContext(ctx, "sh", "-e", "-c", commands)
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_TERMINAL_PROMPT=0")
	if text, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, commands, text)
	}

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	base := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(out.String())
	r := &reader{t, base, &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second}}
	const pulls = "/acme/access/pulls"
	r.must("/act-as", "login", "alice-gh", "back", pulls)
	page := r.must(pulls, "head", "mine")
	if !strings.Contains(page, "Ask for the wiki") || !strings.Contains(page, "requests/2026/alice-wiki.yaml") {
		t.Fatalf("the pull request was not opened:\n%s", page)
	}
	const pull = "/acme/access/pull/4"
	if status, page := r.press(pull, "action", "approve"); status == http.StatusOK || !strings.Contains(page, "Can not approve your own pull request") {
		t.Fatalf("alice approves her own request: %d\n%s", status, page)
	}
	if status, page := r.press(pull, "action", "merge"); status == http.StatusOK {
		t.Fatalf("it is merged without an approval:\n%s", page)
	}
	nextSecond()
	r.must("/act-as", "login", "carol-l", "back", pull)
	r.must(pull, "action", "approve", "body", "Fine.")
	nextSecond()
	r.must(pull, "action", "merge")

	target := filepath.Join(o.Dir, "targets", "wiki-groups")
	for late := time.Now().Add(30 * time.Second); ; <-time.After(50 * time.Millisecond) {
		if text, err := os.ReadFile(target); err == nil && strings.Contains(string(text), "editors: alice") {
			break
		}
		if time.Now().After(late) {
			log, _ := os.ReadFile(filepath.Join(o.Dir, "reconciler.log"))
			t.Fatalf("alice did not become an editor:\n%s", log)
		}
	}
}
