// Package span holds the test of one role over several systems: a database, a cluster
// and a Linux host, each a real server.
package span
