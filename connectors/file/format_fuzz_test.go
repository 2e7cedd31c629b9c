package file

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// fuzzFormats are all formats with the settings that their groups need.
func fuzzFormats(f *testing.F) map[string]format {
	out := map[string]format{}
	for _, s := range []settings{
		{Format: "sudoers", Rules: map[string]string{"ops": "ALL=(root) /usr/bin/systemctl", "dba": "ALL=(postgres) NOPASSWD: ALL"}},
		{Format: "htgroup"}, {Format: "csv"}, {Format: "json"},
		{Format: "lines", Group: "ops"}, {Format: "authorized_principals", Group: "ops"},
		{Template: "{{range .Groups}}{{.Name}}:{{range .Accounts}} {{.}}{{end}}\n{{end}}"},
	} {
		made, err := newFormat("target", s)
		if err != nil {
			f.Fatal(err)
		}
		out[s.Format] = made
	}
	return out
}

// FuzzAccounts holds that whatever account and group a format takes, the file then
// states exactly that beside what it stated before, on a line of its own in a block
// of its own; and that taking it away gives back a file that states what it did.
func FuzzAccounts(f *testing.F) {
	formats := fuzzFormats(f)
	for name := range formats {
		for _, account := range []string{"alice", "a\nroot ALL=(ALL) ALL", "a b", "# END tenure", `a\`, "a:b", "a,b", "ALL", "%wheel", "=cmd()", "é", `"a"`, "Defaults", "a\rb"} {
			f.Add(name, "ops", account, "bob", []byte("# by hand\n"))
			f.Add(name, "ops", "bob", account, []byte{})
		}
		f.Add(name, "a:b", "x", "y", []byte("no line end"))
	}
	f.Add("sudoers", "ops", "alice", "bob", []byte("carol ALL=(root) /usr/bin/systemctl\ndave ALL=(ALL) ALL \\\n"))
	f.Add("htgroup", "ops", "alice", "bob", []byte("ops: carol\n# BEGIN tenure\nops: dave\n# END tenure\nlast: x"))
	f.Add("csv", "ops", "alice", "bob", []byte("group,account\nops,carol\n"))
	f.Add("json", "ops", "alice", "bob", []byte(`{"ops": ["carol"], "empty": []}`))
	f.Fuzz(func(t *testing.T, name, group, account, other string, content []byte) {
		format := formats[name]
		if format == nil || name == "" && len(content) > 0 {
			return // what a template wrote is only believed with its state
		}
		if bytes.HasSuffix(bytes.TrimRight(content, "\r\n"), []byte(`\`)) {
			return // a last line that nothing continues reads as another once something follows
		}
		before, err := format.parse(content, &state{})
		if err != nil {
			return
		}
		held := before.held()
		want := map[pair]bool{}
		for _, p := range held {
			want[p] = true
		}
		given := 0
		for _, p := range []pair{{group, account}, {group, other}} {
			if format.check(p) == nil && !before.has(p) {
				before.ours[p], want[p] = true, true
				given++
			}
		}
		if given == 0 {
			return
		}
		after := written(t, format, before)
		if got := after.held(); !slices.Equal(got, sorted(want)) {
			t.Fatalf("the file states %q, want %q", got, sorted(want))
		}
		for p := range want {
			if err := after.remove(p); err == nil && after.has(p) {
				t.Fatalf("%q is removed and still there", p)
			}
		}
		left := written(t, format, after)
		for _, p := range left.held() {
			// A row of two empty fields stays: no grant has such a name.
			if _, foreign := after.foreign[p]; !foreign && p != (pair{}) {
				t.Fatalf("%q is removed and written all the same", p)
			}
		}
		if foreign := lost(content, render(t, left)); name != "json" && name != "csv" && name != "" && foreign != "" {
			t.Fatalf("the line %q, which is not Tenure's, is gone", foreign)
		}
	})
}

func render(t *testing.T, d *document) []byte {
	t.Helper()
	b, err := d.bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// written writes a document and reads what was written.
func written(t *testing.T, f format, d *document) *document {
	t.Helper()
	content := render(t, d)
	st := &state{}
	if _, whole := f.(custom); whole {
		st.Versions = []version{newVersion(content, sorted(d.ours))}
		if n := bytes.Count(content, []byte("\n")); n > len(d.ours) {
			t.Fatalf("%d accounts fill %d lines:\n%s", len(d.ours), n, content)
		}
	}
	again, err := f.parse(content, st)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v\n%s", err, content)
	}
	// A last line without an end gets one, once.
	if twice := render(t, again); !bytes.Equal(bytes.TrimRight(twice, "\n"), bytes.TrimRight(content, "\n")) {
		t.Fatalf("written again without a change:\n%s\nbefore:\n%s", twice, content)
	}
	return again
}

// lost returns a line outside the block that the file has no longer.
func lost(before, after []byte) string {
	ours := false
	count := map[string]int{}
	for _, l := range splitLines(after) {
		count[strings.TrimRight(l, "\n")]++
	}
	for _, l := range splitLines(before) {
		switch line := strings.TrimSpace(l); {
		case line == beginMark:
			ours = true
		case line == endMark:
			ours = false
		case !ours:
			l = strings.TrimRight(l, "\n")
			if count[l]--; count[l] < 0 {
				return l
			}
		}
	}
	return ""
}
