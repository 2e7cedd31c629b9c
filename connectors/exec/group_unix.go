//go:build unix && !linux

package exec

import (
	osexec "os/exec"
	"syscall"
)

// ownGroup lets a deadline end all that the program has started.
func ownGroup(cmd *osexec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// endGroup does nothing here: what a program leaves behind stays, as its group
// cannot be named without a race.
func endGroup(*osexec.Cmd) {}
