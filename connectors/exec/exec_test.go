package exec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

const secret = "hunter2-hunter2"

// shell is a plug-in that is a line of shell. $0 is a directory of the test's own.
func shell(t *testing.T, script string, more connectors.Settings) (c connectors.Connector, dir string) {
	dir = t.TempDir()
	s := connectors.Settings{"command": []any{"/bin/sh", "-c", script, dir}, "env": map[string]any{"PASSWORD": secret}}
	for k, v := range more {
		s[k] = v
	}
	return start(t, s), dir
}

// echo answers observe with the id of the request.
const echo = `id=$(sed 's/.*"id":"\([A-Z0-9]*\)".*/\1/')
printf '{"protocol":"tenure.plugin/v1","id":"%s","complete":true,"grants":[{"account":"alice","entitlement":{"role":"a"}}]}' "$id"
`

var scope = []string{"role=a"}

const path = `PATH=/usr/bin:/bin; `

func TestAHostileProgramIsAnErrorWithoutSecretsAndNeverAHang(t *testing.T) {
	c, _ := shell(t, path+echo, nil)
	if found, err := c.Observe(t.Context(), scope); err != nil || len(found) != 1 {
		t.Fatalf("a good program: %v, %v", found, err)
	}
	for name, p := range map[string]struct{ script, want string }{
		"dies with words":       {`echo "cannot log in with $PASSWORD" >&2; exit 3`, "exit status 3: cannot log in with [secret]"},
		"dies after its answer": {path + echo + `exit 1`, "exit status 1"},
		"dies in the middle":    {`printf '{"protocol":"tenure.pl'; kill -9 $$`, "killed"},
		"says nothing":          {`exit 0`, "not one JSON value"},
		"says garbage":          {`echo "$PASSWORD"`, "not one JSON value"},
		"never stops saying":    {`while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done`, "longer than"},
		"never stops, deaf":     {path + `trap "" PIPE TERM INT; cat /dev/zero`, "longer than"},
		"never stops to moan":   {path + `cat /dev/zero >&2`, "setting timeout"},
		"hangs":                 {path + `trap "" TERM INT; while :; do sleep 1; done`, "setting timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := "20s"
			if strings.Contains(p.want, "timeout") {
				limit = "300ms"
			}
			c, _ := shell(t, p.script, connectors.Settings{"timeout": limit})
			found, err := c.Observe(t.Context(), scope)
			if err == nil || found != nil || !strings.Contains(err.Error(), p.want) {
				t.Errorf("%v, %v; want %q", found, err, p.want)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 700) {
				t.Errorf("%q", err)
			}
		})
	}
}

func TestTheDeadlineOfTheCallEndsTheProgramAndItsChildren(t *testing.T) {
	c, dir := shell(t, path+`sleep 600 & echo $! > "$0/child.new"; mv "$0/child.new" "$0/child"; wait`, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { _, err := c.Observe(ctx, scope); done <- err }()
	child := pid(t, filepath.Join(dir, "child"))
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	gone(t, child)
}

func TestWhatAProgramLeavesBehindIsEnded(t *testing.T) {
	c, dir := shell(t, path+`sleep 600 > /dev/null 2>&1 & echo $! > "$0/child"
`+echo, nil)
	if _, err := c.Observe(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	gone(t, pid(t, filepath.Join(dir, "child")))
	// One that keeps the output open is ended, too, and keeps nobody waiting.
	c, dir = shell(t, path+`sleep 600 & echo $! > "$0/child"
`+echo, nil)
	if _, err := c.Observe(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	gone(t, pid(t, filepath.Join(dir, "child")))
}

func TestAProgramSeesNothingOfTheReconcilersEnvironment(t *testing.T) {
	t.Setenv("RECONCILER_TOKEN", "secret")
	c, dir := shell(t, path+`env > "$0/env"; pwd > "$0/pwd"
`+echo, nil)
	if _, err := c.Observe(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	env, _ := os.ReadFile(filepath.Join(dir, "env"))
	if strings.Contains(string(env), "RECONCILER_TOKEN") || !strings.Contains(string(env), "PASSWORD="+secret) {
		t.Errorf("%s", env)
	}
	if pwd, _ := os.ReadFile(filepath.Join(dir, "pwd")); string(pwd) != "/\n" {
		t.Errorf("it runs in %q", pwd)
	}
}

func TestAProcessMoreWaitsForItsTurnAndItsDeadline(t *testing.T) {
	c, dir := shell(t, path+`echo $$ > "$0/pid.new"; mv "$0/pid.new" "$0/pid"; exec sleep 600`, connectors.Settings{"processes": 1})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := c.Observe(ctx, scope); done <- err }()
	first := pid(t, filepath.Join(dir, "pid"))
	short, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	if _, err := c.Observe(short, scope); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "setting processes") {
		t.Errorf("%v", err)
	}
	cancel()
	<-done
	gone(t, first)
}

func TestSettingsAreStrictAndKeepTheirValues(t *testing.T) {
	for name, s := range map[string]connectors.Settings{
		"none":           {},
		"empty":          {"command": []any{}},
		"relative":       {"command": []any{"sh"}},
		"dots":           {"command": []any{"/bin/../bin/sh"}},
		"absent":         {"command": []any{"/nonexistent/" + secret}},
		"no program":     {"command": []any{"/etc/passwd"}},
		"a directory":    {"command": []any{"/bin/"}},
		"unknown":        {"command": []any{"/bin/sh"}, "shell": secret},
		"bad variable":   {"command": []any{"/bin/sh"}, "env": map[string]any{"A=B": secret}},
		"zero byte":      {"command": []any{"/bin/sh"}, "env": map[string]any{"A": secret + "\x00"}},
		"relative dir":   {"command": []any{"/bin/sh"}, "dir": "tmp"},
		"bad ability":    {"command": []any{"/bin/sh"}, "abilities": []any{secret}},
		"no processes":   {"command": []any{"/bin/sh"}, "processes": 0},
		"many processes": {"command": []any{"/bin/sh"}, "processes": 65},
		"bad timeout":    {"command": []any{"/bin/sh"}, "timeout": "-1s"},
	} {
		if _, err := (Driver{}).Open(t.Context(), "t", s); err == nil || !strings.Contains(err.Error(), "setting") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// pid waits for a file with the number of a process.
func pid(t *testing.T, file string) int {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil {
			n, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("the program did not start")
	return 0
}

// gone waits until a process is no more; one that nobody has reaped counts as gone.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Errorf("process %d is still there", pid)
}
