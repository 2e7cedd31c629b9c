package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/source"
)

// complain prints an error: one line for each thing that is wrong, and a line that
// says what to do where the errors do not say it themselves.
func (a *app) complain(err error) {
	for _, e := range errorList(err) {
		for line := range strings.Lines(e.Error()) {
			if line = strings.TrimRight(line, "\n"); line != "" {
				fmt.Fprintln(a.err, a.tint(a.err, red, "error:"), safe(line))
			}
		}
	}
	switch {
	case errors.Is(err, source.ErrUnavailable), errors.Is(err, forge.ErrUnavailable):
		fmt.Fprintln(a.err, "Access that has to end still ends. `reconciler doctor` looks at the network, the addresses and the credentials.")
	case errors.As(err, new(config.Problems)):
		fmt.Fprintln(a.err, "The configuration is not used until all of this is mended; `reconciler schema config` describes it.")
	}
}

// errorList parts what was joined.
func errorList(err error) []error {
	switch e := err.(type) {
	case nil:
		return nil
	case notFine:
		return errorList(e.error)
	case interface{ Unwrap() []error }:
		var out []error
		for _, one := range e.Unwrap() {
			out = append(out, errorList(one)...)
		}
		return out
	case interface{ WrappedErrors() []error }:
		var out []error
		for _, one := range e.WrappedErrors() {
			out = append(out, errorList(one)...)
		}
		return out
	}
	return []error{err}
}
