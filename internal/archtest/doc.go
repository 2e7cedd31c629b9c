// Package archtest checks the direction of imports: which room may know which
// other room, and which libraries stay behind one door. It holds tests only.
package archtest
