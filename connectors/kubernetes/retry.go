package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// attempts of one call. Everything here may be done twice.
const attempts = 6

// retry repeats f while it fails in a way that another try can mend. The client
// itself waits where the server asks it to.
func retry(ctx context.Context, f func() error) error {
	for i := 1; ; i++ {
		err := f()
		if err == nil || i == attempts || ctx.Err() != nil || !retryable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(i) * 20 * time.Millisecond):
		}
	}
}

// retryable: two writers met, or a kept connection died with its server. A server
// that is down (connection refused) is the caller's to come back to.
func retryable(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsInternalError(err) || apierrors.IsServiceUnavailable(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// explain adds what to do to errors that an operator can mend.
func explain(err error) error {
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w (the reconciler's own account lacks a right; doctor names it)", err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w (the cluster does not take the reconciler's credentials)", err)
	}
	return err
}
