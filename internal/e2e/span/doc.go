// Package span holds the test of one role over several systems: a database, a cluster
// and Linux hosts, each a real server.
package span
