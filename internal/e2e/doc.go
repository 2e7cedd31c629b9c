// Package e2e holds the tests of the whole: every known way to get access without
// the right people's consent or to keep it too long, and every good way, from a
// push to the forge to a line in a target's file. docs/attacks.md lists them. It
// has no code of its own; package stage sets the scene.
package e2e
