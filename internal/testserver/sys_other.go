//go:build !unix

package testserver

import (
	"os/exec"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func stopGroup(cmd *exec.Cmd) { killGroup(cmd) }
