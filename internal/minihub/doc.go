// Package minihub is an in-process GitHub: real Git over smart HTTP, the REST
// calls that Tenure uses, and small pages for pull requests. Tests and the demo
// run against it; package hubcheck holds it to GitHub's published description.
//
// It behaves as GitHub does where Tenure's proofs depend on it (who may approve,
// what a merge records, what a push record says) and makes no attempt elsewhere.
// It keeps its state in memory, trusts everybody who reaches its pages, and must
// never be exposed beyond the loopback interface.
package minihub
