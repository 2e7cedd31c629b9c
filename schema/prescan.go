package schema

import "unicode/utf8"

// finding is what the scan of a file before its parsing objects to.
type finding struct {
	line, column int // from 1; column in bytes
	message      string
}

// prescan walks a file's tokens once, in memory that does not depend on its
// size, and stops at what must never reach the YAML parser: nesting beyond
// maxDepth, anchors and aliases, tags, directives and complex keys. It follows
// the rules by which yaml.v3 splits tokens; where those make an error of the
// text, the parser is left to say so.
func prescan(data []byte) *finding {
	s := scanner{data: data, indents: make([]int, 0, maxDepth+1), indent: -1, keyAllowed: true}
	for s.found == nil && s.next() {
	}
	return s.found
}

// scanner is the state of a prescan. Positions are kept in bytes, except col,
// which counts characters as indentation does.
type scanner struct {
	data       []byte
	i          int // next byte
	line       int // from 0
	lineStart  int // byte at which the line begins
	col        int // characters since lineStart
	indents    []int
	indent     int
	flow       int
	keyAllowed bool
	key        mark // where a block key may have begun
	hasKey     bool
	peak       int // deepest nesting so far
	found      *finding
}

type mark struct{ at, line, col int }

func (s *scanner) peek(n int) byte {
	if s.i+n < len(s.data) {
		return s.data[s.i+n]
	}
	return 0
}

func (s *scanner) skip() {
	_, size := utf8.DecodeRune(s.data[s.i:])
	s.i += size
	s.col++
}

func (s *scanner) skipBreak() {
	if s.peek(0) == '\r' && s.peek(1) == '\n' {
		s.i++
	}
	s.i++
	s.line, s.lineStart, s.col = s.line+1, s.i, 0
}

func isBreak(c byte) bool         { return c == '\n' || c == '\r' }
func isBlank(c byte) bool         { return c == ' ' || c == '\t' }
func (s *scanner) end() bool      { return s.i >= len(s.data) }
func (s *scanner) gap(n int) bool { c := s.peek(n); return isBlank(c) || isBreak(c) || c == 0 }

func (s *scanner) refuse(message string) {
	s.found = &finding{s.line + 1, s.i - s.lineStart + 1, message}
}

// marker reports whether a document begins or ends here.
func (s *scanner) marker() bool {
	c := s.peek(0)
	return s.col == 0 && (c == '-' || c == '.') && s.peek(1) == c && s.peek(2) == c && s.gap(3)
}

// gapToToken moves to the next token; it reports false at the end of the file.
func (s *scanner) gapToToken() bool {
	for !s.end() {
		switch c := s.peek(0); {
		case c == ' ' || c == '\t' && (s.flow > 0 || !s.keyAllowed):
			s.skip()
		case c == '#':
			for !s.end() && !isBreak(s.peek(0)) {
				s.skip()
			}
		case isBreak(c):
			s.skipBreak()
			if s.flow == 0 {
				s.keyAllowed = true
			}
		default:
			return true
		}
	}
	return false
}

// next reads one token; it reports false at the end of the file.
func (s *scanner) next() bool {
	if !s.gapToToken() {
		return false
	}
	if s.flow == 0 {
		s.unroll(s.col)
	}
	c := s.peek(0)
	switch {
	case s.col == 0 && c == '%':
		s.refuse("YAML directives (%) are not allowed; remove the line")
	case s.marker():
		s.unroll(-1)
		s.hasKey, s.keyAllowed = false, false
		s.skip()
		s.skip()
		s.skip()
	case c == '[' || c == '{':
		s.saveKey()
		s.flow++
		s.keyAllowed = true
		s.checkDepth()
		s.skip()
	case c == ']' || c == '}':
		if s.flow > 0 {
			s.flow--
		}
		s.keyAllowed = false
		s.skip()
	case c == ',':
		s.keyAllowed = true
		s.skip()
	case c == '-' && s.gap(1):
		s.roll(s.col)
		s.hasKey = s.hasKey && s.flow > 0
		s.keyAllowed = true
		s.skip()
	case c == '?' && (s.flow > 0 || s.gap(1)):
		s.refuse("complex keys (?) are not allowed; write key: value")
	case c == ':' && (s.flow > 0 || s.gap(1)):
		s.value()
	case c == '&' || c == '*':
		s.refuse("YAML anchors and aliases (&, *) are not allowed; write the value out, or put it in quotes")
	case c == '!':
		s.refuse("YAML tags (!) are not allowed; write the plain value, or put it in quotes")
	case (c == '|' || c == '>') && s.flow == 0:
		s.hasKey = false
		s.keyAllowed = true
		s.block()
	case c == '\'' || c == '"':
		s.saveKey()
		s.keyAllowed = false
		s.quoted(c)
	default:
		s.saveKey()
		s.keyAllowed = false
		s.plain()
	}
	return true
}

// saveKey notes that a block key may begin here. Keys inside of flow
// collections change no indentation, so they are not kept.
func (s *scanner) saveKey() {
	if s.flow == 0 && s.keyAllowed {
		s.key, s.hasKey = mark{s.i, s.line, s.col}, true
	}
}

// value reads the ':' after a key, which opens a block mapping at the column
// where the key began.
func (s *scanner) value() {
	if s.flow == 0 {
		if s.hasKey && s.key.line == s.line {
			s.roll(s.key.col)
			s.keyAllowed = false
		} else {
			s.roll(s.col)
			s.keyAllowed = true
		}
		s.hasKey = false
	} else {
		s.keyAllowed = false
	}
	s.skip()
}

func (s *scanner) roll(column int) {
	if s.flow > 0 || s.indent >= column {
		return
	}
	s.indents = append(s.indents, s.indent)
	s.indent = column
	s.checkDepth()
}

func (s *scanner) unroll(column int) {
	for s.indent > column && len(s.indents) > 0 {
		s.indent = s.indents[len(s.indents)-1]
		s.indents = s.indents[:len(s.indents)-1]
	}
}

func (s *scanner) checkDepth() {
	s.peak = max(s.peak, s.flow+len(s.indents))
	if s.peak > maxDepth {
		s.refuse("lists and mappings are nested too deep; at most 32 levels are read")
	}
}

// quoted skips a quoted scalar. An unfinished one is the parser's to report.
func (s *scanner) quoted(quote byte) {
	s.skip()
	for !s.end() {
		switch c := s.peek(0); {
		case s.marker():
			return
		case c == quote && quote == '\'' && s.peek(1) == quote:
			s.skip()
			s.skip()
		case c == quote:
			s.skip()
			return
		case c == '\\' && quote == '"' && !isBreak(s.peek(1)):
			s.skip()
			if !s.end() {
				s.skip()
			}
		case isBreak(c):
			s.skipBreak()
		default:
			s.skip()
		}
	}
}

// plain skips a plain scalar, over line breaks where it goes on.
func (s *scanner) plain() {
	start := s.i
	for !s.end() {
		if s.marker() || s.peek(0) == '#' && s.i > start {
			break
		}
		for !s.end() && !s.gap(0) {
			c := s.peek(0)
			s.keyAllowed = false
			if c == ':' && s.gap(1) || s.flow > 0 && (c == ',' || c == '?' || c == '[' || c == ']' || c == '{' || c == '}') {
				break
			}
			s.skip()
		}
		if s.end() || !s.gap(0) {
			break
		}
		crossed := false
		for !s.end() && (isBlank(s.peek(0)) || isBreak(s.peek(0))) {
			if isBreak(s.peek(0)) {
				s.skipBreak()
				crossed = true
			} else {
				s.skip()
			}
		}
		if crossed {
			s.keyAllowed = true
			if s.flow == 0 && s.col < s.indent+1 {
				return
			}
		}
	}
	if s.i == start && !s.end() {
		s.skip() // no token begins like this: the parser will say so
	}
}

// block skips a literal or folded scalar: all lines indented deeper than what
// it belongs to.
func (s *scanner) block() {
	s.skip()
	increment := 0
	for c := s.peek(0); c == '+' || c == '-' || c >= '1' && c <= '9'; c = s.peek(0) {
		if c > '0' {
			increment = int(c - '0')
		}
		s.skip()
	}
	for !s.end() && !isBreak(s.peek(0)) {
		s.skip()
	}
	indent, deepest := 0, 0
	if increment > 0 {
		indent = max(s.indent, 0) + increment
	}
	for !s.end() {
		s.skipBreak()
		for s.peek(0) == ' ' && (indent == 0 || s.col < indent) {
			s.skip()
		}
		deepest = max(deepest, s.col)
		if isBreak(s.peek(0)) {
			continue
		}
		if indent == 0 {
			indent = max(deepest, s.indent+1, 1)
		}
		if s.col < indent {
			return
		}
		for !s.end() && !isBreak(s.peek(0)) {
			s.skip()
		}
	}
}
