// Command reconciler turns reviewed access requests into access, and takes it
// away again on time. This package is wiring: one file a command, no rules.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // schedules name time zones; the machine may know none

	"github.com/spf13/cobra"
)

// The exit codes of every command.
const (
	exitFine    = 0 // what was asked about is fine
	exitNotFine = 1 // it is not: an invalid file, drift, a failed change
	exitUsage   = 2 // wrong usage or configuration
)

// errNotFine ends a command with exit code 1. What is wrong has been printed.
var errNotFine = errors.New("not fine")

// notFine is an error whose text is still to be printed, with exit code 1.
type notFine struct{ error }

func (e notFine) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process: tests call it.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	app := &app{in: in, out: out, err: errOut, env: os.LookupEnv, now: func() time.Time { return time.Now().UTC() }}
	root := app.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var bad notFine
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errNotFine):
		return exitNotFine
	}
	app.complain(err)
	if errors.As(err, &bad) {
		return exitNotFine
	}
	return exitUsage
}

// app is what every command shares: the outside world.
type app struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	env func(string) (string, bool)
	now func() time.Time

	configFile string // of the commands that need the reconciler's configuration
	output     string // table, json or yaml
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "reconciler",
		Short: "Access as code, with an end",
		Long: `Tenure grants access that was asked for in a Git repository and approved in a
pull request, and takes it away the second its window closes.

Exit codes of every command:
  0  fine
  1  what was asked about is not fine: an invalid file, drift, a failed change
  2  wrong usage or configuration`,
		Example: `  reconciler demo                        see the whole story on this machine
  reconciler validate ./access-repo      what CI runs on a pull request
  reconciler run --config reconciler.yaml`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          subcommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(
		a.runCmd(), a.validateCmd(), a.planCmd(), a.statusCmd(), a.explainCmd(), a.doctorCmd(),
		a.requestCmd(), a.extendCmd(), a.revokeCmd(),
		a.codeownersCmd(), a.policyCmd(), a.pluginCmd(), a.pauseCmd(), a.resumeCmd(),
		a.confirmCmd(), a.initCmd(), a.schemaCmd(), a.demoCmd(), a.completionCmd(), a.versionCmd(),
	)
	root.SetHelpCommand(a.helpCmd())
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	return root
}
