package rabbitmq

import (
	"errors"
	"slices"
	"strings"
)

// A permission of RabbitMQ is one regular expression for an account and a virtual
// host, which may match any part of a name. What this connector grants are alternatives
// at its front, each in one exact form:
//
//	^orders$          the resource orders
//	^orders\..*$      names that begin with orders.
//	^.*$              everything
//
// All after them, from the first alternative that has another form, is another hand's
// expression. It stays as it is, byte for byte: an option such as (?i) in it cannot
// reach what stands before.
//
// Source: rabbit_auth_backend_internal (an empty expression matches nothing), and the
// manual of Erlang's re.
type expression struct {
	ours []string
	rest string
	more bool // there is a rest; it may be empty text, which matches everything
}

// special are the characters that mean something in an expression.
const special = `\^$.|?*+()[]{}`

// alternative returns the form of an entitlement.
func (e entitlement) alternative() string {
	var b strings.Builder
	b.WriteByte('^')
	for i := range len(e.name) {
		if strings.IndexByte(special, e.name[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(e.name[i])
	}
	if e.kind != oneResource {
		b.WriteString(".*")
	}
	b.WriteByte('$')
	return b.String()
}

// readExpression takes the alternatives off the front.
func readExpression(text string) expression {
	var x expression
	if text == "" {
		return x
	}
	for {
		n := alternativeIn(text)
		if n == 0 {
			x.rest, x.more = text, true
			return x
		}
		x.ours = append(x.ours, text[:n])
		if n == len(text) {
			return x
		}
		text = text[n+1:]
	}
}

// alternativeIn returns the length of the alternative at the front; zero: it has
// another form.
func alternativeIn(text string) int {
	if text == "" || text[0] != '^' {
		return 0
	}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '$' && i > 1:
			if i+1 == len(text) || text[i+1] == '|' {
				return i + 1
			}
			return 0
		case c == '\\':
			if i++; i == len(text) || strings.IndexByte(special, text[i]) < 0 {
				return 0
			}
		case strings.HasPrefix(text[i:], ".*$"):
			i++ // the end follows
		case strings.IndexByte(special, c) >= 0:
			return 0
		}
	}
	return 0
}

func (x expression) text() string {
	parts := slices.Clone(x.ours)
	if x.more {
		rest := x.rest
		if rest == "" { // alone, it would match nothing instead of everything
			rest = "(?:)"
		}
		parts = append(parts, rest)
	}
	return strings.Join(parts, "|")
}

var errForeign = errors.New("another hand's expression is of a kind that cannot be put beside an alternative; whoever made it has to change it")

// checkRest refuses to put something before an expression that would then mean
// something else: one that refers to the whole of itself, or must come first.
func (x expression) checkRest() error {
	for _, part := range []string{"(*", "(?R", "(?0", "(?P>", "(?&", `\g`} {
		if strings.Contains(x.rest, part) {
			return errForeign
		}
	}
	return nil
}

// matches reports for sure whether the expression allows all that e is for, without
// running another hand's expression.
func (x expression) matches(e entitlement) bool {
	if x.more && slices.Contains([]string{"", ".*", "^.*", ".*$", "^.*$", "(?:)"}, x.rest) {
		return true
	}
	for _, a := range x.ours {
		if a == e.alternative() || a == "^.*$" {
			return true
		}
		if start, ok := strings.CutSuffix(a, ".*$"); ok && e.kind != allOf && strings.HasPrefix(e.alternative(), start) {
			return true
		}
	}
	return false
}

// entitlementOf reads an alternative back.
func entitlementOf(vhost, permission, form string) entitlement {
	e := entitlement{vhost: vhost, permission: permission, kind: oneResource}
	form = strings.TrimSuffix(strings.TrimPrefix(form, "^"), "$")
	if start, ok := strings.CutSuffix(form, ".*"); ok { // the dot of a name would be escaped
		form, e.kind = start, allPrefixed
		if start == "" {
			e.kind = allOf
		}
	}
	var name strings.Builder
	for i := 0; i < len(form); i++ {
		if form[i] == '\\' {
			i++
		}
		name.WriteByte(form[i])
	}
	e.name = name.String()
	return e
}
