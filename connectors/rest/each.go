package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Each calls f for all items, at most n at once, until one fails. It returns when all
// calls have ended.
func Each[T any](ctx context.Context, n int, items []T, f func(context.Context, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(n)
	for _, item := range items {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f(ctx, item)
		})
	}
	return g.Wait()
}

// All calls f for all items, at most n at once, and returns all errors: one item does not
// stop the others.
func All[T any](ctx context.Context, n int, items []T, f func(context.Context, T) error) error {
	errs := make([]error, len(items))
	var g errgroup.Group
	g.SetLimit(n)
	for i, item := range items {
		g.Go(func() error {
			if errs[i] = ctx.Err(); errs[i] == nil {
				errs[i] = f(ctx, item)
			}
			return nil
		})
	}
	_ = g.Wait() // none of them returns an error
	return errors.Join(errs...)
}

// Quote writes a text as JSON does, which is how filters of SCIM and searches of Okta
// write values.
func Quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string
	return strings.TrimSuffix(b.String(), "\n")
}
