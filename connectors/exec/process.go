package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	osexec "os/exec"
	"time"

	"github.com/tenure-dev/tenure/connectors/plugin"
)

// drain is how long a process that left its group may keep the output open after
// its parent is gone.
const drain = time.Second

// process starts the plug-in's program once for each message.
type process struct {
	command []string
	dir     string
	env     []string // never nil, which would mean the reconciler's own
	timeout time.Duration
	slots   chan struct{}
	clean   *plugin.Cleaner
}

func (p *process) Close() error { return nil }

var errTooLong = fmt.Errorf("the answer is longer than %d bytes", plugin.MaxAnswer)

// Send runs the program with the request as its input and returns its output. It ends
// the program and all that it started when the context ends, and when the program
// itself does.
func (p *process) Send(ctx context.Context, request []byte) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("no process is free (setting processes): %w", ctx.Err())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("it was ended after %s (setting timeout): %w", p.timeout, context.DeadlineExceeded))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	out, complaints := &limited{over: func() { stop(errTooLong) }}, &plugin.Tail{}
	cmd := osexec.CommandContext(ctx, p.command[0], p.command[1:]...)
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(request), out, complaints
	cmd.WaitDelay = drain
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, errors.New(p.clean.Clean(err.Error()))
	}
	endGroup(cmd)
	err := cmd.Wait()
	switch {
	case ctx.Err() != nil && err != nil:
		err = context.Cause(ctx)
	case errors.Is(err, osexec.ErrWaitDelay):
		err = errors.New("a process that it started keeps its output open")
	}
	if err == nil {
		return out.buf.Bytes(), nil
	}
	if words := complaints.Clean(p.clean); words != "" {
		return nil, fmt.Errorf("%w: %s", err, words)
	}
	return nil, err
}

// limited keeps what is written to it, up to the longest answer.
type limited struct {
	buf  bytes.Buffer // not embedded: its ReadFrom knows no limit
	over func()
}

func (l *limited) Write(b []byte) (int, error) {
	if l.buf.Len()+len(b) > plugin.MaxAnswer {
		l.over()
		return 0, errTooLong
	}
	return l.buf.Write(b)
}
