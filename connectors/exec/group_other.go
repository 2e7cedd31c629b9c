//go:build !unix

package exec

import osexec "os/exec"

// A deadline ends the program alone: there are no process groups here.
func ownGroup(*osexec.Cmd) {}

func endGroup(*osexec.Cmd) {}
