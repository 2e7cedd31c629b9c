package intake

import (
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/schema"
)

// Git takes any bytes for a name, and the ledger stores names exactly or not at all.
func TestAFileNameThatCannotBeStoredStopsNobody(t *testing.T) {
	const role = "apiVersion: tenure.dev/v1\nkind: Role\nname: ops\ndescription: Ops\nentitlements: [{target: bastion, group: ops}]\nrequesters: [staff]\nmaxDuration: 8h\napprovals: [{from: [bob], count: 1}]\n"
	for name, path := range map[string]string{"not UTF-8": "requests/\xff.yaml", "not UTF-8 as configuration": "roles/\xff\xfe.yml",
		"longer than any index takes": strings.Repeat("d/", schema.MaxPathBytes) + "x.yaml"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, base)
			w.pass()
			files := with(base, path, role)
			w.commit(files)
			w.pass()
			w.commit(with(files, "people/carol.yaml", person("carol")))
			r := w.pass()
			if r.Head != w.head() {
				t.Fatalf("the head is %s, accepted is %s", w.head(), r.Head)
			}
			if got := w.inForce(); len(got) != 3 {
				t.Errorf("in force: %q", got)
			}
			if len(r.Problems) != 1 || len(r.Problems[0].Pos.File) > schema.MaxPathBytes {
				t.Errorf("told: %+v", r.Problems)
			}
			w.restart()
			w.pass()
			w.commit(with(base, "people/carol.yaml", person("carol")))
			if r := w.pass(); r.Head != w.head() || len(r.Problems) != 0 {
				t.Errorf("after it was taken away: %+v", r)
			}
		})
	}
}
