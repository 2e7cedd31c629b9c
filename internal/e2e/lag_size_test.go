//go:build !race

package e2e_test

// lagLogins times lagRoles is how many grants end together: a thousand.
const lagLogins = 100
