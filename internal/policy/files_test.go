package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/schema"
)

// files parses an access repository of a few files.
func files(t *testing.T, byPath map[string]string) *schema.Tree {
	t.Helper()
	var out []*schema.File
	for path, text := range byPath {
		out = append(out, schema.ParseFile(path, []byte(text)))
	}
	slices.SortFunc(out, func(a, b *schema.File) int { return strings.Compare(a.Path, b.Path) })
	tree := schema.NewTree(out)
	for _, p := range tree.Problems {
		if !p.Warning {
			t.Fatal(p)
		}
	}
	return tree
}

var repository = map[string]string{
	"people.yaml": `apiVersion: tenure.dev/v1
kind: Person
name: alice
email: alice@example.com
manager: carol
github: {login: alice-gh, id: 1}
---
apiVersion: tenure.dev/v1
kind: Person
name: bob
email: bob@example.com
github: {login: bob-gh, id: 2}
---
apiVersion: tenure.dev/v1
kind: Person
name: carol
email: carol@example.com
github: {login: carol-gh, id: 3}
---
apiVersion: tenure.dev/v1
kind: Group
name: engineering
members: [alice]
---
apiVersion: tenure.dev/v1
kind: Group
name: orders-leads
members: [bob, carol]
`,
	"targets/orders-db.yaml": `apiVersion: tenure.dev/v1
kind: Target
name: orders-db
connector: postgres
description: Orders database, production
allow: [{role: orders_ro}, {role: orders_rw}]
labels: {env: prod}
`,
	"roles/orders-db-writer.yaml": `apiVersion: tenure.dev/v1
kind: Role
name: orders-db-writer
description: Read and write the orders database
entitlements:
  - {target: orders-db, role: orders_rw}
requesters: [engineering]
maxDuration: 8h
approvals:
  - {from: [orders-leads, subject.manager], count: 1}
labels: {env: prod}
`,
	"requests/alice.yaml": `apiVersion: tenure.dev/v1
kind: AccessRequest
subject: alice
roles: [orders-db-writer]
reason: Refund job is stuck; rows need fixing by hand
duration: 4h
`,
}

func withPolicy(rules string) map[string]string {
	out := map[string]string{}
	for k, v := range repository {
		out[k] = v
	}
	out["policies/guardrails.yaml"] = "apiVersion: tenure.dev/v1\nkind: Policy\n" + rules
	return out
}

func TestFilesAreValidatedAtTheirPlaces(t *testing.T) {
	tree := files(t, withPolicy(`rules:
  - name: production-needs-a-ticket
    when: role.labels.env == 'prod'
    require: request.ticket != ''
    message: Production access needs a ticket
tests:
  - {name: no ticket is refused, request: {subject: alice, roles: [orders-db-writer], duration: 1h, reason: x}, expect: deny}
`))
	var got []string
	for _, p := range Validate(tree, canonical) {
		got = append(got, p.Error())
	}
	want := []string{"requests/alice.yaml:1:1: denied by rule production-needs-a-ticket: Production access needs a ticket (orders-db-writer as alice)"}
	if !slices.Equal(got, want) {
		t.Errorf("problems: %q", got)
	}

	tree = files(t, withPolicy(`rules:
  - name: typo
    when: role.labels.env == 'prod'
    require: request.ticket != '' && request.tickit != ''
    message: m
  - name: block
    require: |
      request.ticket != '' &&
      request.nothing != ''
    message: m
`))
	_, problems := Compile(tree)
	got = nil
	for _, p := range problems {
		got = append(got, p.Error())
	}
	if len(got) != 2 || !strings.HasSuffix(got[1], "rule block: `require`: undefined field 'nothing'") || !strings.HasPrefix(got[0], "policies/guardrails.yaml:6:45: rule typo") {
		t.Errorf("problems: %q", got)
	}
}

func TestRequestFromFilesIsProven(t *testing.T) {
	j := good()
	j.Trusted = files(t, repository)
	j.Request = j.Trusted.Requests["requests/alice.yaml"]
	v := Judge(j)
	if !v.Proven || len(v.Items) != 1 {
		t.Errorf("%s", lines(v.Checks))
	}
}
