package minihub

import (
	"fmt"
	"net/http"
)

// Refusal is an answer of the forge other than success. API handlers send it;
// Go-side calls return it.
type Refusal struct {
	Status  int
	Message string
	Errors  []any // strings, or objects as GitHub's validation errors have them
}

// Error implements error.
func (r *Refusal) Error() string {
	if len(r.Errors) > 0 {
		return fmt.Sprintf("%d %s: %v", r.Status, r.Message, r.Errors)
	}
	return fmt.Sprintf("%d %s", r.Status, r.Message)
}

func refuse(status int, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Message: fmt.Sprintf(format, args...)}
}

func notFound() *Refusal { return refuse(http.StatusNotFound, "Not Found") }

func forbidden() *Refusal {
	return refuse(http.StatusForbidden, "Resource not accessible by this account")
}

// unprocessable is a 422 whose reason is a plain sentence.
func unprocessable(reason string) *Refusal {
	return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Unprocessable Entity", Errors: []any{reason}}
}

// invalid is a 422 that names the field at fault.
func invalid(resource, field, code, message string) *Refusal {
	e := obj{"resource": resource, "code": code}
	if field != "" {
		e["field"] = field
	}
	if message != "" {
		e["message"] = message
	}
	return &Refusal{Status: http.StatusUnprocessableEntity, Message: "Validation Failed", Errors: []any{e}}
}
