// Package examples carries the example access repository, so that the demo and
// the tests start from exactly what the documentation shows.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed all:access-repo
var files embed.FS

// AccessRepo is the example access repository.
func AccessRepo() fs.FS {
	sub, err := fs.Sub(files, "access-repo")
	if err != nil {
		panic(err) // the name is a constant that the directive above embeds
	}
	return sub
}
