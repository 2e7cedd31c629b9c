package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode"
)

// outputTail is how much of a command's output goes into an error, in bytes.
const outputTail = 500

// run runs one of the operator's commands with {} replaced by file, for at most limit.
// The command gets none of the reconciler's environment but PATH, because that holds
// secrets.
func (c *connector) run(ctx context.Context, limit time.Duration, command []string, file string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := make([]string, 0, len(command))
	for _, a := range command[1:] {
		args = append(args, strings.ReplaceAll(a, "{}", file))
	}
	out := &tail{}
	cmd := exec.CommandContext(ctx, command[0], args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // for children that keep the output open
	ownGroup(cmd)
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("ended after %s: %w", limit.Round(time.Millisecond), ctx.Err())
	} else if ctx.Err() != nil {
		err = ctx.Err()
	}
	if s := out.String(); s != "" {
		return fmt.Errorf("%s: %w: %s", command[0], err, s)
	}
	return fmt.Errorf("%s: %w", command[0], err)
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b) - outputTail; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

// String is the tail on one line, without control characters.
func (t *tail) String() string {
	s := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, string(t.b))
	return strings.Join(strings.Fields(s), " ")
}
