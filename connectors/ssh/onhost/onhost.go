// Package onhost holds the script that runs on every host of an ssh target. The operator
// installs it there; it is all that the reconciler's key can run.
package onhost

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
)

// Path is where the script is installed.
const Path = "/usr/local/sbin/tenure-host"

// Script is the script. Its comments are the definition of requests and answers.
//
//go:embed tenure-host
var Script string

// Hash is how a host says which version of the script it has: SHA-256, in hexadecimal.
func Hash() string {
	sum := sha256.Sum256([]byte(Script))
	return hex.EncodeToString(sum[:])
}
