package redis

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

const wantSpec = "want {commands: WORDS, keys: PATTERNS} or {commands: WORDS, channels: PATTERNS}, each a text or a list"

// entitlement is one selector: words in order, each once, with one space in between.
//
// A selector is a unit of its own: it is added and removed without a trace in the
// account's root permissions, where rules of several hands would run into each other
// (who takes +get away after two have given it?). The text says all of it. A name for a
// set of rules in the settings would be shorter, but once somebody changed the set,
// what had been granted by the old one could not be found and revoked.
type entitlement struct{ commands, keys, channels string }

func readSpec(spec connectors.Spec) (e entitlement, err error) {
	for _, key := range slices.Sorted(maps.Keys(spec)) {
		words, err := wordsOf(spec[key])
		if err != nil {
			return e, fmt.Errorf("%s: %w", key, err)
		}
		into, check := &e.commands, checkCommand
		switch key {
		case "commands":
		case "keys":
			into, check = &e.keys, checkKey
		case "channels":
			into, check = &e.channels, checkPattern
		default:
			return e, fmt.Errorf("unknown key %q", key)
		}
		for _, w := range words {
			if err := check(w); err != nil {
				return e, fmt.Errorf("%s: %w", key, err)
			}
		}
		slices.Sort(words)
		*into = strings.Join(slices.Compact(words), " ")
	}
	return e, e.check()
}

// wordsOf takes a text of words or a list of them.
func wordsOf(value any) (words []string, err error) {
	switch v := value.(type) {
	case string:
		words = strings.Split(v, " ")
	case []string:
		words = slices.Clone(v)
	case []any:
		for _, x := range v {
			s, ok := x.(string)
			if !ok {
				return nil, errors.New("must be a list of texts")
			}
			words = append(words, s)
		}
	default:
		return nil, errors.New("must be text or a list of texts")
	}
	if len(words) == 0 {
		return nil, errors.New("must not be empty")
	}
	return words, nil
}

// check knows what one word alone cannot show.
func (e entitlement) check() error {
	switch {
	case e.commands == "":
		return errors.New(`key "commands" is missing`)
	case e.keys != "" && e.channels != "":
		return errors.New("keys and channels are both given; no command uses both, so write two entitlements")
	case e.keys == "" && e.channels == "" && strings.Contains(e.commands, "@"):
		return errors.New("a category of commands needs keys or channels")
	}
	plain := map[string]bool{}
	for key := range strings.FieldsSeq(e.keys) {
		name := strings.TrimPrefix(strings.TrimPrefix(key, readOnly), writeOnly)
		if plain[name] {
			return fmt.Errorf("keys: pattern %q is there twice", name)
		}
		plain[name] = true
	}
	return nil
}

func (e entitlement) text() string {
	pairs := map[string]string{"commands": e.commands}
	if e.keys != "" {
		pairs["keys"] = e.keys
	}
	if e.channels != "" {
		pairs["channels"] = e.channels
	}
	return connectors.Format(pairs)
}

// readText reads canonical text, whose words it checks too: nothing that these rules
// refuse was ever granted.
func readText(text string) (entitlement, error) {
	pairs, err := connectors.Parse(text)
	if err != nil {
		return entitlement{}, err
	}
	spec := connectors.Spec{}
	for k, v := range pairs {
		spec[k] = v
	}
	e, err := readSpec(spec)
	if err == nil && e.text() != text {
		err = fmt.Errorf("it is not in canonical form (%s is)", e.text())
	}
	if err != nil {
		return entitlement{}, fmt.Errorf("entitlement %.200q: %w", text, err)
	}
	return e, nil
}

// withheld are the categories that no other category brings along: what they hold
// acts on the whole server (FLUSHALL is also in @write), or runs as others later
// (FUNCTION LOAD is also in @write).
func withheld() []string { return []string{"@admin", "@dangerous", "@scripting"} }

// rule returns the selector as ACL SETUSER takes it. Single commands come last, so that
// one that is listed is there even if its category is withheld.
func (e entitlement) rule() string {
	words := strings.Fields(e.commands)
	rules := []string{"resetchannels"}
	if e.channels != "" {
		rules = append(rules, "~"+mark+strings.ReplaceAll(e.commands, " ", ","))
	} else {
		rules = append(rules, "&"+mark+strings.ReplaceAll(e.commands, " ", ","))
	}
	for key := range strings.FieldsSeq(e.keys) {
		rules = append(rules, keyRule(key))
	}
	for channel := range strings.FieldsSeq(e.channels) {
		rules = append(rules, "&"+channel)
	}
	rules = append(rules, "-@all")
	category := false
	for _, w := range words {
		if strings.HasPrefix(w, "@") {
			rules, category = append(rules, "+"+w), true
		}
	}
	if category && !slices.Contains(words, "@all") {
		for _, w := range withheld() {
			if !slices.Contains(words, w) {
				rules = append(rules, "-"+w)
			}
		}
	}
	for _, w := range words {
		if !strings.HasPrefix(w, "@") {
			rules = append(rules, "+"+w)
		}
	}
	return "(" + strings.Join(rules, " ") + ")"
}

func (e entitlement) compare(o entitlement) int { return strings.Compare(e.text(), o.text()) }
