//go:build unix && !linux

package pgtest

import "syscall"

func sysProcAttr(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: cred, Setpgid: true}
}

// children is not known here; a PostgreSQL child ends by itself when it finds its
// postmaster gone.
func children(int) []int { return nil }
