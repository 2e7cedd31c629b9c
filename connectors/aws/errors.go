package aws

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// code is AWS's word for an error; "" for one that is not AWS's.
func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// missing reports whether AWS says that something named in the call does not exist.
func missing(err error) bool {
	switch code(err) {
	case "NoSuchEntity", "NoSuchEntityException", "ResourceNotFoundException":
		return true
	}
	return false
}

func conflict(err error) bool {
	switch code(err) {
	case "ConflictException", "EntityAlreadyExists":
		return true
	}
	return false
}

func denied(err error) bool {
	switch code(err) {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation":
		return true
	}
	return false
}

// explain adds what to do to errors that an operator can mend.
func explain(err error) error {
	switch code(err) {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation":
		return fmt.Errorf("%w (the reconciler's own credentials lack a right; doctor names it)", err)
	case "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "InvalidSignatureException":
		return fmt.Errorf("%w (AWS does not take the reconciler's credentials, or the clock of this machine is wrong)", err)
	case "LimitExceeded", "LimitExceededException":
		return fmt.Errorf("%w (all inline policies of an IAM user have 2,048 characters together, those of a role 10,240: shorten the document, or grant a group)", err)
	case "UnmodifiableEntity":
		return fmt.Errorf("%w (AWS itself owns this role)", err)
	}
	return err
}

// retryAfter is how long an answer asks to wait, or zero.
func retryAfter(err error) time.Duration {
	var e *smithyhttp.ResponseError
	if !errors.As(err, &e) || e.Response == nil || e.Response.Response == nil {
		return 0
	}
	seconds, err := strconv.Atoi(e.Response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxPause)
}

// notWhileDown does not repeat a call whose connection is refused, or that somebody else
// answers: to come back to a target that is down is the caller's.
type notWhileDown struct{}

func (notWhileDown) IsErrorRetryable(err error) sdk.Ternary {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, errStranger) {
		return sdk.FalseTernary
	}
	return sdk.UnknownTernary
}
