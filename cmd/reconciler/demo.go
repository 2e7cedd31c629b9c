package main

import (
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/demo"
)

// program is how the reader can start this program again.
func program() string {
	self, err := os.Executable()
	if found, lookErr := exec.LookPath("reconciler"); err != nil || lookErr == nil && found == self {
		return "reconciler"
	}
	return self
}

func (a *app) demoCmd() *cobra.Command {
	o := demo.Options{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play the whole story on this machine",
		Long: `Start a small forge with real Git over HTTP, an access repository, and the
reconciler, and play the story: a request, its validation, a refusal without
approval, approval, merge, access, expiry, and the pull request that cleans up.

It needs git, no account and no network; everything listens on the loopback
interface only. Afterwards it stays up, for requests of your own.

Exit code with --once: 0 only if every step was seen.`,
		Example: `  reconciler demo
  reconciler demo --once
  reconciler demo --postgres postgres://postgres@127.0.0.1/scratch`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			reg, err := registry()
			if err != nil {
				return err
			}
			o.Out, o.Registry, o.Program = a.out, reg, program()
			o.Version, _ = build()
			o.Validate = func(dir string) ([]string, error) {
				v, err := validateTree(dir)
				var out []string
				for _, p := range v.Problems {
					if !p.Warning {
						out = append(out, p.Error())
					}
				}
				return out, err
			}
			if o.Once && !cmd.Flags().Changed("pace") {
				o.Pace = 200 * time.Millisecond
			}
			if err := demo.Run(cmd.Context(), o); err != nil {
				return notFine{err}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Once, "once", false, "end after the story")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address of the forge, on the loopback interface")
	f.StringVar(&o.Dir, "dir", "", "where to keep everything (default: a new temporary directory)")
	f.StringVar(&o.Postgres, "postgres", "", "DSN of a PostgreSQL administrator: let a real database take part")
	f.DurationVar(&o.Window, "window", 15*time.Second, "how long the granted access lasts")
	f.DurationVar(&o.Pace, "pace", 2*time.Second, "pause between two steps")
	return cmd
}
