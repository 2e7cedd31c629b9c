package main

import (
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the build: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// build says what this program is: the version that the build was told, or the one
// that `go install MODULE@VERSION` knows; and the full commit, if the build knew it.
func build() (release, commit string) {
	release = version
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return release, ""
	}
	if v := b.Main.Version; release == "dev" && v != "" && v != "(devel)" {
		release = v
	}
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return release, commit
}

// firstRelease is what an access repository's CI uses when this program does not
// know where it comes from.
const firstRelease = "v1.0.0"

var released = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`)

// pinned is the version of this program that others can fetch: a release or a full
// commit.
func pinned() string {
	release, commit := build()
	switch {
	case released.MatchString(release):
		return release
	case fullHash.MatchString(commit):
		return commit
	}
	return firstRelease
}

type versionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func (a *app) versionCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the version of this program, the Go release that built it, and the system.",
		Example: "  reconciler version\n  reconciler version -o json",
		Args:    arguments(),
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
			v.Version, v.Commit = build()
			return a.print(v, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "reconciler %s (%s, %s/%s)\n", v.Version, v.Go, v.OS, v.Arch)
				return err
			})
		},
	}
	a.outputFlag(cmd)
	return cmd
}
