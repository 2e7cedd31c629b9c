// Package ways holds the tests of every known way to access: those that must stay
// shut (without the right people's consent, or for longer than agreed) and those
// that must stay open. Each goes from a push to the forge to a line in a target's
// file and an entry in the ledger; docs/attacks.md lists the first kind. It has no
// code of its own.
package ways
