//go:build !linux

package giteatest

import "syscall"

func sysProcAttr() *syscall.SysProcAttr { return nil }
