package redis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// mark begins a pattern that no key and no channel can match: [] is a class without
// members. What follows are the words of the entitlement's commands. The server does
// not keep the rules of a selector as they were given: Redis 7.0 works out which
// categories and commands come to the same, and a later version whose categories hold
// more would print others. A grant must be found again after all that.
//
// Source: the Redis manual, ACL (selectors, key permissions), and stringmatchlen in
// its util.c; a test asks the server.
const mark = "[]tenure:"

// selector is one of an account's selectors, or its root permissions, as ACL GETUSER
// shows it. Other is true where there is more to it than this connector knows.
type selector struct {
	commands, keys, channels string
	other                    bool
}

// rule writes the selector so that the server makes the same one of it.
func (s selector) rule() string {
	rules := []string{"resetchannels"}
	for _, part := range []string{quoted(s.channels), quoted(s.keys), s.commands} {
		if part != "" {
			rules = append(rules, part)
		}
	}
	return "(" + strings.Join(rules, " ") + ")"
}

// quoted writes patterns as the server reads them: it takes quotes off, and another
// hand's pattern '*' would come back as one for everything.
func quoted(patterns string) string {
	words := strings.Split(patterns, " ")
	for i, w := range words {
		if strings.ContainsAny(w, quotes) {
			words[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w) + `"`
		}
	}
	return strings.Join(words, " ")
}

// marked reports whether the selector is one of ours.
func (s selector) marked() bool {
	return slices.ContainsFunc(strings.Fields(s.keys+" "+s.channels), func(w string) bool {
		return strings.HasPrefix(w, "~"+mark) || strings.HasPrefix(w, "&"+mark)
	})
}

// entitlement returns what a selector with our mark stands for.
func (s selector) entitlement() (e entitlement, ok bool) {
	if s.other {
		return e, false
	}
	var keys, channels []string
	found := 0
	for w := range strings.FieldsSeq(s.keys) {
		if commands, ok := strings.CutPrefix(w, "~"+mark); ok {
			e.commands, found = commands, found+1
			continue
		}
		keys = append(keys, strings.TrimPrefix(w, "~"))
	}
	for w := range strings.FieldsSeq(s.channels) {
		if commands, ok := strings.CutPrefix(w, "&"+mark); ok {
			e.commands, found = commands, found+1
			continue
		}
		channels = append(channels, strings.TrimPrefix(w, "&"))
	}
	slices.Sort(keys)
	slices.Sort(channels)
	e.commands = strings.ReplaceAll(e.commands, ",", " ")
	e.keys, e.channels = strings.Join(keys, " "), strings.Join(channels, " ")
	return e, found == 1
}

// everything reports whether nothing of e is missing in the selector, because it has
// no limit at all.
func (s selector) everything(e entitlement) bool {
	return !s.other && s.commands == "+@all" &&
		(e.keys == "" || slices.Contains(strings.Fields(s.keys), "~*")) &&
		(e.channels == "" || slices.Contains(strings.Fields(s.channels), "&*"))
}

// user is an account as ACL GETUSER shows it.
type user struct {
	root      selector
	selectors []selector
}

// has reports whether the account has a selector for e.
func (u *user) has(e entitlement) bool {
	return slices.ContainsFunc(u.selectors, func(s selector) bool {
		have, ok := s.entitlement()
		return ok && have == e
	})
}

// rules returns the selectors as rules.
func (u *user) rules() []string {
	out := make([]string, len(u.selectors))
	for i, s := range u.selectors {
		out[i] = s.rule()
	}
	return out
}

// errNewer is for servers whose selectors have more parts than are known here.
var errNewer = errors.New("the server shows more of a selector than this connector knows, as a newer server may: whether it is the one that was granted cannot be told")

var errOld = errors.New("the server shows no selectors: Redis 7.0 or later is needed")

// readUser reads the answer of ACL GETUSER, which is nil for an account that does not
// exist.
func readUser(answer any) (*user, error) {
	if answer == nil {
		return nil, nil
	}
	u := &user{}
	known := false
	err := pairs(answer, func(name string, value any) error {
		if name != "selectors" {
			return nil
		}
		known = true
		list, ok := value.([]any)
		if !ok {
			return errors.New("the server's list of selectors cannot be read")
		}
		for _, item := range list {
			s, err := readSelector(item, nil)
			if err == nil && s.other && s.marked() {
				err = errNewer // what it stands for must not be taken for gone
			}
			if err != nil {
				return err
			}
			u.selectors = append(u.selectors, s)
		}
		return nil
	})
	if err == nil && !known {
		err = errOld
	}
	if err != nil {
		return nil, err
	}
	u.root, err = readSelector(answer, []string{"flags", "passwords", "selectors"})
	return u, err
}

func readSelector(item any, besides []string) (s selector, err error) {
	into := map[string]*string{"commands": &s.commands, "keys": &s.keys, "channels": &s.channels}
	seen := 0
	err = pairs(item, func(name string, value any) error {
		p, ok := into[name]
		if !ok {
			s.other = s.other || !slices.Contains(besides, name)
			return nil
		}
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("the server's %s of a selector cannot be read", name)
		}
		*p = text
		seen++
		return nil
	})
	if err == nil && seen != len(into) {
		err = errors.New("the server's selector is not whole")
	}
	return s, err
}

// pairs walks over a list of names and values.
func pairs(answer any, visit func(name string, value any) error) error {
	list, ok := answer.([]any)
	if !ok || len(list)%2 != 0 {
		return errors.New("the server's answer to ACL GETUSER cannot be read")
	}
	for i := 0; i < len(list); i += 2 {
		name, ok := list[i].(string)
		if !ok {
			return errors.New("the server's answer to ACL GETUSER cannot be read")
		}
		if err := visit(name, list[i+1]); err != nil {
			return err
		}
	}
	return nil
}
