//go:build race

package e2e_test

// lagLogins times lagRoles is how many grants end together. Under the race
// detector the ledger is many times slower and nothing is measured.
const lagLogins = 10
