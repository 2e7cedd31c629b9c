//go:build !race

package schema_test

// slack multiplies memory bounds; without the race detector they hold as written.
const slack = 1
