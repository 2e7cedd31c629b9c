// Package e2e holds tests of the whole on real PostgreSQL servers; the ways to
// access, good and bad, are in package ways. It has no code of its own; package
// stage sets the scene.
package e2e
