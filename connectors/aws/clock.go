package aws

import (
	"errors"
	"net/http"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// clock is the time by AWS's own clock, as an answer of it carries it. Ends of sessions
// are by that clock, so that one of ours that is slow ends none too few.
func clock(answer middleware.Metadata) time.Time {
	if t, ok := awsmiddleware.GetServerTime(answer); ok && !t.IsZero() {
		return t
	}
	return time.Now()
}

// clockOf is the same from an answer that is an error.
func clockOf(err error) time.Time {
	var e *smithyhttp.ResponseError
	if errors.As(err, &e) && e.Response != nil && e.Response.Response != nil {
		if t, err := http.ParseTime(e.Response.Header.Get("Date")); err == nil {
			return t
		}
	}
	return time.Now()
}
