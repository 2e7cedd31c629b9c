// Package doctest holds the tests that keep the documentation true: links lead
// somewhere, YAML is accepted by the loader, commands exist, reference pages name
// everything that the code knows, and the blocks marked as executable are run.
//
// A block says in the words after its language what is done with it:
//
//	sh run            run by bash, in order, one session a page
//	sh run exit-1     the same; the last command ends with that code
//	sh run until      repeated until it prints what the next block shows
//	sh background     started, and stopped at the end of the page
//	sh forge NAME     done by a person on the forge; the test does it on a stand-in
//	text output       what the block before prints, line by line; … stands for anything
//	yaml file=PATH    written to that file before the next block
//	sql SET           run by the test of that name
//
// All others are illustrations; their YAML is still checked. The package has no
// code of its own.
package doctest
