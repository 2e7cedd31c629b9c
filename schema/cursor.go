package schema

import (
	"bytes"
	"unicode/utf8"
)

// cursor turns columns that count characters into columns that count bytes. It
// remembers where it was and walks from there in either direction, so that a
// whole file costs one walk even when it is a single line.
type cursor struct {
	starts []int // byte at which each line begins
	line   int
	col    int // characters before the cursor, in its line
	at     int // bytes before the cursor, in its line
}

// column returns the byte column, from 1, of the character column on a line.
func (c *cursor) column(data []byte, line, column int) int {
	if c.starts == nil {
		c.starts = append(c.starts, 0)
		for i := 0; ; {
			n := bytes.IndexByte(data[i:], '\n')
			if n < 0 {
				break
			}
			i += n + 1
			c.starts = append(c.starts, i)
		}
	}
	if line < 1 || line > len(c.starts) {
		return column
	}
	if c.line != line {
		c.line, c.col, c.at = line, 0, 0
	}
	text := data[c.starts[line-1]:]
	for c.col < column-1 && c.at < len(text) {
		_, size := utf8.DecodeRune(text[c.at:])
		c.at, c.col = c.at+size, c.col+1
	}
	for c.col > max(column-1, 0) {
		_, size := utf8.DecodeLastRune(text[:c.at])
		c.at, c.col = c.at-size, c.col-1
	}
	return c.at + 1
}
