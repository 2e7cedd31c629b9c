//go:build unix

package testserver

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shell is a server that writes its process number to a file when it is ready.
func shell(t *testing.T, script string) (Program, string) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ready")
	return Program{Path: Find(t, "sh", "dash"), Args: []string{"-c", script}, Dir: dir, Ready: func(context.Context) error {
		_, err := os.Stat(file)
		return err
	}}, file
}

func TestAServerIsKilledWithWhatItStarted(t *testing.T) {
	p, file := shell(t, "sleep 300 & echo $! >tmp; mv tmp ready; wait")
	s := Start(t, p)
	pid, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Kill() // of what is gone
	for out := "x"; ; {
		state, err := exec.Command("ps", "-o", "stat=", "-p", strings.TrimSpace(string(pid))).Output()
		if out = strings.TrimSpace(string(state)); err != nil || out == "" || strings.HasPrefix(out, "Z") {
			break
		}
		if t.Context().Err() != nil {
			t.Fatal(out)
		}
	}
}

func TestAServerThatEndsWhileItStartsIsAnErrorWithItsLog(t *testing.T) {
	p, _ := shell(t, "echo no such option; exit 3")
	if _, err := Try(t, p); err == nil || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("%v", err)
	}
}

func TestRestartRunsTheSameProgramAgain(t *testing.T) {
	p, file := shell(t, "echo begun; touch ready; sleep 300")
	s := Start(t, p)
	s.Stop()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	if n := strings.Count(s.LogTail(), "begun"); n != 2 {
		t.Errorf("begun %d times", n)
	}
}

func TestAnAddressIsFree(t *testing.T) {
	a := Address(t)
	if err := Dial(a)(t.Context()); err == nil {
		t.Errorf("%s is taken", a)
	}
}
