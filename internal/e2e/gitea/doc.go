// Package gitea holds tests of the whole on a real Gitea: the reconciler as an
// operator configures it, from a pull request to access on a target and back. It has
// no code of its own, and what every forge must do alone is in forgetest.
package gitea
