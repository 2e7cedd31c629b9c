package file

import (
	"bytes"
	"fmt"
	"strings"
)

// The marks around Tenure's lines. They are comments in every line format.
const (
	beginMark = "# BEGIN tenure"
	endMark   = "# END tenure"
)

// lineFormat is a format whose lines stand for themselves and that has # comments.
type lineFormat interface {
	check(p pair) error
	// isHeader reports whether a comment inside the block says something about the
	// lines below it.
	isHeader(line string) bool
	// read returns what one line states; header is the nearest header above it inside
	// of the block, if any. mine is false when the line is not exactly what write
	// would have made: it is then kept as it is.
	read(line, header string) (stated []pair, mine bool)
	// write returns the lines that state the pairs, which are sorted.
	write(pairs []pair) []string
}

// noHeaders is for formats whose lines say everything themselves.
type noHeaders struct{}

func (noHeaders) isHeader(string) bool { return false }

// blockFormat keeps Tenure's lines between two marks, and everything else as it is.
type blockFormat struct{ lineFormat }

func (f blockFormat) parse(content []byte, _ *state) (*document, error) {
	d := &document{ours: map[pair]bool{}, foreign: map[pair]int{}}
	var before, odd, after []string // odd: lines inside the block that we did not write
	begin, end := 0, 0              // line numbers of the marks
	header := ""
	lines := splitLines(content)
	for i, raw := range lines {
		line := strings.TrimSpace(raw)
		switch {
		case line == beginMark:
			if begin != 0 {
				return nil, fmt.Errorf("line %d: a second %q; keep one block", i+1, beginMark)
			}
			begin = i + 1
			continue
		case line == endMark:
			if begin == 0 || end != 0 {
				return nil, fmt.Errorf("line %d: %q without a beginning", i+1, endMark)
			}
			end = i + 1
			continue
		}
		inside := begin != 0 && end == 0
		if inside && f.isHeader(line) {
			header = line
			continue
		}
		stated, mine := f.read(joinContinued(lines, i), header)
		for _, p := range stated {
			if inside && mine {
				d.ours[p] = true
			} else if d.foreign[p] == 0 {
				d.foreign[p] = i + 1
			}
		}
		switch {
		case begin == 0:
			before = append(before, raw)
		case end != 0:
			after = append(after, raw)
		case !mine:
			odd = append(odd, raw)
		}
		if !inside {
			header = ""
		}
	}
	if begin != 0 && end == 0 {
		return nil, fmt.Errorf("line %d: %q without %q", begin, beginMark, endMark)
	}
	d.render = func(ours []pair) ([]byte, error) {
		var b bytes.Buffer
		keepLines(&b, before)
		if len(ours)+len(odd) > 0 {
			b.WriteString(beginMark + "\n")
			for _, l := range f.write(ours) {
				b.WriteString(l + "\n")
			}
			keepLines(&b, odd)
			b.WriteString(endMark + "\n")
		}
		for _, l := range after {
			b.WriteString(l)
		}
		return b.Bytes(), nil
	}
	return d, nil
}

// keepLines writes foreign lines as they are, so that what follows starts a line of
// its own: an empty line ends one that a backslash would continue.
func keepLines(b *bytes.Buffer, lines []string) {
	for _, l := range lines {
		b.WriteString(l)
	}
	if n := len(lines); n > 0 {
		last := lines[n-1]
		if !strings.HasSuffix(last, "\n") {
			b.WriteByte('\n')
		}
		if strings.HasSuffix(strings.TrimRight(last, "\r\n"), `\`) {
			b.WriteByte('\n')
		}
	}
}

// splitLines keeps each line's own ending, so that foreign lines stay as they are.
func splitLines(content []byte) []string {
	if len(content) == 0 {
		return nil
	}
	lines := strings.SplitAfter(string(content), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// joinContinued returns line i with the lines that continue it after a backslash.
// The continuing lines are read by themselves, too: what they seem to state then is
// reported as foreign, which errs on the side of showing access.
func joinContinued(lines []string, i int) string {
	line := strings.TrimRight(lines[i], "\r\n")
	for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
		i++
		line = strings.TrimSuffix(line, `\`) + " " + strings.TrimRight(lines[i], "\r\n")
	}
	return strings.TrimSpace(line)
}
