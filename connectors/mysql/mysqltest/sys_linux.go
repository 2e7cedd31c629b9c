package mysqltest

import "syscall"

// sysProcAttr lets the server end with the test process, even if that is killed.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
