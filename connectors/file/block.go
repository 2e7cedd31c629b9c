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
	// read returns what one line states; header is the group named by the nearest
	// "# group" comment above it inside of the block, if any. mine is false when
	// the line is not of the form that write gives it: it is then kept as it is.
	read(line, header string) (stated []pair, mine bool)
	// write returns the lines that state the pairs, which are sorted.
	write(pairs []pair) []string
}

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
		if inside && strings.HasPrefix(line, groupComment) {
			header = strings.TrimPrefix(line, groupComment)
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
		out := before
		if n := len(out); n > 0 && strings.HasSuffix(strings.TrimRight(out[n-1], "\r\n"), `\`) {
			return nil, fmt.Errorf("line %d ends with a backslash, which would swallow tenure's first line", n)
		}
		var b bytes.Buffer
		for _, l := range out {
			b.WriteString(l)
		}
		if n := b.Len(); n > 0 && b.Bytes()[n-1] != '\n' {
			b.WriteByte('\n')
		}
		if len(ours)+len(odd) > 0 {
			b.WriteString(beginMark + "\n")
			for _, l := range f.write(ours) {
				b.WriteString(l + "\n")
			}
			for _, l := range odd {
				b.WriteString(strings.TrimRight(l, "\r\n") + "\n")
			}
			b.WriteString(endMark + "\n")
		}
		for _, l := range after {
			b.WriteString(l)
		}
		return b.Bytes(), nil
	}
	return d, nil
}

// groupComment stands above the lines of one group, where a line does not show it.
const groupComment = "# group "

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
