//go:build race

package schema_test

// slack multiplies memory bounds: the race detector makes sync.Pool forget at
// random, so that every use of a regular expression can allocate its state anew.
const slack = 8
