package stage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/internal/minihub"
)

// member is a person of the access repository. The login on the forge is the name
// with "-gh".
type member struct {
	name, manager string
	id            int64
}

// cast are the people. carol and dave lead, erin is the admin, mallory is an
// engineer like alice, bob and frank, zoe is in no group.
var cast = []member{
	{"alice", "carol", 9001}, {"bob", "carol", 9002}, {"carol", "erin", 9003}, {"dave", "erin", 9004},
	{"erin", "", 9005}, {"frank", "dave", 9006}, {"mallory", "dave", 9007}, {"zoe", "erin", 9008},
}

// Login is a person's account on the forge.
func Login(person string) string { return person + "-gh" }

// Person is the document of one person of the cast, with further lines.
func Person(name string, lines ...string) string {
	i := slices.IndexFunc(cast, func(m member) bool { return m.name == name })
	m := cast[i]
	text := fmt.Sprintf("apiVersion: tenure.dev/v1\nkind: Person\nname: %s\nemail: %[1]s@example.com\ngithub: {login: %s, id: %d}\n", m.name, Login(m.name), m.id)
	if m.manager != "" {
		text += "manager: " + m.manager + "\n"
	}
	return text + strings.Join(append(lines, ""), "\n")
}

// Group is the document of a group.
func Group(name string, members ...string) string {
	return fmt.Sprintf("apiVersion: tenure.dev/v1\nkind: Group\nname: %s\nmembers: [%s]\n", name, strings.Join(members, ", "))
}

// Files is the access repository that a stage starts with: no requests, the roles
// ops (bastion), editor (wiki), release (both) and shift (bastion, for schedules).
func Files() map[string]string {
	out := map[string]string{
		"groups/admins.yaml":      Group("admins", "erin"),
		"groups/engineering.yaml": Group("engineering", "alice", "bob", "carol", "dave", "frank", "mallory"),
		"groups/leads.yaml":       Group("leads", "carol", "dave"),
		"targets/bastion.yaml": `apiVersion: tenure.dev/v1
kind: Target
name: bastion
connector: file
description: Groups of the bastion
allow: [{group: ops}, {group: deploy}, {group: shift}]
`,
		"targets/wiki.yaml": `apiVersion: tenure.dev/v1
kind: Target
name: wiki
connector: file
description: Groups of the wiki
allow: [{group: editors}, {group: release}]
`,
		"roles/ops.yaml":     Role("ops", "{target: bastion, group: ops}"),
		"roles/editor.yaml":  Role("editor", "{target: wiki, group: editors}"),
		"roles/release.yaml": Role("release", "{target: bastion, group: deploy}", "{target: wiki, group: release}"),
		"roles/shift.yaml":   Role("shift", "{target: bastion, group: shift}"),
	}
	for _, m := range cast {
		out["people/"+m.name+".yaml"] = Person(m.name)
	}
	return out
}

// Role is a role that engineers ask for and one of leads approves, for at most
// 8 h at a time and 60 d in all.
func Role(name string, entitlements ...string) string {
	return fmt.Sprintf(`apiVersion: tenure.dev/v1
kind: Role
name: %s
description: The role %[1]s
entitlements: [%s]
requesters: [engineering]
maxDuration: 8h
maxSpan: 60d
approvals:
  - {from: [leads], count: 1}
`, name, strings.Join(entitlements, ", "))
}

// Request is a request file: for a subject (or several, with a comma), a role and
// further lines such as "duration: 1h".
func Request(subjects, role string, lines ...string) string {
	return fmt.Sprintf("apiVersion: tenure.dev/v1\nkind: AccessRequest\nsubjects: [%s]\nroles: [%s]\nreason: Something has to be repaired\n%s\n",
		subjects, role, strings.Join(lines, "\n"))
}

// populate fills the forge. alice, bob, carol, dave, frank and mallory may write
// to the repository, erin administers it, zoe reads.
func (s *Stage) populate() {
	_, err := s.Hub.CreateRepo(Repo)
	s.must(err)
	for _, m := range cast {
		s.Hub.AddUserID(Login(m.name), m.id)
		p := minihub.Write
		switch m.name {
		case "erin":
			p = minihub.Admin
		case "zoe":
			continue
		}
		s.must(s.Hub.SetPermission(Repo, Login(m.name), p))
	}
	s.Hub.AddBot(Bot)
	s.must(s.Hub.SetPermission(Repo, Bot, minihub.Admin))
	first := Files()
	for path, text := range s.o.Files {
		if first[path] = text; text == "" {
			delete(first, path)
		}
	}
	if len(s.o.Earlier) > 0 {
		s.Push("erin", Change{Write: s.o.Earlier})
	}
	s.From = s.Push("erin", Change{Write: first})
	if len(s.o.Later) > 0 {
		s.Push("erin", Change{Write: s.o.Later})
	}
}
