//go:build !unix

package file

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

var errNotHere = errors.New("the file connector needs a Unix system")

func (c *connector) lock(context.Context) (func(), error) { return nil, errNotHere }

func ownerOf(os.FileInfo) (uid, gid int, ok bool) { return -1, -1, false }

func lookupOwner(string) (uid, gid int, err error) { return -1, -1, errNotHere }

func ownGroup(*exec.Cmd) {}
